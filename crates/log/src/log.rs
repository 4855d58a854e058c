//! The handle of an open log, and the two threads behind it.

mod threads;

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use proofmark_tlog::{Origin, VerifierKey};
use tokio::sync::watch;

use crate::{
    config::LogConfig,
    core::{self, Core, Lookup, Phase, Room},
    cosign::ConsistencySource,
    disk::{Disk, RealDisk},
    error::LogError,
    journal,
    published::PublishedCheckpoint,
    record::{Appended, Durability, Erasure, Record, RecordKey, StoredRecord},
    scan::{Listed, Scan, ScanPage},
    stats::LogStats,
    storage::Storage,
};

/// An open log. Clones are handles of the same log; when the last is dropped, the log drains and closes by itself.
///
/// All methods but [`Log::open`] belong into a tokio runtime with time enabled. Cancelling a future of an append does
/// not take the record back.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    queue_timeout: Duration,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl Log {
    /// Opens the log in `config.dir`, or makes it, and starts its threads. Blocks: it reads files, and writes the
    /// tiles of records that a crash left in the journal only.
    pub fn open(config: LogConfig) -> Result<Self, LogError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let opened = core::open(&disk, &config)?;
        let core = Arc::clone(&opened.core);
        let queue_timeout = config.queue_timeout;
        let threads = threads::spawn(opened, config)?;
        let inner = Inner {
            core,
            queue_timeout,
            threads: Mutex::new(threads),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Identity of the log: the name of its key.
    pub fn origin(&self) -> &Origin {
        &self.inner.core.origin
    }

    /// The key that verifies its checkpoints and promises.
    pub fn vkey(&self) -> &VerifierKey {
        self.inner.core.signer.vkey()
    }

    /// Appends a record, unless its key is in the log already.
    ///
    /// [`LogError::Busy`]: the queue stayed full, nothing was appended. [`LogError::Failed`] from
    /// [`Durability::Durable`]: whether the record is in the log is known when it is opened again.
    pub async fn append(
        &self,
        record: Record,
        durability: Durability,
    ) -> Result<Appended, LogError> {
        let core = &self.inner.core;
        record.check(core.limits.max_payload_bytes)?;
        let appended = match core.look_up(&record.key)? {
            Lookup::Known(index) => Appended {
                index,
                duplicate: true,
            },
            lookup => {
                let room = self.make_room(&record).await?;
                core.enqueue(&record, room, lookup, durability)?
            }
        };
        if durability == Durability::Durable {
            self.wait_durable(appended.index).await?;
        }
        Ok(appended)
    }

    /// Waits until the queue has room for a record.
    async fn make_room(&self, record: &Record) -> Result<Room, LogError> {
        let core = &self.inner.core;
        let len = journal::record_len(record.entry.len(), record.meta.len(), record.payload.len());
        let bytes = u32::try_from(len).unwrap_or(u32::MAX);
        // The common case costs no timer.
        if let (Ok(bytes), Ok(record)) = (
            Arc::clone(&core.room_bytes).try_acquire_many_owned(bytes),
            Arc::clone(&core.room_records).try_acquire_owned(),
        ) {
            return Ok(Room {
                bytes,
                _record: record,
            });
        }
        let both = async {
            let record = Arc::clone(&core.room_records).acquire_owned().await;
            let bytes = Arc::clone(&core.room_bytes).acquire_many_owned(bytes).await;
            record.and_then(|record| {
                Ok(Room {
                    bytes: bytes?,
                    _record: record,
                })
            })
        };
        let timeout = self.inner.queue_timeout;
        match tokio::time::timeout(timeout, both).await {
            Ok(Ok(room)) => Ok(room),
            // Closed: the log failed or is closing.
            Ok(Err(_)) => Err(self.stopped()),
            Err(_) => Err(LogError::Busy {
                waited_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }

    fn stopped(&self) -> LogError {
        match &self.inner.core.queue().phase {
            Phase::Failed(error) => LogError::Failed(Arc::clone(error)),
            Phase::Open | Phase::Closing => LogError::Closed,
        }
    }

    async fn wait_durable(&self, index: u64) -> Result<(), LogError> {
        let mut progress = self.inner.core.progress.subscribe();
        let reached = progress
            .wait_for(|progress| progress.durable > index || progress.stopped)
            .await;
        let reached = reached
            .map(|progress| progress.durable > index)
            .unwrap_or(false);
        if reached { Ok(()) } else { Err(self.stopped()) }
    }

    /// Runs a query that reads files.
    async fn blocking<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Core) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let core = Arc::clone(&self.inner.core);
        let task = tokio::task::spawn_blocking(move || query(&core));
        task.await.map_err(|_| LogError::Cancelled)?
    }

    /// The record at an index; `None` if there is no such leaf, [`LogError::Dropped`] if only the leaf is left.
    ///
    /// A record that is still on its way to the disk is waited for.
    pub async fn record(&self, index: u64) -> Result<Option<StoredRecord>, LogError> {
        if index >= self.inner.core.queue().next_index() {
            return Ok(None);
        }
        self.wait_durable(index).await?;
        self.blocking(move |core| core.record(index))
            .await
            .map(Some)
    }

    /// The record of a key; `None` if there is none, [`LogError::Dropped`] if only the leaf is left.
    ///
    /// A record that is still on its way to the disk is waited for.
    pub async fn record_by_key(&self, key: RecordKey) -> Result<Option<StoredRecord>, LogError> {
        let Some(index) = self.blocking(move |core| core.index_of(&key)).await? else {
            return Ok(None);
        };
        self.wait_durable(index).await?;
        self.blocking(move |core| core.record_by_key(&key)).await
    }

    /// Index of the record of a key.
    pub async fn index_of(&self, key: RecordKey) -> Result<Option<u64>, LogError> {
        self.blocking(move |core| core.index_of(&key)).await
    }

    /// Lists integrated records in the order of their keys, those that `filter` lets through.
    pub async fn scan(
        &self,
        scan: Scan,
        filter: impl FnMut(&Listed) -> bool + Send + 'static,
    ) -> Result<ScanPage, LogError> {
        self.blocking(move |core| core.scan(&scan, filter)).await
    }

    /// Overwrites the secret of a record in the journal with zeros and syncs: what it opened cannot be opened any more.
    ///
    /// Blocks of a file system that keeps older versions, of snapshots and of backups are beyond its reach.
    pub async fn erase_secret(&self, key: RecordKey) -> Result<Erasure, LogError> {
        if let Some(index) = self.index_of(key).await? {
            self.wait_durable(index).await?;
        }
        self.blocking(move |core| core.erase_secret(&key)).await
    }

    /// Removes journal segments all of whose records were appended before a time (Unix milliseconds) and are
    /// integrated: payloads and secrets are gone, the leaves stay. Returns how many segments.
    pub async fn drop_segments_before(&self, unix_ms: u64) -> Result<usize, LogError> {
        let request = self.inner.core.request_rotation(unix_ms)?;
        let mut progress = self.inner.core.progress.subscribe();
        let seen = progress
            .wait_for(|progress| progress.rotations >= request || progress.stopped)
            .await;
        if !seen.is_ok_and(|progress| progress.rotations >= request) {
            return Err(self.stopped());
        }
        let size = self.inner.core.request_flush()?;
        let flushed = progress
            .wait_for(|progress| progress.flushed >= size || progress.stopped)
            .await;
        if !flushed.is_ok_and(|progress| progress.flushed >= size) {
            return Err(self.stopped());
        }
        self.blocking(move |core| core.drop_segments_before(unix_ms))
            .await
    }

    /// The latest published checkpoint.
    pub fn published(&self) -> Option<Arc<PublishedCheckpoint>> {
        self.inner.core.published.borrow().clone()
    }

    /// Tells of every published checkpoint.
    pub fn watch_published(&self) -> watch::Receiver<Option<Arc<PublishedCheckpoint>>> {
        self.inner.core.published.subscribe()
    }

    /// Waits until a published checkpoint covers a leaf, and returns it.
    pub async fn wait_integrated(&self, index: u64) -> Result<Arc<PublishedCheckpoint>, LogError> {
        let mut published = self.inner.core.published.subscribe();
        let mut progress = self.inner.core.progress.subscribe();
        let covers = |published: &Option<Arc<PublishedCheckpoint>>| {
            published
                .as_ref()
                .is_some_and(|published| published.size > index)
        };
        tokio::select! {
            biased;
            published = published.wait_for(covers) => match published {
                Ok(published) => published.clone().ok_or(LogError::Closed),
                Err(_) => Err(LogError::Closed),
            },
            _ = progress.wait_for(|progress| progress.stopped) => Err(self.stopped()),
        }
    }

    /// Proof that a leaf is in the tree of the latest published checkpoint (tlog-proof text, with the checkpoint).
    ///
    /// `None`: the leaf is pending, see [`Log::promise`].
    pub async fn proof(&self, index: u64) -> Result<Option<String>, LogError> {
        self.blocking(move |core| core.proof(index)).await
    }

    /// The log's signed word that a published checkpoint will cover the leaf by a time counted from its append.
    ///
    /// The same promise each time it is asked for. Give it out for durable records only.
    pub async fn promise(&self, index: u64) -> Result<String, LogError> {
        if index >= self.inner.core.queue().next_index() {
            return Err(LogError::NoSuchLeaf { index });
        }
        self.wait_durable(index).await?;
        self.blocking(move |core| core.promise(index)).await
    }

    /// Entries of published leaves, at most 65,536 of them: ask again from behind the last for more.
    pub async fn entries(&self, range: Range<u64>) -> Result<Vec<Bytes>, LogError> {
        self.blocking(move |core| core.entries(range)).await
    }

    /// Consistency proofs that lead to the latest published checkpoint.
    pub fn consistency_source(&self) -> Option<ConsistencySource> {
        let core = &self.inner.core;
        self.published()
            .map(|published| ConsistencySource::new(published.size, Arc::clone(&core.storage)))
    }

    /// Where the tiles are, for [`crate::serve`].
    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.inner.core.storage
    }

    /// Figures for metrics.
    pub fn stats(&self) -> LogStats {
        self.inner.core.stats()
    }

    /// Refuses new records, writes and integrates those in the queue, publishes, and ends the threads.
    pub async fn close(&self) -> Result<(), LogError> {
        self.inner.core.close();
        let threads: Vec<_> = self
            .inner
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .collect();
        let join = move || threads.into_iter().try_for_each(JoinHandle::join);
        let joined = tokio::task::spawn_blocking(join)
            .await
            .map_err(|_| LogError::Cancelled)?;
        match &self.inner.core.queue().phase {
            Phase::Failed(error) => Err(LogError::Failed(Arc::clone(error))),
            _ => joined.map_err(|_| LogError::Cancelled),
        }
    }
}
