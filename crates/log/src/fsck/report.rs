//! What a check of a log found.

use std::{fmt, path::PathBuf};

use proofmark_tlog::{Hash, TilePath};

use crate::{journal::RecordFault, record::RecordKey};

/// Where a difference is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// The published checkpoint.
    Checkpoint,
    /// A tile or entry bundle, or one item of it.
    Tile {
        /// Which one.
        path: TilePath,
        /// Position in it, from 0.
        item: Option<u16>,
    },
    /// A journal segment, or a place in it.
    Segment {
        /// File name.
        name: String,
        /// Byte offset.
        offset: Option<u64>,
        /// Index of the record there.
        index: Option<u64>,
    },
    /// The row of a key in the index.
    Key(RecordKey),
    /// The place of a record in the index.
    Record(u64),
    /// A row of the state.
    State(&'static str),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Tile { path, item: None } => path.fmt(f),
            Self::Tile {
                path,
                item: Some(item),
            } => write!(f, "{path}#{item}"),
            Self::Segment {
                name,
                offset,
                index,
            } => {
                write!(f, "journal/{name}")?;
                if let Some(offset) = offset {
                    write!(f, "@{offset}")?;
                }
                index.map_or(Ok(()), |index| write!(f, "#{index}"))
            }
            Self::Key(key) => write!(f, "state/keys/{key:x}"),
            Self::Record(index) => write!(f, "state/places/{index}"),
            Self::State(row) => write!(f, "state/{row}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not there.
    #[error("missing")]
    Missing,
    /// It could not be read.
    #[error("cannot be read: {0:?}")]
    Unreadable(std::io::ErrorKind),
    /// It does not follow its format.
    #[error("malformed")]
    Malformed,
    /// The signature does not verify with the log's key.
    #[error("not signed by the key of the log ({code})")]
    Signature {
        /// Code of the error.
        code: &'static str,
    },
    /// The leaf hash in the tile is not that of the entry.
    #[error("leaf hash is {got}, the entry has {expected}")]
    LeafHash {
        /// Hash of the entry.
        expected: Hash,
        /// Hash in the tile.
        got: Hash,
    },
    /// The hash in the tile is not the root of the tile below.
    #[error("hash is {got}, the tile below has root {expected}")]
    NodeHash {
        /// Root of the tile below.
        expected: Hash,
        /// Hash in the tile.
        got: Hash,
    },
    /// The tiles lead to another root.
    #[error("root is {got}, the tiles lead to {expected}")]
    Root {
        /// Root that the tiles lead to.
        expected: Hash,
        /// Root that is claimed.
        got: Hash,
    },
    /// A size is larger than it can be.
    #[error("size is {got}, at most {expected} is possible")]
    Size {
        /// Largest possible size.
        expected: u64,
        /// Size found.
        got: u64,
    },
    /// It belongs to another log.
    #[error("belongs to another log")]
    OtherLog,
    /// A partial tile is not the start of the wider one at its place.
    #[error("is not the start of the tile at its place")]
    Partial,
    /// A file that no log has.
    #[error("is no file of a log")]
    Unexpected,
    /// A journal record is bad.
    #[error("{0}")]
    Record(RecordFault),
    /// A closed segment has bytes behind its last record.
    #[error("{got} bytes behind the last record")]
    Trailing {
        /// How many.
        got: u64,
    },
    /// A journal record has another entry than the bundle.
    #[error("the entry is not that of the bundle")]
    Entry,
    /// The journal ends before records that were integrated.
    #[error("ends at record {got}, must reach {expected}")]
    End {
        /// Number of integrated records.
        expected: u64,
        /// Number of records up to the end of the journal.
        got: u64,
    },
    /// The index names another record.
    #[error("names record {got_index} at {got_offset}, expected {index} at {offset}")]
    Index {
        /// Index of the record in the journal.
        index: u64,
        /// Its offset.
        offset: u64,
        /// Index in the row.
        got_index: u64,
        /// Offset in the row.
        got_offset: u64,
    },
    /// The meta bytes in the index are not those of the record.
    #[error("meta bytes are not those of the record")]
    Meta,
    /// No record has this key.
    #[error("no record has this key")]
    NoRecord,
}

impl Problem {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "log.fsck.missing",
            Self::Unreadable(_) => "log.fsck.unreadable",
            Self::Malformed => "log.fsck.malformed",
            Self::Signature { .. } => "log.fsck.signature",
            Self::LeafHash { .. } => "log.fsck.leaf-hash",
            Self::NodeHash { .. } => "log.fsck.node-hash",
            Self::Root { .. } => "log.fsck.root",
            Self::Size { .. } => "log.fsck.size",
            Self::OtherLog => "log.fsck.other-log",
            Self::Partial => "log.fsck.partial",
            Self::Unexpected => "log.fsck.unexpected",
            Self::Record(_) => "log.fsck.record",
            Self::Trailing { .. } => "log.fsck.trailing",
            Self::Entry => "log.fsck.entry",
            Self::End { .. } => "log.fsck.end",
            Self::Index { .. } => "log.fsck.index",
            Self::Meta => "log.fsck.meta",
            Self::NoRecord => "log.fsck.no-record",
        }
    }
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FsckReport {
    /// Origin of the log, if its checkpoint could be read.
    pub origin: Option<String>,
    /// Number of leaves of the tree that was checked.
    pub size: u64,
    /// Root of that tree.
    pub root: Option<Hash>,
    /// Whether a trusted key verified the checkpoint; without one the tiles were checked against an unsigned claim.
    pub signature_checked: bool,
    /// Leaves whose entry was hashed.
    pub leaves: u64,
    /// Tiles and bundles that were read.
    pub objects: u64,
    /// Journal records that were read.
    pub records: u64,
    /// Rows of the index that were compared.
    pub keys: u64,
    /// Records of the journal that are not integrated yet. No difference: opening the log integrates them.
    pub pending: u64,
    /// Whether the journal ends with what a crash left of records that were not acknowledged. No difference either.
    pub torn_tail: bool,
    /// What is wrong, in the order of places.
    pub differences: Vec<Difference>,
    /// Differences that were found beyond those listed.
    pub unlisted: u64,
}

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.unlisted == 0
    }
}
