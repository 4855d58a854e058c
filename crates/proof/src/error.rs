//! Why a proof is not accepted (specs/05-proof.md, codes).

/// Why a proof was not accepted. Whoever made it is at fault, or whoever changed it on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The bytes are not those of a proof: damaged, cut off, or not canonical.
    #[error("malformed: expected {expected} at byte {at}")]
    Malformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset in the proof.
        at: usize,
    },
    /// The parameters leave a larger chance of deceit than is allowed: prove again with stronger ones.
    #[error("{bits} bits of soundness, {required} are required")]
    Weak {
        /// What the account gives, rounded down.
        bits: u32,
        /// What is asked for.
        required: u32,
    },
    /// The bytes were read, and a check failed.
    #[error("{what}")]
    Failed {
        /// The stable code of specs/05-proof.md.
        code: &'static str,
        /// What does not hold.
        what: &'static str,
    },
}

impl Rejection {
    /// The stable code of specs/05-proof.md.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "proof.malformed",
            Self::Weak { .. } => "proof.weak",
            Self::Failed { code, .. } => code,
        }
    }

    /// A check that failed.
    #[must_use]
    pub const fn failed(code: &'static str, what: &'static str) -> Self {
        Self::Failed { code, what }
    }
}
