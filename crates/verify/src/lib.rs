//! The verifier: specs/01-receipt.md §11 (draft 1).
//!
//! A *report* says, claim by claim, what a bundle shows to somebody who has these trust roots:
//!
//! ```text
//! verify(bundle, presented, requirement, roots, now) -> Report
//! ```
//!
//! Each row is accepted, rejected with a code, could not be checked with a code, or is not claimed; the three are never
//! folded together. [`Verdict::Accepted`] holds tokens that only the checks of this crate make, so no caller can
//! construct a green report.
//!
//! What it does not show: that an answer is true; what a model was trained on; which model answered a relayed request.
//! It reads no file, no clock and no network: time and roots are inputs.
//!
//! ```
//! use proofmark_verify::{Presented, Requirement, Roots, verify};
//!
//! let report = verify(b"junk", &Presented::default(), &Requirement::default(), &Roots::default(), 1_800_000_000);
//! assert_eq!(report.verdict().exit_code(), 10);
//! assert_eq!(report.verdict().code(), Some("receipt.malformed"));
//! ```
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

mod answer;
mod check;
mod established;
mod inference;
mod report;
mod requirement;
mod roots;
mod text;
mod time;
mod verify;
mod words;

pub use answer::{AnswerMismatch, ChoiceValues, choices_of_answer};
pub use established::{
    AuditedPopulation, Established, ExecutedClaim, ProvenInference, ProvenText, TextSource,
    WeightsSource,
};
pub use inference::{GeneratedRun, Inference, InferenceError, Run, TensorRun, TextParameters};
pub use report::{Accepted, Grade, Report, Row, RowName, State, Verdict};
pub use requirement::{Required, Requirement, RequirementError};
pub use roots::{
    LogKind, LogRoot, OperatorRoot, Roots, RootsError, WitnessGroup, WitnessMember,
    format_operator_key, parse_operator_key,
};
pub use text::printable;
pub use time::format_utc;
pub use verify::{KnownModel, Presented, TextSteps, verify};
