//! A request that opens can be walked through, and an edit changes what it says and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_openai::{Edit, JsonText, Members, Operation, Request};

const LIMIT: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    for operation in [
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
    ] {
        let Ok(request) = Request::open(operation, data) else {
            continue;
        };
        let _ = (
            request.unknown_members(),
            request.messages().count(),
            request.tools().count(),
        );
        for attachment in request.attachments() {
            if let Ok(Some(bytes)) = attachment.decode(LIMIT) {
                assert!(bytes.len() <= LIMIT);
            }
        }
        for field in request.fields() {
            assert!(!field.name().is_empty() || !request.members().is_empty());
        }
        assert_eq!(Edit::new(request.members()).finish().to_vec(), data);
        let mut edit = Edit::new(request.members());
        edit.set("model", JsonText::string("fuzz \"model\""));
        let edited = edit.finish().to_vec();
        let again = Members::parse(&edited).expect("an edited request is a request");
        assert_eq!(again.len(), request.members().len());
        for (name, value) in request
            .members()
            .iter()
            .filter(|(name, _)| name.as_ref() != "model")
        {
            assert_eq!(again.get(name), Some(value));
        }
    }
});
