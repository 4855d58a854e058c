//! What ends a run.

use std::path::PathBuf;

/// Why the benchmark could not be run. No error says anything about a method.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A fixture of the benchmark's own is wrong: a fault of this crate.
    #[error("the benchmark's own {what} cannot be made")]
    Fixture {
        /// Which.
        what: &'static str,
    },
    /// The product failed where it should not: its fault.
    #[error("{what}: {why}")]
    Product {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// An honest answer was refused, so that the cell says nothing.
    #[error("{method} refuses an honest answer: {why}")]
    Honest {
        /// Which method.
        method: &'static str,
        /// What it said.
        why: String,
    },
    /// The float model, or its fingerprint.
    #[error("the float model cannot be run")]
    Float(#[from] proofmark_testkit::float::FloatError),
    /// A fingerprint.
    #[error("the fingerprint cannot be made")]
    Fingerprint(#[from] proofmark_fingerprint::FingerprintError),
    /// The output directory holds a run of another plan.
    #[error("{} holds a run of another plan: {found} instead of {expected}", .path.display())]
    OtherPlan {
        /// The directory.
        path: PathBuf,
        /// Digest of the plan that is to be run.
        expected: String,
        /// Digest of the plan that was begun there.
        found: String,
    },
    /// A file of the output.
    #[error("cannot {what} {}", .path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line of the output that is none of ours.
    #[error("{}, line {line}: not a line of this benchmark", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// A fixture that is there, or the error.
pub(crate) fn fixture<T, E>(result: Result<T, E>, what: &'static str) -> Result<T, BenchError> {
    result.map_err(|_| BenchError::Fixture { what })
}
