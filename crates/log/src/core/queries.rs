//! What can be asked of a log. Everything here may read files: callers in async code use a blocking thread.

use std::ops::{Bound, Range};

use bytes::Bytes;
use proofmark_tlog::{Promise, TlogProof, sign_promise};

use crate::{
    core::{Core, Phase},
    error::LogError,
    record::{Erasure, RecordKey, StoredRecord},
    scan::{Listed, MAX_PAGE_RECORDS, MAX_SCANNED_ROWS, Scan, ScanPage},
    tiles,
};

/// Largest number of entries in one answer.
pub(crate) const MAX_ENTRIES: u64 = 65_536;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    index: u64,
    offset: u64,
}

impl Core {
    /// Index of the record of a key, pending or integrated.
    pub(crate) fn index_of(&self, key: &RecordKey) -> Result<Option<u64>, LogError> {
        if key.is_none() {
            return Ok(None);
        }
        // In this order: a key is in the state before it leaves the queue.
        if let Some(index) = self.queue().pending_key(key) {
            return Ok(Some(index));
        }
        Ok(self.state.find(key)?.map(|entry| entry.index))
    }

    /// The record at an index that is durable.
    pub(crate) fn record(&self, index: u64) -> Result<StoredRecord, LogError> {
        let place = self.locate(index)?.ok_or(LogError::Dropped { index })?;
        self.read(place)
    }

    /// The record of a key that is durable.
    pub(crate) fn record_by_key(&self, key: &RecordKey) -> Result<Option<StoredRecord>, LogError> {
        self.locate_key(key)?
            .map(|place| self.read(place))
            .transpose()
    }

    fn read(&self, place: Place) -> Result<StoredRecord, LogError> {
        let stored = self.catalog.read(place.index, place.offset)?;
        stored.ok_or(LogError::Dropped { index: place.index })
    }

    fn locate_key(&self, key: &RecordKey) -> Result<Option<Place>, LogError> {
        if key.is_none() {
            return Ok(None);
        }
        {
            let queue = self.queue();
            let index = queue.pending_key(key);
            if let Some((index, pending)) =
                index.and_then(|index| Some((index, queue.pending_at(index)?)))
            {
                return Ok(Some(Place {
                    index,
                    offset: pending.offset,
                }));
            }
        }
        let entry = self.state.find(key)?;
        Ok(entry.map(|entry| Place {
            index: entry.index,
            offset: u64::from(entry.offset),
        }))
    }

    /// `None` if the segment of the record was dropped.
    fn locate(&self, index: u64) -> Result<Option<Place>, LogError> {
        {
            let queue = self.queue();
            if index >= queue.durable {
                return Err(LogError::NoSuchLeaf { index });
            }
            if let Some(pending) = queue.pending_at(index) {
                return Ok(Some(Place {
                    index,
                    offset: pending.offset,
                }));
            }
        }
        let from = self.state.place_before(index)?;
        let offset = self.catalog.locate(index, from)?;
        Ok(offset.map(|offset| Place { index, offset }))
    }

    /// Lists records in the order of their keys.
    pub(crate) fn scan(
        &self,
        scan: &Scan,
        mut filter: impl FnMut(&Listed) -> bool,
    ) -> Result<ScanPage, LogError> {
        let limit = scan.limit.min(MAX_PAGE_RECORDS);
        let mut page = ScanPage::default();
        let mut last = None;
        if limit == 0 || is_empty_range(scan.from, scan.to) {
            return Ok(page);
        }
        let mut rows = 0;
        let ended = self
            .state
            .walk((scan.from, scan.to), scan.direction, |key, entry| {
                rows += 1;
                last = Some(key);
                let listed = Listed {
                    key,
                    index: entry.index,
                    meta: entry.meta.into(),
                };
                if filter(&listed) {
                    page.records.push(listed);
                }
                page.records.len() < limit && rows < MAX_SCANNED_ROWS
            })?;
        page.next = last.filter(|_| !ended);
        Ok(page)
    }

    /// Erases the secret of the record of a key from the journal.
    pub(crate) fn erase_secret(&self, key: &RecordKey) -> Result<Erasure, LogError> {
        if let Phase::Failed(error) = &self.queue().phase {
            return Err(LogError::Failed(std::sync::Arc::clone(error)));
        }
        match self.locate_key(key)? {
            Some(place) => Ok(self.catalog.erase(place.index, place.offset)?),
            None => Ok(Erasure::Unknown),
        }
    }

    /// Removes the segments all of whose records were appended before a time and are flushed. Returns how many.
    pub(crate) fn drop_segments_before(&self, before_ms: u64) -> Result<usize, LogError> {
        // Tiles that are not durable are written anew from the journal.
        let flushed = self.progress.borrow().flushed;
        let start = self.catalog.first_kept_after(before_ms, flushed);
        let Some(start) =
            start.filter(|start| self.catalog.start().is_some_and(|old| old < *start))
        else {
            return Ok(0);
        };
        // First the state, then the files: a missing segment that the state does not know about would be damage.
        self.state.set_journal_start(start)?;
        Ok(self.catalog.drop_before(start)?)
    }

    /// Proof that a leaf is in the tree of the published checkpoint, which comes with it. `None`: not yet.
    pub(crate) fn proof(&self, index: u64) -> Result<Option<String>, LogError> {
        let published = self.published.borrow().clone();
        let Some(published) = published.filter(|published| index < published.size) else {
            return if index < self.queue().next_index() {
                Ok(None)
            } else {
                Err(LogError::NoSuchLeaf { index })
            };
        };
        let hashes =
            tiles::inclusion_proof(&*self.storage, index, published.size, &published.root)?;
        let proof = TlogProof::new(index, hashes, published.checkpoint.note().clone())?;
        Ok(Some(proof.encode()))
    }

    /// The log's word that a leaf will be in its tree in time, counted from when it was appended.
    pub(crate) fn promise(&self, index: u64) -> Result<String, LogError> {
        let pending = {
            let queue = self.queue();
            queue
                .pending_at(index)
                .map(|pending| (pending.leaf, pending.appended_ms))
        };
        let (leaf, issued_ms) = match pending {
            Some(pending) => pending,
            None => {
                let record = self.record(index)?;
                (
                    proofmark_tlog::leaf_hash(&record.entry),
                    record.appended_at_ms,
                )
            }
        };
        let due_ms = issued_ms.saturating_add(self.limits.promise_delay_ms);
        let promise = Promise {
            origin: self.origin.clone(),
            leaf,
            issued_ms,
            due_ms,
        };
        Ok(sign_promise(&promise, &self.signer)?.to_string())
    }

    /// Entries of published leaves.
    pub(crate) fn entries(&self, range: Range<u64>) -> Result<Vec<Bytes>, LogError> {
        let size = self
            .published
            .borrow()
            .as_ref()
            .map_or(0, |published| published.size);
        let end = range.end.min(range.start.saturating_add(MAX_ENTRIES));
        tiles::read_entries(&*self.storage, range.start..end, size)
    }
}

fn is_empty_range(from: Bound<RecordKey>, to: Bound<RecordKey>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Excluded(from), Bound::Included(to))
        | (Bound::Included(from), Bound::Excluded(to)) => from >= to,
        (Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
