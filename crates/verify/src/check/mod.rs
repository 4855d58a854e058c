//! The checks, each in a file of its own. Every check yields a [`Finding`]: a row, or what it found as a token.

mod audit;
mod content;
mod evidence;
mod fraud;
mod issuer;
mod log;
mod proof;
mod replay;
mod revocation;
mod vouched;

pub(crate) use audit::{check_audit, is_audit};
pub(crate) use content::{check_answer, check_question};
pub(crate) use evidence::{check_countersignatures, check_evidence};
pub(crate) use fraud::{check_fraud, is_fraud};
pub(crate) use issuer::{IssuerChecked, IssuerRooted, check_issuer};
pub(crate) use log::{
    Logged, WitnessedAt, check_log, check_registry_proof, open_witnessed_checkpoint,
};
pub(crate) use proof::{ProofContext, check_proof, is_proof};
pub(crate) use replay::{check_replay, is_replay};
pub(crate) use revocation::{Subject, check_revocation};

use crate::report::{Row, RowName, State};

/// Why something is not accepted, with its code and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) state: State,
    pub(crate) why: String,
}

impl Cause {
    pub(crate) fn rejected(code: &'static str, why: impl Into<String>) -> Self {
        Self {
            state: State::Rejected { code },
            why: why.into(),
        }
    }

    pub(crate) fn unavailable(code: &'static str, why: impl Into<String>) -> Self {
        Self {
            state: State::CouldNotCheck { code },
            why: why.into(),
        }
    }

    pub(crate) fn into_row(self, name: RowName) -> Row {
        Row {
            name,
            state: self.state,
            text: self.why,
        }
    }
}

impl From<proofmark_receipt::ReceiptError> for Cause {
    fn from(error: proofmark_receipt::ReceiptError) -> Self {
        match error.kind() {
            proofmark_receipt::ErrorKind::Rejected => {
                Self::rejected(error.code(), error.to_string())
            }
            proofmark_receipt::ErrorKind::Unavailable => {
                Self::unavailable(error.code(), error.to_string())
            }
        }
    }
}

/// A cause from an error of the log formats.
pub(crate) fn log_cause(
    code: &'static str,
    kind: proofmark_tlog::ErrorKind,
    why: impl Into<String>,
) -> Cause {
    match kind {
        proofmark_tlog::ErrorKind::Unavailable => Cause::unavailable(code, why),
        _ => Cause::rejected(code, why),
    }
}

/// An accepted row.
pub(crate) fn accepted(name: RowName, text: impl Into<String>) -> Row {
    Row {
        name,
        state: State::Accepted,
        text: text.into(),
    }
}

/// A row about something that nobody claims.
pub(crate) fn not_claimed(name: RowName, text: impl Into<String>) -> Row {
    Row {
        name,
        state: State::NotClaimed,
        text: text.into(),
    }
}
