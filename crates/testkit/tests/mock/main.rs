//! The mock upstream over raw sockets: what a client sees, byte for byte.

mod answers;
mod failures;
mod raw;
mod server;
