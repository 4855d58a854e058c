//! Writes `vectors/proof`: `cargo run --release -p proofmark-prover --example vectors`. The same bytes every time.

#![expect(
    clippy::unwrap_used,
    reason = "a tool for this repository: a failure stops it"
)]

mod inferences;
mod openings;
#[path = "../../tests/opening/plain.rs"]
mod plain;
mod programs;
mod trace;

use std::fs;
use std::path::Path;

use openings::transcript;

/// Numbers without a pattern, from a multiplicative congruence.
fn noise(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        Some((state >> 32) as u32)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/proof");
    for (name, all) in [
        ("openings", openings::all()),
        ("inferences", inferences::all()),
    ] {
        fs::write(folder.join(format!("{name}.json")), format!("{all:#}\n")).unwrap();
    }
}
