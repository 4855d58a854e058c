//! Proof of inference, the verifier's side: specs/05-proof.md (draft 1).
//!
//! A *proof* shows that an exact program with committed weights gives this output for this input. This crate holds the protocol
//! and its verifier; making proofs is `proofmark-prover`'s.
//!
//! What is here: the transcript and the two ends of a proof ([`Transcript`],
//! [`Outgoing`], [`Incoming`]); bounded reading of a proof's bytes ([`Reader`]); commitments to polynomials and the verifier of their
//! openings ([`commitment`]); the account of what a proof is worth ([`soundness`]).
//!
//! A proof is not zero-knowledge: it is succinct and sound, and says more about weights and activations than its statement.
//!
//! No function panics, reads a clock or does I/O; every length is bounded before it is allocated.
//!
//! ```
//! use proofmark_proof::{Incoming, Outgoing, Transcript, field::E};
//!
//! let mut prover = Outgoing::new(Transcript::new("example"));
//! prover.send_extensions("claim", &[E::new(7)]);
//! let challenge = prover.transcript().challenge("r");
//! let proof = prover.finish();
//!
//! let mut verifier = Incoming::new(Transcript::new("example"), &proof);
//! assert_eq!(verifier.receive_extensions("claim", 1).unwrap(), [E::new(7)]);
//! assert_eq!(verifier.transcript().challenge("r"), challenge);
//! ```
//!
//! Deviations from the specification: none.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unreachable,
        clippy::todo,
        clippy::cast_possible_truncation
    )
)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod commitment;
mod error;
pub mod fractions;
mod generation;
mod halves;
pub mod plan;
pub mod protocol;
mod reader;
pub mod soundness;
mod statement;
pub mod sumcheck;
mod transcript;
mod verifier;
mod weights;

pub use error::Rejection;
pub use generation::{Generation, unsupported_parameter};
pub use proofmark_field as field;
pub use reader::{Digest, Reader};
pub use statement::{PublicWeights, SYSTEM, Statement, WeightsMode};
pub use transcript::{Incoming, Outgoing, Transcript, Work};
pub use verifier::{MAX_PROOF_BYTES, REQUIRED_BITS, verify};
pub use weights::{Limbs, WeightsCommitment};
