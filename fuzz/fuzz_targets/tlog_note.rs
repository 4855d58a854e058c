//! A note that parses is written back byte for byte, and nobody's signature is under it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_tlog::{Note, open_note, parse_signature_lines};

fuzz_target!(|data: &[u8]| {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data);
        assert!(open_note(data, &[]).is_err());
    }
    if let Ok(text) = core::str::from_utf8(data) {
        let _ = parse_signature_lines(text);
    }
});
