//! The threads that drive the steps of the writer and of the integrator.

use std::{
    io,
    sync::{
        Arc, PoisonError,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::{
    config::LogConfig,
    core::{Core, FlushJob, Integrator, Opened, Phase, Writer, Written},
    cosign::CheckpointCosigner,
    error::{LogError, io_error},
};

/// Pause after the storage refused something, before it is tried again.
const STORAGE_RETRY: Duration = Duration::from_secs(1);
/// Pauses between attempts to get the missing cosignatures of a checkpoint: doubling from the first to the last.
const COSIGN_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Leaves after which their tiles are made durable.
const FLUSH_LEAVES: u64 = 65_536;
/// Time after which the next publication has the tiles made durable. What is not yet is written anew at opening.
const FLUSH_INTERVAL: Duration = Duration::from_secs(60);

/// Starts the threads of a log.
pub(super) fn spawn(opened: Opened, config: LogConfig) -> Result<Vec<JoinHandle<()>>, LogError> {
    let Opened {
        core,
        mut writer,
        integrator,
    } = opened;
    let failed = |source: io::Error| io_error("start the threads of", &config.dir)(source);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("log-cosign")
        .build()
        .map_err(failed)?;
    // One flush runs, one waits.
    let (flusher, jobs) = mpsc::sync_channel(1);
    let publisher = Publisher {
        core: Arc::clone(&core),
        integrator,
        cosigner: config.cosigner,
        interval: config.checkpoint_interval,
        recosign_interval: config.recosign_interval,
        runtime,
        cosign_pause: COSIGN_RETRY.0,
        last_publication: None,
        flusher,
        last_flush: (core.progress.borrow().flushed, Instant::now()),
    };
    let guard = StopOnPanic(Arc::clone(&core));
    let flush = thread::Builder::new()
        .name("log-flusher".to_owned())
        .spawn(move || run_flusher(&guard.0, &jobs));
    let flush = flush.map_err(failed)?;
    let guard = StopOnPanic(Arc::clone(&core));
    let write = thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || {
            let _guard = guard;
            run_writer(&mut writer);
        });
    let write = write.map_err(failed)?;
    let guard = StopOnPanic(Arc::clone(&core));
    let integrate = thread::Builder::new()
        .name("log-integrator".to_owned())
        .spawn(move || {
            let _guard = guard;
            publisher.run();
        });
    match integrate {
        Ok(integrate) => Ok(vec![write, integrate, flush]),
        Err(error) => {
            core.close();
            Err(failed(error))
        }
    }
}

/// A thread that panicked must not leave others waiting for it.
struct StopOnPanic(Arc<Core>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(LogError::Cancelled);
        }
    }
}

fn run_writer(writer: &mut Writer) {
    loop {
        writer.wait();
        match writer.step() {
            Ok(Written::Records(_) | Written::Nothing) => {}
            // An error is the log's from here on: who waits is told.
            Ok(Written::Done) | Err(_) => return,
        }
    }
}

/// Flushes until there is nobody any more who asks for it.
fn run_flusher(core: &Core, jobs: &Receiver<FlushJob>) {
    while let Ok(job) = jobs.recv() {
        loop {
            match core.flush(&job) {
                Ok(()) => break,
                Err(LogError::Storage(error)) => {
                    tracing::error!(error = %error, source = %error.source, "tiles could not be made durable; trying again");
                    if !core.pause_until(Instant::now() + STORAGE_RETRY) {
                        // The next opening writes them anew.
                        return;
                    }
                }
                Err(error) => {
                    core.fail(error);
                    return;
                }
            }
        }
    }
}

struct Publisher {
    core: Arc<Core>,
    integrator: Integrator,
    cosigner: Option<Arc<dyn CheckpointCosigner>>,
    interval: Duration,
    recosign_interval: Option<Duration>,
    /// The cosigner's futures run here.
    runtime: Runtime,
    cosign_pause: Duration,
    last_publication: Option<Instant>,
    flusher: SyncSender<FlushJob>,
    /// Size and time of the last flush that was started.
    last_flush: (u64, Instant),
}

/// Why the integrator was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    /// There are durable records, or a publication is due.
    Work,
    /// Everything is written and integrated, and the log is closing.
    Close,
    /// The log failed.
    Stop,
}

impl Publisher {
    fn run(mut self) {
        let mut last_start: Option<Instant> = None;
        // A tree that was caught up, or a new log, is published before anyone appends.
        let mut wake = Wake::Work;
        loop {
            if wake == Wake::Stop {
                return;
            }
            if let Some(last_start) = last_start {
                self.core.pause_until(last_start + self.interval);
            }
            last_start = Some(Instant::now());
            let round = self.round();
            if round.is_ok() {
                self.flush(wake);
            }
            match round {
                Ok(()) if wake == Wake::Close => break,
                Ok(()) => {}
                Err(LogError::Storage(error)) if wake != Wake::Close => {
                    tracing::error!(error = %error, source = %error.source, "storage of tiles failed; trying again");
                    wake = self.wait_for_storage();
                    continue;
                }
                Err(error) => {
                    self.core.fail(error);
                    return;
                }
            }
            wake = self.wait();
        }
        self.core.stop();
    }

    /// Integrates what is durable now, and publishes what is new or incomplete.
    fn round(&mut self) -> Result<(), LogError> {
        self.integrator.integrate_durable()?;
        let incomplete = self.integrator.missing_cosignatures(self.cosigner.as_ref()) > 0;
        if self.integrator.is_unpublished() || incomplete || self.is_recosigning_due() {
            self.runtime
                .block_on(self.integrator.publish(self.cosigner.as_ref()))?;
            self.last_publication = Some(Instant::now());
            let missing = self.integrator.missing_cosignatures(self.cosigner.as_ref());
            self.cosign_pause = match missing {
                0 => COSIGN_RETRY.0,
                _ => (self.cosign_pause * 2).min(COSIGN_RETRY.1),
            };
        }
        Ok(())
    }

    fn is_recosigning_due(&self) -> bool {
        self.next_publication()
            .is_some_and(|at| at <= Instant::now())
    }

    /// When to publish again although nothing was appended.
    fn next_publication(&self) -> Option<Instant> {
        let last = self.last_publication?;
        let retry = (self.integrator.missing_cosignatures(self.cosigner.as_ref()) > 0)
            .then(|| last + self.cosign_pause);
        let renewal = self
            .recosign_interval
            .filter(|_| self.cosigner.is_some())
            .and_then(|interval| last.checked_add(interval));
        retry.into_iter().chain(renewal).min()
    }

    /// Waits until the storage may be tried again: after a while, or a last time when the log is closing.
    fn wait_for_storage(&self) -> Wake {
        if self.core.pause_until(Instant::now() + STORAGE_RETRY) {
            return Wake::Work;
        }
        let mut queue = self.core.queue();
        loop {
            match &queue.phase {
                Phase::Failed(_) => return Wake::Stop,
                Phase::Closing if queue.writer_done => return Wake::Close,
                Phase::Open | Phase::Closing => {
                    let woken = self.core.to_integrate.wait(queue);
                    queue = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Waits until there is something to do. Sleeps when there is nothing.
    fn wait(&self) -> Wake {
        let due = self.next_publication();
        let mut queue = self.core.queue();
        loop {
            match &queue.phase {
                Phase::Failed(_) => return Wake::Stop,
                Phase::Closing if queue.writer_done => return Wake::Close,
                _ if queue.durable > queue.integrated || queue.flush_wanted => return Wake::Work,
                Phase::Open | Phase::Closing => {}
            }
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Wake::Work;
            }
            queue = match left {
                Some(left) => {
                    let woken = self.core.to_integrate.wait_timeout(queue, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .core
                    .to_integrate
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Starts a flush if it is time, or if somebody asked for one.
    fn flush(&mut self, wake: Wake) {
        let wanted = std::mem::take(&mut self.core.queue().flush_wanted);
        let grown = self
            .integrator
            .tree
            .size()
            .saturating_sub(self.last_flush.0);
        let due = grown >= FLUSH_LEAVES || self.last_flush.1.elapsed() >= FLUSH_INTERVAL;
        if !(wanted || due || wake == Wake::Close) {
            return;
        }
        let Some(job) = self.integrator.take_flush() else {
            return;
        };
        let size = job.size();
        let refused = match wake {
            // The last one is waited for.
            Wake::Close => self.flusher.send(job).err().map(|error| error.0),
            Wake::Work | Wake::Stop => match self.flusher.try_send(job) {
                Ok(()) => None,
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Some(job),
            },
        };
        match refused {
            None => self.last_flush = (size, Instant::now()),
            Some(job) => {
                self.integrator.put_back(job);
                self.core.queue().flush_wanted |= wanted;
            }
        }
    }
}

impl Core {
    /// Sleeps until a time. Returns before, with `false`, when the log is closing.
    fn pause_until(&self, until: Instant) -> bool {
        let mut queue = self.queue();
        while matches!(queue.phase, Phase::Open) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let woken = self.to_end.wait_timeout(queue, left);
            queue = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}
