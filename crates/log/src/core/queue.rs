//! The records between an append and their integration.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use proofmark_tlog::Hash;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    core::Core,
    error::LogError,
    journal::{Outgoing, RecordImage},
    record::{Appended, Durability, Record, RecordKey},
};

/// Whether the log takes records.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    Open,
    /// What is in the queue is written and integrated, nothing new is taken.
    Closing,
    /// Nothing happens any more.
    Failed(Arc<LogError>),
}

/// Room in the queue that a record takes up.
#[derive(Debug)]
pub(crate) struct Room {
    /// One permit per byte.
    pub(crate) bytes: OwnedSemaphorePermit,
    pub(crate) _record: OwnedSemaphorePermit,
}

/// A record to be written.
pub(crate) struct Staged {
    pub(crate) outgoing: Outgoing,
    /// Given back when the record is durable.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// A record to be integrated.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) key: RecordKey,
    pub(crate) leaf: Hash,
    pub(crate) entry: Bytes,
    pub(crate) meta: Bytes,
    pub(crate) appended_ms: u64,
    /// Where it is in the journal, once it is durable.
    pub(crate) offset: u64,
    /// Given back when the record is integrated.
    pub(crate) room: Room,
}

/// Records between an append and their integration, in the order of the log.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) phase: Phase,
    /// Index of the first pending record.
    pub(crate) integrated: u64,
    /// Number of records on stable storage.
    pub(crate) durable: u64,
    /// Changes when keys move from here into the state.
    pub(crate) epoch: u64,
    pub(crate) writer_done: bool,
    /// Close the active segment if its last record is older than this.
    pub(crate) rotate_before_ms: Option<u64>,
    /// Number of times that this was asked for.
    pub(crate) rotations: u64,
    /// Somebody waits for one of the staged records.
    pub(crate) urgent: bool,
    /// The writer sleeps until it is told of a record.
    pub(crate) writer_sleeps: bool,
    /// Make the tiles durable as soon as possible.
    pub(crate) flush_wanted: bool,
    pub(crate) staged: VecDeque<Staged>,
    pub(crate) pending: VecDeque<Pending>,
    keys: HashMap<RecordKey, u64>,
    last_ms: u64,
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staged")
            .field("bytes", &self.outgoing.image.len())
            .finish()
    }
}

impl Queue {
    /// An empty queue behind `size` records that are integrated.
    pub(crate) fn new(size: u64, last_ms: u64) -> Self {
        Self {
            phase: Phase::Open,
            integrated: size,
            durable: size,
            epoch: 0,
            writer_done: false,
            rotate_before_ms: None,
            rotations: 0,
            urgent: false,
            writer_sleeps: false,
            flush_wanted: false,
            staged: VecDeque::new(),
            pending: VecDeque::new(),
            keys: HashMap::new(),
            last_ms,
        }
    }

    /// Index of the next record.
    pub(crate) fn next_index(&self) -> u64 {
        self.integrated + self.pending.len() as u64
    }

    /// The pending record with an index.
    pub(crate) fn pending_at(&self, index: u64) -> Option<&Pending> {
        let at = index.checked_sub(self.integrated)?;
        self.pending.get(usize::try_from(at).ok()?)
    }

    /// Index of the pending record of a key.
    pub(crate) fn pending_key(&self, key: &RecordKey) -> Option<u64> {
        self.keys.get(key).copied()
    }

    fn push(&mut self, image: RecordImage, mut pending: Pending, now_ms: u64) -> Appended {
        let index = self.next_index();
        // The clock may go back; the times of records do not.
        self.last_ms = self.last_ms.max(now_ms);
        pending.appended_ms = self.last_ms;
        // What stays until integration are the entry, the meta bytes and the bookkeeping, of which the image has more.
        let kept = pending.entry.len() + pending.meta.len();
        let released = pending.room.bytes.num_permits().saturating_sub(kept);
        let room = pending.room.bytes.split(released);
        if !pending.key.is_none() {
            self.keys.insert(pending.key, index);
        }
        let outgoing = Outgoing {
            image,
            appended_ms: self.last_ms,
        };
        self.staged.push_back(Staged { outgoing, room });
        self.pending.push_back(pending);
        Appended {
            index,
            duplicate: false,
        }
    }

    /// Whether the writer has to be told of the record that was pushed last. Telling it costs a system call.
    fn wakes_writer(&mut self, durability: Durability) -> bool {
        let hurries =
            durability == Durability::Durable && !std::mem::replace(&mut self.urgent, true);
        std::mem::take(&mut self.writer_sleeps) || hurries
    }

    /// Removes the first `count` pending records: they are integrated, and their keys in the state.
    pub(crate) fn integrated(&mut self, count: usize) {
        for pending in self.pending.drain(..count) {
            if self.keys.get(&pending.key) == Some(&self.integrated) {
                self.keys.remove(&pending.key);
            }
            self.integrated += 1;
        }
        self.epoch += 1;
    }
}

/// What is known about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A record with this key is in the log.
    Known(u64),
    /// None was when the queue had this epoch.
    New { epoch: u64 },
}

impl Core {
    /// Looks a key up among the pending records and in the state.
    pub(crate) fn look_up(&self, key: &RecordKey) -> Result<Lookup, LogError> {
        let epoch = {
            let queue = self.queue();
            queue.check_open()?;
            if let Some(index) = queue.pending_key(key) {
                return Ok(Lookup::Known(index));
            }
            queue.epoch
        };
        if key.is_none() {
            return Ok(Lookup::New { epoch });
        }
        let stored = self.state.find(key)?;
        Ok(stored.map_or(Lookup::New { epoch }, |entry| Lookup::Known(entry.index)))
    }

    /// Gives a record its index and queues it for the writer. `lookup` is the answer for its key; `durability` is what the caller
    /// will wait for.
    pub(crate) fn enqueue(
        &self,
        record: &Record,
        room: Room,
        mut lookup: Lookup,
        durability: Durability,
    ) -> Result<Appended, LogError> {
        let image = RecordImage::encode(record);
        let pending = Pending {
            key: record.key,
            leaf: record.leaf_hash(),
            // Copies: the caller's buffers may be parts of larger ones.
            entry: Bytes::copy_from_slice(&record.entry),
            meta: Bytes::copy_from_slice(&record.meta),
            appended_ms: 0,
            offset: 0,
            room,
        };
        let now_ms = self.clock.unix_ms();
        loop {
            let epoch = match lookup {
                Lookup::Known(index) => {
                    return Ok(Appended {
                        index,
                        duplicate: true,
                    });
                }
                Lookup::New { epoch } => epoch,
            };
            let mut queue = self.queue();
            queue.check_open()?;
            if let Some(index) = queue.pending_key(&record.key) {
                return Ok(Appended {
                    index,
                    duplicate: true,
                });
            }
            // Between look-up and now the key may have moved from the queue into the state.
            if queue.epoch == epoch || record.key.is_none() {
                let appended = queue.push(image, pending, now_ms);
                let wakes = queue.wakes_writer(durability);
                drop(queue);
                if wakes {
                    self.to_write.notify_one();
                }
                return Ok(appended);
            }
            drop(queue);
            lookup = self.look_up(&record.key)?;
        }
    }
}

impl Queue {
    /// Refuses when the log does not take records any more.
    pub(crate) fn check_open(&self) -> Result<(), LogError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Closing => Err(LogError::Closed),
            Phase::Failed(error) => Err(LogError::Failed(Arc::clone(error))),
        }
    }
}
