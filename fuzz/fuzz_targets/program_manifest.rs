//! One encoding: a manifest that decodes is encoded back byte for byte, and its paths stay below its directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_program::Manifest;

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = Manifest::decode(data) else {
        return;
    };
    assert_eq!(manifest.encode().expect("it was decoded"), data);
    for file in &manifest.files {
        assert!(
            !file.path.starts_with('/')
                && file
                    .path
                    .split('/')
                    .all(|part| part != ".." && !part.is_empty())
        );
    }
});
