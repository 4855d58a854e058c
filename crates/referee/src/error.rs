//! What can be wrong with a proof, a move or a transcript, each with its stable code (specs/08-referee.md §7).

use proofmark_program::ProgramError;
use proofmark_receipt::ReceiptError;

/// Why a proof shows nothing, or a move is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefereeError {
    /// Bytes of another shape: the fault of whoever made them.
    #[error("malformed: {what}")]
    Malformed {
        /// What is not as it should be.
        what: &'static str,
    },
    /// Receipt, statement or CBOR that cannot be read.
    #[error("malformed: {0}")]
    Receipt(#[from] ReceiptError),
    /// Program, manifest or weights header that cannot be read.
    #[error("malformed: {0}")]
    Program(#[from] ProgramError),
    /// A bound is exceeded: an attack, or a program too large to be judged.
    #[error("{what}: more than {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// The receipt does not say how its ids were sampled: it can't be disputed.
    #[error("the receipt does not say how its ids were sampled: {what}")]
    Parameters {
        /// The parameter.
        what: &'static str,
    },
    /// The trace statement is of another receipt, or not signed by its key.
    #[error("trace statement: {what}")]
    Statement {
        /// What is wrong.
        what: &'static str,
    },
    /// Openings do not lead to their root, or lack a value that the step needs.
    #[error("opening: {what}")]
    Opening {
        /// What is wrong.
        what: &'static str,
    },
    /// The disputed tile is right.
    #[error("the disputed tile is what the program gives")]
    Honest,
    /// The step has no value, or takes too much work: the program is not one that runs.
    #[error("the step can't be computed: {what}")]
    Unsound {
        /// What is wrong.
        what: &'static str,
    },
    /// A signed move that breaks a rule.
    #[error("a move that breaks a rule: {what}")]
    Move {
        /// Which.
        what: &'static str,
    },
    /// Not a move of the party whose turn it is: anybody may have sent it.
    #[error("not a move of the party whose turn it is: {what}")]
    Ignored {
        /// What is wrong.
        what: &'static str,
    },
}

impl RefereeError {
    /// The stable code of specs/08-referee.md §7.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Receipt(_) | Self::Program(_) => "referee.malformed",
            Self::TooLarge { .. } => "referee.too-large",
            Self::Parameters { .. } => "referee.parameters",
            Self::Statement { .. } => "referee.statement",
            Self::Opening { .. } => "referee.opening",
            Self::Honest => "referee.honest",
            Self::Unsound { .. } => "referee.unsound",
            Self::Move { .. } => "referee.move",
            Self::Ignored { .. } => "referee.ignored",
        }
    }
}

pub(crate) fn malformed(what: &'static str) -> RefereeError {
    RefereeError::Malformed { what }
}

pub(crate) fn opening(what: &'static str) -> RefereeError {
    RefereeError::Opening { what }
}

pub(crate) fn unsound(what: &'static str) -> RefereeError {
    RefereeError::Unsound { what }
}
