//! Proofs of inference for receipts: specs/01-receipt.md §7.5, specs/05-proof.md (draft 1).
//!
//! A *provable model* is a model's manifest, program and weights, checked against each other. With it, and with a receipt whose
//! contents are opened, this crate makes the evidence that `proofmark-verify` checks: what it will cost beforehand
//! ([`Subject::cost`]), then the proofs, step by step and cancellable ([`Subject::prove`]).
//!
//! A proof is not zero-knowledge: whoever has it learns more of weights and activations than the statement says.
//!
//! What is not here: the protocol (`proofmark-proof`), how proofs are made (`proofmark-prover`), files and signatures.

#![deny(missing_docs)]

mod cost;
mod error;
mod model;
mod subject;

pub use cost::Cost;
pub use error::ProvingError;
pub use model::ProvableModel;
pub use proofmark_proof::unsupported_parameter;
pub use subject::{Mode, Proven, Subject};
