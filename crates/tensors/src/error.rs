//! What can be wrong with tensors.

/// Bytes that are no tensors, or too many of them. Whoever made them is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The bytes are not of their format.
    #[error("malformed {format}: {what}")]
    Malformed {
        /// `npy`, `npz`, `safetensors`, `JSON`, `answer`.
        format: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// More than this version reads. Nothing was allocated for it.
    #[error("{what}: more than the allowed {limit}")]
    TooLarge {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

impl TensorError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed { .. } => "tensors.malformed",
            Self::TooLarge { .. } => "tensors.too-large",
        }
    }

    /// What is wrong, without the format.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Malformed { what, .. } | Self::TooLarge { what, .. } => what,
        }
    }
}
