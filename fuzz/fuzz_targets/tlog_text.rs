//! Checkpoints, promises, verifier keys and tile paths have one spelling: what parses is written back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_tlog::{Checkpoint, Promise, TilePath, VerifierKey};

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = Checkpoint::parse_text(text) {
        assert_eq!(checkpoint.to_text(), text);
    }
    if let Ok((checkpoint, extensions)) = Checkpoint::parse_text_with_extensions(text) {
        assert_eq!(format!("{}{extensions}", checkpoint.to_text()), text);
    }
    if let Ok(promise) = Promise::parse_text(text) {
        assert_eq!(promise.to_text(), text);
    }
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text);
    }
});
