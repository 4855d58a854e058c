//! Tests of the public API, against naive and foreign implementations.

#![cfg(test)]

mod checkpoints;
mod codes;
mod differential;
mod merkle;
mod naive;
mod notes;
mod promises;
mod proofs;
mod tiles;
mod vectors;
mod witness;
