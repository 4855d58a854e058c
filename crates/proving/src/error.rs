//! Why there is no proof of a receipt.

use proofmark_program::ProgramError;
use proofmark_prover::ProverError;
use proofmark_verify::InferenceError;

/// Why a receipt is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvingError {
    /// The model's files are damaged, or do not belong together.
    #[error("the model cannot be used: {0}")]
    Model(#[from] ProgramError),
    /// The model's files can't be read.
    #[error("the model's files can't be read: {why}")]
    NoModel {
        /// Why.
        why: String,
    },
    /// The receipt is about another model.
    #[error("the receipt is about another model: it names the closure {expected}")]
    OtherModel {
        /// In the receipt, hexadecimal.
        expected: String,
    },
    /// The receipt has nothing to prove, or does not open it.
    #[error(transparent)]
    Content(#[from] InferenceError),
    /// The proof was made, and could not be written.
    #[error("the proof cannot be kept: {why}")]
    NotKept {
        /// Why.
        why: String,
    },
    /// The prover refuses: cancelled, not enough memory, an operator that has no proof, or an answer that the program does not give.
    #[error(transparent)]
    Prover(#[from] ProverError),
}

impl ProvingError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::OtherModel { .. } => "receipt.proof.other-program",
            Self::Content(error) => error.code(),
            Self::NotKept { .. } | Self::NoModel { .. } => "proving.failed",
            Self::Prover(ProverError::Cancelled) => "proving.cancelled",
            Self::Prover(ProverError::Memory { .. }) => "proving.memory",
            Self::Prover(ProverError::Unsupported { .. }) => "proof.unsupported",
            Self::Prover(ProverError::False) => "proving.false",
            Self::Prover(_) => "proving.failed",
        }
    }
}
