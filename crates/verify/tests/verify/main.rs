//! Tests of the verifier, over one small world of keys, logs and witnesses.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture that can't be made fails its test"
)]

mod audit;
mod flips;
mod fraud;
mod never_panics;
mod replay;
mod roots;
mod vectors;
mod verdicts;
mod world;
