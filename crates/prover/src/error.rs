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
    /// A value left its type, which no checked program lets happen.
    #[error("a value left its type: the program was not checked with these weights")]
    Overflow,
    /// Whoever waited does not want the proof any more.
    #[error("cancelled")]
    Cancelled,
    /// The protocol refuses, which is a defect.
    #[error("the protocol refuses: {0}")]
    Protocol(proofmark_proof::Rejection),
    /// This version cannot prove it: see the specification's list of operators.
    #[error("not supported: {what}")]
    Unsupported {
        /// What is not.
        what: &'static str,
    },
    /// The program gives other outputs than the statement says.
    #[error("the program does not give these outputs for these inputs")]
    False,
    /// The statement names committed weights, which the prover was not given.
    #[error("the committed weights are missing")]
    NoWeights,
    /// It would need more memory than is allowed.
    #[error("{needed} bytes of memory are needed, {allowed} are allowed")]
    Memory {
        /// The estimate.
        needed: u64,
        /// The limit.
        allowed: u64,
    },
}
