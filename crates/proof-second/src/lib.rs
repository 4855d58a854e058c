//! A second verifier of specs/05-proof.md, for tests: plain, slow, and of its own making.
//!
//! It shares nothing with `proofmark-proof` but the field's arithmetic, and was written from the specification alone, so that an
//! error in one of the two, or a sentence that can be read in two ways, shows as a vector that they judge differently. It has
//! §2 to §6: transcript, commitments, openings and their account. It is for tests: a proof may make it slow, and nothing here is meant
//! for proofs that are larger than those of `vectors/proof`.

mod account;
mod input;
mod opening;
mod transcript;
mod tree;

pub use input::{Code, Input};
pub use opening::{Commitment, Opening, verify};
pub use transcript::Transcript;
