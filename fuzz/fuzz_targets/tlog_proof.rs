//! A tlog-proof or witness request that parses is written back byte for byte, and proves nothing without keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_tlog::{
    AddCheckpointRequest, Decision, TlogProof, VerifierKey, judge_add_checkpoint, leaf_hash,
    verify_tlog_proof,
};

/// A key whose secret half nobody has written down: the base point of the curve.
fn stranger() -> VerifierKey {
    let mut base = [0x66; 32];
    base[0] = 0x58;
    let name = proofmark_tlog::NoteKeyName::parse("example.org/log").expect("a name");
    VerifierKey::new(name, proofmark_tlog::KeyType::Ed25519, &base).expect("a point of the curve")
}

fuzz_target!(|data: &[u8]| {
    if let Ok(proof) = TlogProof::parse(data) {
        assert_eq!(proof.encode().as_bytes(), data);
        assert!(verify_tlog_proof(&leaf_hash(data), &proof, &stranger(), &[]).is_err());
    }
    if let Ok(request) = AddCheckpointRequest::parse(data) {
        assert_eq!(request.encode().as_bytes(), data);
        let decision = judge_add_checkpoint(None, &request, &[stranger()]);
        assert!(
            !matches!(decision, Decision::Cosign(_)),
            "accepted without a signature"
        );
    }
});
