//! The relay against the mock upstream, over real sockets. Nothing sleeps: gates decide what happens when, and where a test is about
//! time, tokio's clock is paused.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

mod bounds;
mod failures;
mod harness;
mod models;
mod retries;
mod streams;
mod whole;
