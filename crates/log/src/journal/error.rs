//! What can be wrong with a journal.

use std::{fmt, io, path::PathBuf};

use proofmark_tlog::ErrorKind;

use crate::journal::RecordFault;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// An operation on a file of the journal failed.
    #[error("journal file {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The operating system gave no random bytes for a new segment.
    #[error("no random bytes for a new journal segment: {source}")]
    Entropy {
        /// What the operating system said.
        source: io::Error,
    },
    /// A segment does not start with a valid header. It was damaged or is not a segment.
    #[error("{} does not start with a valid segment header", path.display())]
    SegmentHeader {
        /// Which segment.
        path: PathBuf,
    },
    /// A segment is of a log with another key.
    #[error("{} belongs to another log", path.display())]
    OtherLog {
        /// Which segment.
        path: PathBuf,
    },
    /// A record is bad, and not because a crash cut it off: it had been acknowledged. Restore the file from a copy.
    #[error("{} is damaged at byte {offset}, record {index}: {fault}{}", path.display(), Later(*later))]
    Damaged {
        /// Which segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// Index that the record at this place has.
        index: u64,
        /// What is wrong with it.
        fault: RecordFault,
        /// A record behind it that was written after it had been acknowledged.
        later: Option<u64>,
    },
    /// Segments that were not dropped are not there.
    #[error("the journal starts at record {got:?}, it must have record {expected}")]
    MissingStart {
        /// Index of the first record that must be there.
        expected: u64,
        /// Index of the first record that is there, if there is any segment.
        got: Option<u64>,
    },
    /// The journal ends before records that were acknowledged and integrated.
    #[error("the journal ends at record {got}, {expected} were integrated")]
    MissingEnd {
        /// Number of records that were integrated.
        expected: u64,
        /// Number of records up to the end of the journal.
        got: u64,
    },
}

/// The part of a message that says why a bad record is not a torn one.
struct Later(Option<u64>);

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(index) => write!(f, "; record {index} was written after it"),
            None => Ok(()),
        }
    }
}

impl JournalError {
    /// Stable code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Entropy { .. } => "log.journal.io",
            Self::SegmentHeader { .. } | Self::Damaged { .. } => "log.journal.damaged",
            Self::OtherLog { .. } => "log.directory.other-log",
            Self::MissingStart { .. } | Self::MissingEnd { .. } => "log.journal.missing",
        }
    }

    /// Whether the bytes are bad or could not be had.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. }
            | Self::Entropy { .. }
            | Self::MissingStart { .. }
            | Self::MissingEnd { .. } => ErrorKind::Unavailable,
            Self::OtherLog { .. } => ErrorKind::Rejected,
            _ => ErrorKind::Malformed,
        }
    }
}
