//! The real command in processes of its own: output, exit codes, and everything together against a mock upstream.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod config;
mod crash;
mod dispute;
mod end_to_end;
mod help;
mod infer;
mod keys;
mod lies;
mod load;
mod local;
mod log;
mod model;
mod policy;
mod prove;
mod prove_text;
mod proxy;
mod support;
mod tensors;
mod trust;
mod verify;
