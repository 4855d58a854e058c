//! Figures about a log, for metrics and `doctor`.

use crate::core::Core;

/// How a log is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogStats {
    /// Records that have an index, durable or not.
    pub size: u64,
    /// Records on stable storage.
    pub durable: u64,
    /// Leaves in the tree.
    pub integrated: u64,
    /// Leaves that the published checkpoint covers.
    pub published: u64,
    /// Records that wait for the journal.
    pub queued: usize,
    /// First record whose journal segment was not dropped.
    pub journal_start: u64,
    /// How long the last write and sync of the journal took, in microseconds.
    pub last_sync_us: u64,
    /// Age of the published checkpoint in milliseconds, if there is one.
    pub checkpoint_age_ms: Option<u64>,
    /// Cosignatures on the published checkpoint.
    pub cosignatures: usize,
    /// Whether the log stopped after an error.
    pub failed: bool,
}

impl Core {
    pub(crate) fn stats(&self) -> LogStats {
        let published = self.published.borrow().clone();
        let now_ms = self.clock.unix_ms();
        let queue = self.queue();
        LogStats {
            size: queue.next_index(),
            durable: queue.durable,
            integrated: queue.integrated,
            published: published.as_ref().map_or(0, |published| published.size),
            queued: queue.staged.len(),
            journal_start: self.catalog.start().unwrap_or(0),
            last_sync_us: self.last_sync_us(),
            checkpoint_age_ms: published
                .as_ref()
                .map(|published| now_ms.saturating_sub(published.at_ms)),
            cosignatures: published
                .as_ref()
                .map_or(0, |published| published.cosignatures),
            failed: matches!(queue.phase, crate::core::Phase::Failed(_)),
        }
    }
}
