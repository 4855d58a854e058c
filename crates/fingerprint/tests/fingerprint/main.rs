//! Fingerprints on real runs of a float model, and the vectors of specs/09-fingerprint.md.
#![cfg(test)]

mod codec;
mod engine;
mod floats;
mod make;
mod vectors;
