//! A second verifier of specs/05-proof.md, for tests: plain, slow, and of its own making.
//!
//! It shares no code with `proofmark-proof` but the field's arithmetic, and follows the text of the specification, so that an error in
//! one of the two, or a sentence that can be read in two ways, shows as a vector that they judge differently. It has all of §2 to §12.
//! It is for tests: a proof may make it slow, and nothing here is meant for proofs that are larger than those of `vectors/proof`.

mod account;
mod attention;
mod choosing;
mod elements;
mod inference;
mod input;
mod integer;
mod limits;
mod making;
mod map;
mod norms;
mod opening;
mod operators;
mod plan;
mod protocol;
mod rounding;
mod sampler;
mod sequence;
mod shape;
mod sums;
mod transcript;
mod tree;
mod trees;

pub use inference::{Generation, Statement, verify_inference};
pub use input::{Code, Input};
pub use opening::{Commitment, Opening, verify};
pub use transcript::Transcript;
