//! The writer's step: what is in the queue becomes one group of the journal.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

use crate::{
    core::{Core, Phase, pace::Pace, queue::Staged},
    error::LogError,
    journal::{JournalWriter, Outgoing},
};

/// Bytes in one group. One record may be larger.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// What a step of the writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// Wrote this many records.
    Records(usize),
    /// There was nothing to write.
    Nothing,
    /// The log is closing and everything is written, or it failed.
    Done,
}

/// Moves records from the queue into the journal.
#[derive(Debug)]
pub(crate) struct Writer {
    core: Arc<Core>,
    journal: JournalWriter,
    pace: Pace,
}

impl Writer {
    pub(crate) fn new(core: Arc<Core>, journal: JournalWriter) -> Self {
        Self {
            core,
            journal,
            pace: Pace::default(),
        }
    }

    /// Waits until there is something to write, and until it is time for the next group.
    pub(crate) fn wait(&self) {
        let mut queue = self.core.queue();
        while queue.rotate_before_ms.is_none() && matches!(queue.phase, Phase::Open) {
            let pause = match (queue.staged.is_empty(), self.pace.due(queue.urgent)) {
                (true, _) => None,
                (false, Some(due)) => Some(due.saturating_duration_since(Instant::now())),
                (false, None) => return,
            };
            queue = match pause {
                Some(pause) if pause.is_zero() => return,
                Some(pause) => {
                    let woken = self.core.to_write.wait_timeout(queue, pause);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    queue.writer_sleeps = true;
                    let woken = self.core.to_write.wait(queue);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Writes one group. After an error the log has failed.
    pub(crate) fn step(&mut self) -> Result<Written, Arc<LogError>> {
        let (group, rotation) = {
            let mut queue = self.core.queue();
            if matches!(queue.phase, Phase::Failed(_)) {
                return Ok(Written::Done);
            }
            let group = take_group(&mut queue.staged);
            queue.urgent &= !queue.staged.is_empty();
            if group.is_empty() && matches!(queue.phase, Phase::Closing) {
                queue.writer_done = true;
                drop(queue);
                self.core.to_integrate.notify_all();
                return Ok(Written::Done);
            }
            let rotations = queue.rotations;
            (
                group,
                queue
                    .rotate_before_ms
                    .take()
                    .map(|before_ms| (before_ms, rotations)),
            )
        };
        let count = group.len();
        self.write(group, rotation)
            .map_err(|error| self.core.fail(error))?;
        Ok(if count == 0 {
            Written::Nothing
        } else {
            Written::Records(count)
        })
    }

    fn write(&mut self, group: Vec<Staged>, rotation: Option<(u64, u64)>) -> Result<(), LogError> {
        let now_ms = self.core.clock.unix_ms();
        if let Some((before_ms, rotations)) = rotation {
            self.journal.rotate_if_older(before_ms, now_ms)?;
            self.core
                .progress
                .send_modify(|progress| progress.rotations = rotations);
        }
        if group.is_empty() {
            return Ok(());
        }
        let first = self.journal.next_index();
        let (mut records, room): (Vec<Outgoing>, Vec<_>) = group
            .into_iter()
            .map(|staged| (staged.outgoing, staged.room))
            .unzip();
        let started = Instant::now();
        self.pace.started(started, records.len());
        let offsets = self.journal.append(&mut records, now_ms)?;
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.core.last_sync_us.store(elapsed_us, Ordering::Relaxed);
        let durable = self.journal.next_index();
        let idle = {
            let mut queue = self.core.queue();
            for (index, offset) in (first..).zip(offsets) {
                let at = index
                    .checked_sub(queue.integrated)
                    .and_then(|at| usize::try_from(at).ok());
                if let Some(pending) = at.and_then(|at| queue.pending.get_mut(at)) {
                    pending.offset = offset;
                }
            }
            queue.durable = durable;
            queue.staged.is_empty()
        };
        self.core
            .progress
            .send_modify(|progress| progress.durable = durable);
        self.core.to_integrate.notify_all();
        drop(room);
        if idle {
            self.journal.fill_ahead()?;
        }
        Ok(())
    }
}

impl Core {
    /// Has the active segment closed if its last record is older than a time. Returns the number of the request,
    /// which [`crate::core::Progress::rotations`] reaches when it was seen to.
    pub(crate) fn request_rotation(&self, before_ms: u64) -> Result<u64, LogError> {
        let mut queue = self.queue();
        queue.check_open()?;
        queue.rotate_before_ms = queue.rotate_before_ms.max(Some(before_ms));
        queue.rotations += 1;
        let request = queue.rotations;
        drop(queue);
        self.to_write.notify_one();
        Ok(request)
    }
}

/// Takes records for one group from the front of the queue.
fn take_group(staged: &mut std::collections::VecDeque<Staged>) -> Vec<Staged> {
    let mut bytes = 0;
    let fits = |next: &&Staged| {
        bytes += next.outgoing.image.len();
        bytes <= MAX_GROUP_BYTES
    };
    let count = staged
        .iter()
        .take_while(fits)
        .count()
        .max(1)
        .min(staged.len());
    staged.drain(..count).collect()
}
