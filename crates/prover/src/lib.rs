//! Proof of inference, the prover's side: specs/05-proof.md (draft 1).
//!
//! What a proof says, and how it is checked, is `proofmark-proof`'s; this crate makes proofs, and is trusted with nothing: a
//! wrong proof is refused.
