//! Witness server and client against each other, over real connections on loopback, and against wrong peers.

#![cfg(test)]

mod client;
mod codes;
mod fixture;
mod log;
mod server;
