//! Why a proof is not made.

/// What a caller asked for that cannot be proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProverError {
    /// The caller's numbers do not fit each other.
    #[error("{what}: expected {expected}, got {got}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// What it has to be.
        expected: u64,
        /// What it is.
        got: u64,
    },
}
