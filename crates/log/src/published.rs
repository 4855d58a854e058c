//! The checkpoint that the world sees.

use proofmark_tlog::{Hash, VerifiedCheckpoint};

/// The latest published checkpoint of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCheckpoint {
    /// The signed note with its cosignatures, as served.
    pub note: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Number of cosignatures on the note.
    pub cosignatures: usize,
    /// When it was published, Unix milliseconds; after a restart, when the log was opened.
    pub at_ms: u64,
    pub(crate) checkpoint: VerifiedCheckpoint,
}

impl PublishedCheckpoint {
    pub(crate) fn new(checkpoint: VerifiedCheckpoint, at_ms: u64) -> Self {
        Self {
            note: checkpoint.note().to_string(),
            size: checkpoint.size(),
            root: *checkpoint.root(),
            // One of the signatures is the log's own.
            cosignatures: checkpoint.note().signatures().len().saturating_sub(1),
            at_ms,
            checkpoint,
        }
    }

    /// The checkpoint with the log's signature verified. Cosignatures on it count as far as the reader verifies them.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }
}
