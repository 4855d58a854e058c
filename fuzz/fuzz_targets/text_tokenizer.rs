//! Tokenizers of strangers: an error, or one whose ids are below what it says.
#![no_main]

use std::panic;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use proofmark_engine::Tokenizer;

const TEXT: &str =
    "Once upon a time, <|end|> a caf\u{e9}\u{301} sold 1234 \u{1f98a}s.\n\n\t<s>  \u{0}";

static QUIET: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    // The library's panics are caught inside; the harness' own hook would end the process before that.
    QUIET.call_once(|| panic::set_hook(Box::new(|_| {})));
    let Ok(tokenizer) = Tokenizer::from_json(data) else {
        return;
    };
    let vocabulary = tokenizer.vocabulary();
    for ids in [
        tokenizer.encode_plain(TEXT),
        tokenizer.encode_trusted(TEXT, false),
        tokenizer.encode_trusted(TEXT, true),
    ]
    .into_iter()
    .flatten()
    {
        assert!(
            ids.iter().all(|&id| id < vocabulary),
            "{ids:?} of {vocabulary}"
        );
        let _ = tokenizer.decode(&ids);
    }
});
