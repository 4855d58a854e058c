//! Proofs of receipts: made here, checked by the verifier, over the verifier's own small world of keys, logs and witnesses.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that can't be made fails its test"
)]

mod proofs;
mod texts;
#[expect(dead_code, reason = "the verifier's tests use more of it")]
#[path = "../../../verify/tests/verify/world.rs"]
mod world;
