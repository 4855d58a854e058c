//! The steps of the log on a simulated disk, against a naive model of a log.

mod model;
mod steps;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use proofmark_tlog::{Hash, NoteKeyName, NoteSigner, leaf_hash, node_hash};

use super::*;
use crate::{
    clock::Clock,
    config::LogConfig,
    core::open::open,
    disk::{Disk, sim::SimDisk},
    error::LogError,
    journal,
    record::{Appended, Durability, Record},
};

/// A clock that is set by hand.
#[derive(Debug, Default)]
pub(crate) struct SetClock(pub(crate) AtomicU64);

impl Clock for SetClock {
    fn unix_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn signer(name: &str) -> Arc<NoteSigner> {
    Arc::new(NoteSigner::from_seed(
        NoteKeyName::parse(name).unwrap(),
        &[7; 32],
    ))
}

pub(crate) fn dir() -> PathBuf {
    PathBuf::from("/log")
}

pub(crate) fn dynamic(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// A log whose steps are driven by hand.
pub(crate) struct Rig {
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) core: Arc<Core>,
    pub(crate) writer: Writer,
    pub(crate) integrator: Integrator,
}

pub(crate) fn config(clock: &Arc<SetClock>) -> LogConfig {
    LogConfig {
        clock: Arc::<SetClock>::clone(clock),
        segment_bytes: 20_000,
        segment_max_age: Duration::from_secs(1000),
        state_cache_bytes: 1024 * 1024,
        queue_bytes: 4 * 1024 * 1024,
        max_payload_bytes: 1024 * 1024,
        ..LogConfig::new(dir(), signer("log.test/receipts"))
    }
}

impl Rig {
    pub(crate) fn open(disk: &SimDisk, clock: &Arc<SetClock>) -> Result<Self, LogError> {
        let Opened {
            core,
            writer,
            integrator,
        } = open(&dynamic(disk), &config(clock))?;
        Ok(Self {
            disk: disk.clone(),
            clock: Arc::clone(clock),
            core,
            writer,
            integrator,
        })
    }

    pub(crate) fn new(seed: u64) -> Self {
        let clock = Arc::new(SetClock(AtomicU64::new(1_000_000)));
        Self::open(&SimDisk::new(seed), &clock).unwrap()
    }

    /// The machine or the process ends here and starts again.
    pub(crate) fn restart(self, power_loss: bool) -> Result<Self, LogError> {
        let Self {
            disk,
            clock,
            core,
            writer,
            integrator,
        } = self;
        drop((core, writer, integrator));
        Self::open(&disk.reboot(power_loss), &clock)
    }

    pub(crate) fn append(&self, record: &Record) -> Result<Appended, LogError> {
        let lookup = self.core.look_up(&record.key)?;
        let len = journal::record_len(record.entry.len(), record.meta.len(), record.payload.len());
        let room = Room {
            bytes: Arc::clone(&self.core.room_bytes)
                .try_acquire_many_owned(len as u32)
                .unwrap(),
            _record: Arc::clone(&self.core.room_records)
                .try_acquire_owned()
                .unwrap(),
        };
        self.core.enqueue(record, room, lookup, Durability::Durable)
    }

    pub(crate) fn publish(&mut self) -> Result<(), LogError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(self.integrator.publish(None))
    }

    /// Makes the tiles durable.
    pub(crate) fn flush(&mut self) -> Result<(), LogError> {
        match self.integrator.take_flush() {
            Some(job) => self.core.flush(&job),
            None => Ok(()),
        }
    }

    /// Writes, integrates and publishes everything.
    pub(crate) fn settle(&mut self) {
        while self.writer.step().unwrap() != Written::Nothing {}
        while self.integrator.step().unwrap() > 0 {}
        self.publish().unwrap();
    }
}

/// RFC 6962 section 2.1, word for word.
pub(crate) fn naive_root(entries: &[Bytes]) -> Hash {
    match entries {
        [] => proofmark_tlog::EMPTY_ROOT,
        [entry] => leaf_hash(entry),
        _ => {
            let split = entries.len().next_power_of_two() / 2;
            let (left, right) = entries.split_at(split);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}
