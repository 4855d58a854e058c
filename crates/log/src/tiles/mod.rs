//! Between the tree and its storage: growing the right edge, reading tiles back, proofs.

mod edge;
mod read;

pub(crate) use edge::{Edge, Objects, filled_between, is_full};
pub(crate) use read::{consistency_proof, inclusion_proof, read_bundle, read_entries};

#[cfg(test)]
mod tests;
