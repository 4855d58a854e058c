//! Disputes over random programs. Every case prints its seed when it fails.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that can't be made fails its test"
)]

mod games;
mod proofs;
mod steps;
mod vectors;
mod world;
