//! What can be wrong with a program, its weights, its manifest or its inputs (specs/04-program.md §8).

use alloc::string::String;

use proofmark_receipt::ReceiptError;

/// Whose problem an error is: the kinds that no tool may fold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes are not of the format.
    Malformed,
    /// The bytes were read, and a check failed.
    Rejected,
    /// This version is not able to check it.
    Unavailable,
}

/// Why a program, a weights file, a manifest or an input was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The bytes are damaged, or were written by something that does not follow §6.
    #[error("malformed: expected {expected} at byte {at}")]
    Malformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset in the file.
        at: usize,
    },
    /// A bound of §2.1, §4.2 or §6 is exceeded: a writer's fault, or an attack.
    #[error("{got} {what}, more than the allowed {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: u64,
        /// The number found.
        got: u64,
    },
    /// Written by a later version: update this one.
    #[error("version {got:?} is not known to this version")]
    VersionUnknown {
        /// The profile found.
        got: String,
    },
    /// A node that its operator does not allow (§3, §4.2): the importer's fault.
    #[error("node {node} ({name:?}): {what}")]
    Node {
        /// Index of the node.
        node: u32,
        /// Its name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The program as a whole is not one (§4.2, §5): the importer's fault.
    #[error("malformed program: {what}")]
    Program {
        /// What is wrong.
        what: &'static str,
    },
    /// The weights file lacks a constant, or has it with another element type or shape.
    #[error("constant {name:?}: {what}")]
    Constant {
        /// The constant's name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A value could leave its range or its type (§4.1): the importer has to choose other scales.
    #[error("node {node} ({name:?}): {what} spans [{lo}, {hi}], allowed are [{least}, {most}]")]
    Range {
        /// Index of the node.
        node: u32,
        /// Its name.
        name: String,
        /// Which value.
        what: &'static str,
        /// Smallest value that it can have.
        lo: i128,
        /// Largest value that it can have.
        hi: i128,
        /// Smallest value that it may have.
        least: i128,
        /// Largest value that it may have.
        most: i128,
    },
    /// An input or a parameter that the program does not take (§5, §7.1): the caller's fault.
    #[error("{what}: {why}")]
    Input {
        /// Which input or parameter.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file is not the one that the manifest names: it was exchanged or damaged.
    #[error("{path} is not the file that the manifest names")]
    DigestMismatch {
        /// Path in the model's directory.
        path: String,
    },
}

impl ProgramError {
    /// The stable code of specs/04-program.md §8.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. }
            | Self::Node { .. }
            | Self::Program { .. }
            | Self::Constant { .. } => "program.malformed",
            Self::TooLarge { .. } => "program.too-large",
            Self::VersionUnknown { .. } => "program.version-unknown",
            Self::Range { .. } => "program.range",
            Self::Input { .. } => "program.input",
            Self::DigestMismatch { .. } => "program.digest-mismatch",
        }
    }

    /// Whose problem it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Range { .. } | Self::Input { .. } | Self::DigestMismatch { .. } => {
                ErrorKind::Rejected
            }
            Self::VersionUnknown { .. } => ErrorKind::Unavailable,
            _ => ErrorKind::Malformed,
        }
    }

    pub(crate) fn input(what: &str, why: &'static str) -> Self {
        Self::Input {
            what: what.into(),
            why,
        }
    }
}

impl From<ReceiptError> for ProgramError {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Malformed { expected, at } => Self::Malformed { expected, at },
            ReceiptError::TooLarge { what, limit, got } => Self::TooLarge {
                what,
                limit: limit as u64,
                got: got as u64,
            },
            _ => Self::Program {
                what: "not canonical CBOR",
            },
        }
    }
}
