//! The log's working parts, each step of which can be driven by hand: the threads in [`crate::Log`] only call them.

mod flush;
mod integrator;
pub(crate) mod open;
mod pace;
mod publish;
mod queries;
mod queue;
mod writer;

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use proofmark_tlog::{NoteSigner, Origin};
use tokio::sync::{Semaphore, watch};

use crate::{
    clock::Clock, disk::DirectoryLock, error::LogError, journal::Catalog,
    published::PublishedCheckpoint, state::State, storage::Storage,
};

pub(crate) use flush::FlushJob;
pub(crate) use integrator::Integrator;
pub(crate) use open::{Opened, open};
pub(crate) use queue::{Lookup, Phase, Queue, Room};
pub(crate) use writer::{Writer, Written};

/// How far the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Number of records on stable storage.
    pub(crate) durable: u64,
    /// Number of leaves whose full tiles are durable.
    pub(crate) flushed: u64,
    /// Number of requests for a new segment that were seen to.
    pub(crate) rotations: u64,
    /// The log stopped: there will be no more.
    pub(crate) stopped: bool,
}

/// Limits that appends are held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_payload_bytes: usize,
    pub(crate) promise_delay_ms: u64,
}

/// What all threads of a log share.
pub(crate) struct Core {
    pub(crate) signer: Arc<NoteSigner>,
    pub(crate) origin: Origin,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) state: State,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) storage: Arc<dyn Storage>,
    queue: Mutex<Queue>,
    /// There is something to write, or the log is closing.
    pub(crate) to_write: Condvar,
    /// There is something to integrate, or the log is closing.
    pub(crate) to_integrate: Condvar,
    /// The log does not take records any more.
    pub(crate) to_end: Condvar,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) published: watch::Sender<Option<Arc<PublishedCheckpoint>>>,
    /// Bytes and records that may be waiting.
    pub(crate) room_bytes: Arc<Semaphore>,
    pub(crate) room_records: Arc<Semaphore>,
    pub(crate) last_sync_us: AtomicU64,
    _lock: DirectoryLock,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// The queue. A panic while it was held stops the log, so nobody sees a queue that is half changed.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the log after an error: what is on disk is not certain before it was opened again.
    pub(crate) fn fail(&self, error: LogError) -> Arc<LogError> {
        let error = Arc::new(error);
        tracing::error!(origin = %self.origin, code = error.code(), error = %error, "the log stops");
        let mut queue = self.queue();
        if !matches!(queue.phase, Phase::Failed(_)) {
            queue.phase = Phase::Failed(Arc::clone(&error));
        }
        drop(queue);
        self.stop();
        error
    }

    /// Lets appends that are in the queue finish, and refuses new ones.
    pub(crate) fn close(&self) {
        let mut queue = self.queue();
        if matches!(queue.phase, Phase::Open) {
            queue.phase = Phase::Closing;
        }
        drop(queue);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.to_write.notify_all();
        self.to_integrate.notify_all();
        self.to_end.notify_all();
    }

    /// Tells everyone who waits that there will be no progress any more.
    pub(crate) fn stop(&self) {
        self.progress
            .send_modify(|progress| progress.stopped = true);
        self.room_bytes.close();
        self.room_records.close();
        self.wake_all();
    }

    pub(crate) fn last_sync_us(&self) -> u64 {
        self.last_sync_us.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(crate) mod tests;
