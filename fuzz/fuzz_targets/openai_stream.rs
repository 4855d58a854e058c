//! A stream means the same however it is cut into pieces, and putting it together stays within the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_openai::{Answer, Assembler, Chunk, Operation, SseParser};

const LIMIT: usize = 1 << 14;

/// The events up to the first error, and whether there was one.
fn events<'d>(pieces: impl Iterator<Item = &'d [u8]>) -> (Vec<(String, String)>, bool) {
    let mut parser = SseParser::new(LIMIT);
    let mut events = Vec::new();
    for mut piece in pieces {
        loop {
            match parser.next_event(&mut piece) {
                Ok(Some(event)) => events.push((event.kind.to_owned(), event.data.to_owned())),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
    }
    match parser.finish() {
        Ok(Some(event)) => events.push((event.kind.to_owned(), event.data.to_owned())),
        Ok(None) => {}
        Err(_) => return (events, true),
    }
    (events, false)
}

fuzz_target!(|data: &[u8]| {
    let whole = events(core::iter::once(data));
    assert_eq!(whole, events(data.chunks(1)));
    assert_eq!(whole, events(data.chunks(7)));
    for operation in [Operation::ChatCompletions, Operation::Completions] {
        let mut assembler = Assembler::new(operation, LIMIT);
        for (_, data) in &whole.0 {
            let Ok(chunk) = Chunk::parse(data.as_bytes()) else {
                continue;
            };
            let _ = (
                chunk.error(),
                chunk.has_finish_reason(),
                chunk.is_usage_only(),
            );
            let _ = assembler.push(&chunk);
            assert!(assembler.memory_used() <= LIMIT);
        }
        let _ = assembler.finish();
    }
    for operation in [
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
    ] {
        let _ = Answer::parse(operation, data);
    }
});
