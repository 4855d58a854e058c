//! One proof in the making.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use proofmark_prover::{ProverError, Watch};
use proofmark_receipt::{Bundle, ReceiptId, Salts};
use tokio::sync::OwnedSemaphorePermit;

use crate::access::ByteSlot;
use crate::local::LocalModel;

/// What is to be proven.
pub(crate) struct Task {
    pub(crate) id: ReceiptId,
    /// The receipt, with everything opened.
    pub(crate) bundle: Bundle,
    /// What the proof is sealed under.
    pub(crate) salts: Salts,
    pub(crate) model: Arc<LocalModel>,
    /// Unix seconds until which it is promised.
    pub(crate) deadline_unix_s: u64,
    /// The same for the worker.
    pub(crate) deadline: Instant,
    /// Its place in the queue, and the memory of its contents.
    pub(super) _place: OwnedSemaphorePermit,
    pub(super) _memory: ByteSlot,
}

/// How far a proof is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Progress {
    /// Others are proven first.
    Waiting {
        /// How many.
        before: usize,
        deadline_unix_s: u64,
    },
    /// In the making.
    Proving {
        done: usize,
        steps: usize,
        deadline_unix_s: u64,
    },
    /// Made, and kept.
    Done,
    /// It will not be there.
    Failed { code: &'static str, message: String },
    /// Somebody did not want it any more.
    Cancelled,
}

/// A proof that the worker makes, as others see it.
#[derive(Debug)]
pub(super) struct Running {
    done: AtomicUsize,
    steps: AtomicUsize,
    cancelled: AtomicBool,
    deadline: Instant,
}

impl Running {
    pub(super) fn until(deadline: Instant) -> Self {
        Self {
            done: AtomicUsize::new(0),
            steps: AtomicUsize::new(0),
            cancelled: AtomicBool::new(false),
            deadline,
        }
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn progress(&self) -> (usize, usize) {
        (
            self.done.load(Ordering::Relaxed),
            self.steps.load(Ordering::Relaxed),
        )
    }
}

impl Watch for Running {
    fn step(&self, done: usize, steps: usize) -> Result<(), ProverError> {
        self.done.store(done, Ordering::Relaxed);
        self.steps.store(steps, Ordering::Relaxed);
        if self.is_cancelled() || Instant::now() >= self.deadline {
            return Err(ProverError::Cancelled);
        }
        Ok(())
    }
}
