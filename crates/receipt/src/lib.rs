//! Receipts: specs/01-receipt.md (draft 1).
//!
//! A *receipt* is a statement, signed by a node, about one request that reached a model: what was received, what was
//! done with it, what came out. It is a COSE_Sign1 over a map of claims in deterministic CBOR:
//!
//! ```text
//! 18([ << {1: -19, 3: "application/eat+cwt", 4: kid, 16: "application/proofmark-receipt+cose"} >>, {},
//!      << {6: issued-at, 7: id, 265: "proofmark:receipt:draft-1", -70004: [0, [kid, statement]], …} >>, signature ])
//! ```
//!
//! This crate has the canonical codec ([`cbor`]), the claims and their digest ([`Claims`]), salted commitments and
//! disclosure ([`Salts`], [`Disclosure`]), signatures ([`SigningKey`], [`SignedReceipt`]), key statements and
//! revocations ([`KeyStatement`], [`Revocation`]), registry and log leaves ([`RegistryLeaf`], [`ReceiptLeaf`]), and
//! the [`Bundle`] file. It does no I/O, reads no clock and draws no randomness.
//!
//! Out of scope: whether an issuer is to be believed. `proofmark-verify` decides that, from trust roots. A signature
//! shows who said something; it never shows that a model ran.
//!
//! Decoding never panics and never allocates for a length that it has not compared with the bytes that are left.
//!
//! ```
//! use proofmark_receipt::{ReceiptId, ReceiptSecret, Salts};
//!
//! let id = ReceiptId::from_parts(1_795_000_000_000, [7; 10]);
//! let salts = Salts::new(&ReceiptSecret::new([1; 32]), &id);
//! let question = salts.scope("received").commit("raw", b"{\"model\":\"m\"}");
//! assert_ne!(question, salts.scope("forwarded").commit("raw", b"{\"model\":\"m\"}"));
//! ```
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

pub mod cbor;

mod audit;
mod bundle;
mod claims;
mod commit;
mod cose;
mod digest;
mod disclosure;
mod envelope;
mod error;
mod evidence;
mod id;
mod json;
mod key;
mod leaf;
mod proof;
mod registry;
mod replay;
mod signed;
mod statement;
#[cfg(test)]
mod tests;
mod vouched;
mod weights;

pub use audit::{AUDIT_EVIDENCE, AuditEvidence, AuditStatement, SignedAudit};
pub use bundle::{BUNDLE_MAX_BYTES, Bundle, Snapshot};
pub use claims::{
    Adjustment, AdjustmentKind, Attachment, AttachmentForm, Attempt, Audit, Body, Choice, Claims,
    Cost, Executed, Execution, Finish, Issuer, LogClaim, Operation, Outcome, PROFILE, Parameter,
    ParameterValue, Provenance, Provider, Relayed, Retention, SeedChooser, Status, StreamClaim,
    Timing, TlsFacts, TokenCommitment, TokenTree, Usage, claims_digest_from_opening,
};
pub use commit::{
    FieldTree, ReceiptSecret, Salts, ScopeKey, StreamChain, TEXT_PIECE_BYTES, TOKENS_PER_LEAF,
    commit_salted, commit_text, commit_tokens,
};
pub use cose::Typ;
pub use digest::{ClaimsDigest, Commitment, EvidenceDigest, KeyId, Root, StatementDigest};
pub use disclosure::{DisclosedTree, DisclosedValues, Disclosure};
pub use envelope::{RECEIPT_MAX_BYTES, SignatureChecked, SignedReceipt};
pub use error::{ErrorKind, ReceiptError};
pub use evidence::{Countersignature, Evidence, EvidenceState};
pub use id::ReceiptId;
pub use json::to_json;
pub use key::{PublicKey, SigningKey, Suite};
pub use leaf::{LeafKind, ReceiptLeaf};
pub use proof::{MAX_VOUCHERS, PROOF_EVIDENCE, ProofEvidence, ProofWeights};
pub use registry::{RegistryKind, RegistryLeaf};
pub use replay::{
    REPLAY_EVIDENCE, ReplayEvidence, ReplayStep, ReplayVerdict, SignedReplay, TokenDifference,
};
pub use signed::SignedObject;
pub use statement::{
    KeyStatement, OperatorStatement, Revocation, RevocationReason, STATEMENT_MAX_BYTES,
    SignedKeyStatement, SignedOperatorStatement, SignedRevocation,
};
pub use vouched::{PartyStatement, Signed, Vouched};
pub use weights::{SignedWeights, VouchedWeights, WeightsStatement};
