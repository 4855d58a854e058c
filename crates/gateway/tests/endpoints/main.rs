//! Receipts, bundles, contents, listings, facts and health over real sockets, with real logs on a real directory.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of the functions that clippy takes for tests"
)]

mod access;
mod bundles;
mod contents;
mod description;
mod facts;
mod harness;
mod health;
mod issue;
mod listing;
#[path = "../support/mod.rs"]
mod support;
