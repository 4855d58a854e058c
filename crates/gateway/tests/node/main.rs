//! A whole node over real sockets: a mock upstream behind it, real keys and logs, and clients in front.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of the functions that clippy takes for tests"
)]

mod answers;
mod clock;
mod harness;
mod limits;
mod policies;
mod secrecy;
#[path = "../support/mod.rs"]
mod support;
mod weaknesses;
