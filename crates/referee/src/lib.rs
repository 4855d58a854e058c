//! Disputes about executed answers: specs/08-referee.md (draft).
//!
//! A *dispute* is about one choice of an executed receipt: did the program of its closure give these ids? The executor signs the root of a
//! *trace*, of everything that the program computed; the challenger goes down to the first *tile* that is wrong; the referee recomputes
//! this one tile from opened values and weights, and runs no model. What remains is a [`FraudProof`], which needs nothing but the receipt.
//!
//! ```text
//! challenge  ids, program          ->
//!                                  <-  commit   signed root, 64 hashes below it
//! descend    into the 17th         ->
//!                                  <-  reveal   64 hashes below it
//!            …
//!                                  <-  show     the tile
//! accuse     what it is made of    ->  one tile is recomputed
//! ```
//!
//! What is here: the rows of a trace ([`Layout`], [`Trace`]); one step of it, from any [`Source`] ([`Steps`]); openings and proofs
//! ([`StepOpening`], [`FraudProof`]); the dispute as a state machine ([`Game`]), honest parties ([`Executor`], [`Challenger`]) and the
//! record that anyone judges again ([`Transcript`]).
//!
//! What is not: text, tokenizing and where an answer ends (replays do that), receipts of tensor programs and embeddings, clocks and
//! transport (`proofmark dispute`). That an executor was silent is the referee's word, and no fraud proof.
//!
//! No function panics, reads a clock or does I/O; every length is bounded before it is allocated, and the work of a step by [`MAX_WORK`].
//! Making a [`Trace`] is not bounded: it runs the program.
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

mod claim;
mod error;
mod fraud;
mod game;
mod layout;
mod moves;
mod opening;
mod party;
mod statement;
mod step;
mod subject;
mod trace;
mod transcript;
mod tree;

pub use claim::{OpenedIds, OpenedParameter, OpenedSubject, SubjectOpening};
pub use error::RefereeError;
pub use fraud::{FRAUD_EVIDENCE, Fraud, FraudProof, MAX_PROOF_BYTES, judge_step};
pub use game::{DEPTH, Game, Role, TreeNode, Verdict, Wanted};
pub use layout::{Layout, PIECE, RowKind};
pub use moves::{MOVE_DOMAIN, Move};
pub use opening::{OpenedRow, StepOpening};
pub use party::{Challenger, Executor, StepMaker, trace_statement, weights_tree};
pub use statement::{MAX_STATEMENT_BYTES, SignedTrace, TraceStatement};
pub use step::{MAX_WORK, Source, Steps};
pub use subject::{Answer, Subject};
pub use trace::{Known, Rows, Trace};
pub use transcript::{Event, Judged, MAX_TRANSCRIPT_BYTES, Transcript};
pub use tree::{MerkleTree, Nodes, Span};
