//! The mock upstream over raw sockets: what a client sees, byte for byte.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, with functions that they share"
)]

mod answers;
mod failures;
mod raw;
mod server;
