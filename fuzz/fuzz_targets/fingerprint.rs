//! What is read of a fingerprint is written the same, and comparing it with rows of its own shape ends without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_fingerprint::Fingerprint;

fuzz_target!(|data: &[u8]| {
    let Ok(fingerprint) = Fingerprint::decode(data) else {
        return;
    };
    assert_eq!(fingerprint.encode(), data);
    let width = fingerprint.parameters().width as usize;
    let count = width.saturating_mul(fingerprint.positions() as usize);
    if count <= 1 << 16 {
        let rows: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
        let _ = fingerprint.compare(&rows);
    }
    // Rows of another shape are an error.
    let _ = fingerprint.compare(&[1.0]);
});
