//! What can go wrong, and whose fault it is.

use std::{fmt, io, path::PathBuf, sync::Arc};

use proofmark_tlog::{
    CheckpointError, CosignatureError, ErrorKind, FrontierError, NoteError, PromiseError, TilePath,
    TlogProofError, VerifierKey,
};

use crate::{journal::JournalError, state::StateError, storage::StorageError};

/// A field of a [`crate::Record`] with a limit on its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordField {
    /// The leaf.
    Entry,
    /// Bytes for filters.
    Meta,
    /// Opaque bytes.
    Payload,
}

impl fmt::Display for RecordField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entry => "entry",
            Self::Meta => "meta",
            Self::Payload => "payload",
        })
    }
}

/// A setting of [`crate::LogConfig`] with limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// `max_payload_bytes`
    MaxPayloadBytes,
    /// `queue_bytes`
    QueueBytes,
    /// `queue_records`
    QueueRecords,
    /// `segment_bytes`
    SegmentBytes,
    /// `checkpoint_interval`, in milliseconds
    CheckpointIntervalMs,
    /// `recosign_interval`, in milliseconds
    RecosignIntervalMs,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxPayloadBytes => "max_payload_bytes",
            Self::QueueBytes => "queue_bytes",
            Self::QueueRecords => "queue_records",
            Self::SegmentBytes => "segment_bytes",
            Self::CheckpointIntervalMs => "checkpoint_interval (ms)",
            Self::RecosignIntervalMs => "recosign_interval (ms)",
        })
    }
}

/// Why the log could not be opened, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A setting is out of its limits. The caller's fault.
    #[error("{setting} is {got}, it must be from {min} to {max}")]
    Setting {
        /// Which setting.
        setting: Setting,
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// Value given.
        got: u64,
    },
    /// The name of the signer cannot be the origin of a log.
    #[error("the name of the log's key cannot be an origin")]
    Origin(#[source] CheckpointError),
    /// Another process has the data directory open. Stop it, or use another directory.
    #[error("another process is using the log in {}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The data directory is that of a log with another key.
    #[error("the directory holds the log of {got}, the configured key is {expected}")]
    OtherLog {
        /// Key that the log was opened with.
        expected: Box<VerifierKey>,
        /// Key of the log in the directory.
        got: Box<VerifierKey>,
    },
    /// The published checkpoint covers more than the state knows: the directory, or part of it, was put back to an
    /// older copy. Going on would fork the log.
    #[error(
        "a checkpoint of size {published} was published, but the state knows {integrated} leaves only"
    )]
    RolledBack {
        /// Size of the published checkpoint.
        published: u64,
        /// Size that the state knows.
        integrated: u64,
    },
    /// The published checkpoint and the state have the same size and other roots. One of them was altered.
    #[error("the published checkpoint of size {size} has another root than the state")]
    Forked {
        /// Size of both.
        size: u64,
    },
    /// The records of the journal do not lead to the tree that the state knows. One of them was altered.
    #[error("the journal does not lead to the tree of {size} leaves that the state knows")]
    Diverged {
        /// Size of the tree.
        size: u64,
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
    /// The journal is damaged or incomplete.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The state database failed or does not fit the journal.
    #[error(transparent)]
    State(#[from] StateError),
    /// The storage of tiles failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A tile or entry bundle that the log wrote is missing or damaged. `fsck` finds out what else is.
    #[error("{path} is missing or damaged")]
    Tile {
        /// Which one.
        path: TilePath,
    },
    /// The stored tiles do not lead to the root of the checkpoint: at least one was altered. `fsck` finds it.
    #[error("the stored tiles do not lead to the root of the checkpoint")]
    Unprovable,
    /// The tree cannot grow.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// A checkpoint could not be made or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A note could not be made or read.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A cosignature does not verify. The witness client's fault.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    /// A promise could not be made.
    #[error(transparent)]
    Promise(#[from] PromiseError),
    /// A proof could not be assembled.
    #[error(transparent)]
    Proof(#[from] TlogProofError),
    /// A field of a record is too long. The caller's fault.
    #[error("{field} has {got} bytes, more than {limit}")]
    TooLong {
        /// Which field.
        field: RecordField,
        /// Largest length.
        limit: usize,
        /// Length given.
        got: usize,
    },
    /// The queue stayed full. Nothing was appended; try again later.
    #[error("the log's queue was full for {waited_ms} ms")]
    Busy {
        /// How long the append waited.
        waited_ms: u64,
    },
    /// The leaf is in the log for ever, but its journal segment was dropped, and the payload with it.
    #[error("the journal segment of record {index} was dropped")]
    Dropped {
        /// Index of the leaf.
        index: u64,
    },
    /// No leaf has this index yet. The caller's fault.
    #[error("the log has no leaf {index} yet")]
    NoSuchLeaf {
        /// Index asked for.
        index: u64,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// The log stopped after an error: what is on disk is not certain before it is opened again.
    #[error("the log stopped after an error; it must be opened again")]
    Failed(#[source] Arc<LogError>),
    /// A task of the log ended before it was done: the process is shutting down.
    #[error("a task of the log was cancelled")]
    Cancelled,
}

impl LogError {
    /// Stable code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "log.config.out-of-range",
            Self::Origin(error) | Self::Checkpoint(error) => error.code(),
            Self::Locked { .. } => "log.directory.locked",
            Self::OtherLog { .. } => "log.directory.other-log",
            Self::RolledBack { .. } => "log.directory.rolled-back",
            Self::Forked { .. } => "log.directory.forked",
            Self::Diverged { .. } => "log.directory.diverged",
            Self::Io { .. } => "log.io",
            Self::Journal(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Storage(_) => "log.storage.unavailable",
            Self::Tile { .. } | Self::Unprovable => "log.tile.damaged",
            Self::Frontier(error) => error.code(),
            Self::Note(error) => error.code(),
            Self::Cosignature(error) => error.code(),
            Self::Promise(error) => error.code(),
            Self::Proof(error) => error.code(),
            Self::TooLong { .. } => "log.record.too-long",
            Self::Busy { .. } => "log.busy",
            Self::Dropped { .. } => "log.record.dropped",
            Self::NoSuchLeaf { .. } => "log.record.unknown",
            Self::Closed => "log.closed",
            Self::Failed(_) => "log.failed",
            Self::Cancelled => "log.cancelled",
        }
    }

    /// Whether something could not be read, was refused, or could not be had.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Setting { .. }
            | Self::OtherLog { .. }
            | Self::RolledBack { .. }
            | Self::Forked { .. }
            | Self::Diverged { .. }
            | Self::TooLong { .. }
            | Self::NoSuchLeaf { .. } => ErrorKind::Rejected,
            Self::Locked { .. }
            | Self::Io { .. }
            | Self::Storage(_)
            | Self::Busy { .. }
            | Self::Dropped { .. }
            | Self::Closed
            | Self::Failed(_)
            | Self::Cancelled => ErrorKind::Unavailable,
            Self::Tile { .. } | Self::Unprovable => ErrorKind::Malformed,
            Self::Origin(error) | Self::Checkpoint(error) => error.kind(),
            Self::Journal(error) => error.kind(),
            Self::State(error) => error.kind(),
            Self::Frontier(error) => error.kind(),
            Self::Note(error) => error.kind(),
            Self::Cosignature(error) => error.kind(),
            Self::Promise(error) => error.kind(),
            Self::Proof(error) => error.kind(),
        }
    }
}

/// Names the file and the operation in an error of the file system.
pub(crate) fn io_error(
    op: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> LogError {
    let path = path.into();
    move |source| LogError::Io { op, path, source }
}
