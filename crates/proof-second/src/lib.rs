//! A second verifier of specs/05-proof.md, for tests: plain, slow, and of its own making.
//!
//! It shares nothing with `proofmark-proof` but the field's arithmetic, and was written from the specification alone, so that an
//! error in one of the two, or a sentence that can be read in two ways, shows as a vector that they judge differently. It has
//! transcript, commitments, openings and their account (§2 to §6), the protocol (§10 to §12), and of the operators (§8, §9) trees;
//! programs of others are `proof.unsupported`. It is for tests: a proof may make it slow, and nothing here is meant for proofs that are
//! larger than those of `vectors/proof`.

mod account;
mod inference;
mod input;
mod opening;
mod plan;
mod protocol;
mod transcript;
mod tree;
mod trees;

pub use inference::{Statement, verify_inference};
pub use input::{Code, Input};
pub use opening::{Commitment, Opening, verify};
pub use transcript::Transcript;
