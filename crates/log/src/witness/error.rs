//! What can go wrong at a witness, and between a log and its witnesses.

use std::{io, path::PathBuf};

use proofmark_tlog::{
    CosignatureError, ErrorKind, NoteError, NoteKeyName, Origin, Refusal, VerifierKey,
    WitnessRequestError,
};

use crate::{error::LogError, witness::TransportError};

/// Why a witness could not be opened, or could not keep its state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The configuration names a log twice. The operator's fault.
    #[error("the log {origin} is configured twice")]
    LogTwice {
        /// Origin of the log.
        origin: Origin,
    },
    /// The configuration has no key for a log. The operator's fault.
    #[error("the log {origin} is configured without a key")]
    LogWithoutKeys {
        /// Origin of the log.
        origin: Origin,
    },
    /// A key of a log is not an ordinary note key (type 0x01): with a cosigner key any witness could speak for the log.
    #[error("{key} cannot be a key of the log {origin}")]
    LogKeyType {
        /// Origin of the log.
        origin: Origin,
        /// Name of the key.
        key: NoteKeyName,
    },
    /// The witness would cosign a log that signs with the witness's own key.
    #[error("the log {origin} has the witness's own key")]
    OwnKey {
        /// Origin of the log.
        origin: Origin,
    },
    /// Another process has the state open. Stop it, or use another directory.
    #[error("another process is using the witness state in {}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The state is that of a witness with another key.
    #[error("the state in {} is that of {got}, the configured key is {expected}", path.display())]
    OtherKey {
        /// The state file.
        path: PathBuf,
        /// Key that the witness was opened with.
        expected: Box<VerifierKey>,
        /// Key that wrote the state.
        got: Box<VerifierKey>,
    },
    /// A state file is damaged. Whoever deletes it makes the witness forget what it cosigned.
    #[error("the state file {} is damaged", path.display())]
    Damaged {
        /// The state file.
        path: PathBuf,
    },
    /// The new state does not lie ahead of the stored one. Nothing was written.
    #[error("state of {origin} would go from size {stored} to {offered}")]
    Backward {
        /// Origin of the log.
        origin: Origin,
        /// Size in the stored state.
        stored: u64,
        /// Size in the new state.
        offered: u64,
    },
    /// An operation of the file system failed.
    #[error("could not {op} {}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// State could not be stored before; the witness cosigns nothing more until it is opened again.
    #[error("state could not be stored before; the witness must be opened again")]
    Failed,
    /// The work was cancelled: the process is shutting down.
    #[error("the witness is shutting down")]
    Cancelled,
}

impl WitnessError {
    /// Stable code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::LogTwice { .. }
            | Self::LogWithoutKeys { .. }
            | Self::LogKeyType { .. }
            | Self::OwnKey { .. } => "log.witness.config",
            Self::Locked { .. } => "log.witness.state-locked",
            Self::OtherKey { .. } => "log.witness.state-other-key",
            Self::Damaged { .. } => "log.witness.state-malformed",
            Self::Backward { .. } => "log.witness.state-backward",
            Self::Io { .. } | Self::Failed | Self::Cancelled => "log.witness.state-unavailable",
        }
    }

    /// Whether something could not be read, was refused, or could not be had.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LogTwice { .. }
            | Self::LogWithoutKeys { .. }
            | Self::LogKeyType { .. }
            | Self::OwnKey { .. }
            | Self::OtherKey { .. }
            | Self::Backward { .. } => ErrorKind::Rejected,
            Self::Damaged { .. } => ErrorKind::Malformed,
            Self::Locked { .. } | Self::Io { .. } | Self::Failed | Self::Cancelled => {
                ErrorKind::Unavailable
            }
        }
    }
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// The request was refused: its sender's fault, or a log that forked.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The witness could not keep its state: its operator's fault.
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

impl AddCheckpointError {
    /// Stable code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Witness(error) => error.code(),
        }
    }
}

/// Why a log got no cosignature from one of its witnesses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessClientError {
    /// The witness could not be reached, or broke off.
    #[error("witness could not be reached")]
    Transport(#[source] TransportError),
    /// The witness did not answer in time.
    #[error("no answer within {limit_ms} ms")]
    TimedOut {
        /// The deadline in milliseconds.
        limit_ms: u64,
    },
    /// The witness failed shortly before and is not asked yet.
    #[error("not asked: the witness failed {failures} times in a row")]
    Resting {
        /// Failures in a row.
        failures: u32,
    },
    /// The witness remembers another history of this log, or a longer one: the log forked or was put back, or the witness is wrong.
    #[error(
        "the witness has seen another history: it has size {witness}, this log proves from {ours} to {size}"
    )]
    HistoryConflict {
        /// Size that the witness has.
        witness: u64,
        /// Size from which the last proof led.
        ours: u64,
        /// Size of the checkpoint.
        size: u64,
    },
    /// The witness kept naming other sizes: somebody else submits checkpoints of this log at the same time.
    #[error("the witness named another size {times} times")]
    Unsettled {
        /// Number of attempts.
        times: u32,
    },
    /// The witness refused for another reason.
    #[error("the witness answered {status}")]
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The answer is not one of tlog-witness. The witness's fault.
    #[error("the answer of the witness is malformed")]
    Answer,
    /// The cosignature lines cannot be parsed. The witness's fault.
    #[error("the answer of the witness has no cosignature lines")]
    Lines(#[source] NoteError),
    /// The cosignature does not verify. The witness's fault.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    /// The consistency proof could not be made. The log's fault.
    #[error("the consistency proof could not be made")]
    Proof(#[source] LogError),
    /// The request could not be made. The log's fault.
    #[error(transparent)]
    Request(#[from] WitnessRequestError),
}

impl WitnessClientError {
    /// Stable code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Transport(_) | Self::TimedOut { .. } | Self::Resting { .. } => {
                "log.witness.unavailable"
            }
            Self::HistoryConflict { .. } => "log.witness.history-conflict",
            Self::Unsettled { .. } | Self::Refused { .. } => "log.witness.refused",
            Self::Answer | Self::Lines(_) => "log.witness.answer-malformed",
            Self::Cosignature(error) => error.code(),
            Self::Proof(error) => error.code(),
            Self::Request(error) => error.code(),
        }
    }

    /// Whether an answer could not be read, was a refusal, or could not be had.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Transport(_) | Self::TimedOut { .. } | Self::Resting { .. } => {
                ErrorKind::Unavailable
            }
            Self::HistoryConflict { .. } | Self::Unsettled { .. } | Self::Refused { .. } => {
                ErrorKind::Rejected
            }
            Self::Answer | Self::Lines(_) => ErrorKind::Malformed,
            Self::Cosignature(error) => error.kind(),
            Self::Proof(error) => error.kind(),
            Self::Request(error) => error.kind(),
        }
    }
}
