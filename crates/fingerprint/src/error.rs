//! What can go wrong with a fingerprint.

use proofmark_receipt::ReceiptError;

/// Why there is no fingerprint, or nothing to compare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// Bytes of another shape: whoever made them.
    #[error("not a fingerprint of this version: {what}")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// Bytes that are no canonical CBOR: whoever made them.
    #[error("not a fingerprint of this version")]
    Encoding(#[from] ReceiptError),
    /// Parameters beyond the bounds of specs/09-fingerprint.md §1: whoever chose them.
    #[error("parameters of a fingerprint: {what}")]
    Parameters {
        /// Which.
        what: &'static str,
    },
    /// Values that do not fit the fingerprint: the caller's.
    #[error("{got} values where {expected} belong")]
    Length {
        /// How many belong there.
        expected: u64,
        /// How many there are.
        got: u64,
    },
    /// A value that is no number: the engine's.
    #[error("value {at} is not a finite number")]
    NotFinite {
        /// Its index.
        at: u64,
    },
    /// A token that the vocabulary does not have: the answer's.
    #[error("token {id} in a vocabulary of {vocabulary}")]
    Token {
        /// The token.
        id: u32,
        /// Size of the vocabulary.
        vocabulary: u64,
    },
}

impl FingerprintError {
    /// Stable code (specs/09-fingerprint.md §6).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Encoding(_) => "fingerprint.malformed",
            Self::Parameters { .. } => "fingerprint.parameters",
            Self::Length { .. } | Self::NotFinite { .. } | Self::Token { .. } => {
                "fingerprint.values"
            }
        }
    }
}
