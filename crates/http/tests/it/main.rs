//! Client, server and TLS over real sockets on loopback.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod client;
mod serve;
mod support;
mod tls;
