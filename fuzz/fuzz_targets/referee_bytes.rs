//! What is read of a fraud proof or a transcript is written the same; judging any transcript ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_referee::{FraudProof, Transcript};

fuzz_target!(|data: &[u8]| {
    if let Ok(proof) = FraudProof::decode(data) {
        assert_eq!(proof.encode(), data);
    }
    if let Ok(transcript) = Transcript::decode(data) {
        assert_eq!(transcript.encode(), data);
        let _ = transcript.judge();
    }
});
