//! The queue: few may wait, one is made at a time, and what became of the last ones is remembered.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proofmark_kernels::{Isa, Pool};
use proofmark_prover::{Machine, Options, ProverError};
use proofmark_proving::{Mode, ProvableModel, ProvingError, Subject};
use proofmark_receipt::ReceiptId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::{Progress, Running, Task};
use super::kept::KeptProofs;
use crate::access::ByteSlot;
use crate::ambient::Entropy;
use crate::error::{GatewayError, OverloadedBy};
use crate::local::{LocalModel, LocalModels};

/// Proofs whose end is remembered.
const REMEMBERED: usize = 1024;

/// How proofs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofsOptions {
    /// Proofs that wait or are made at the same time; 0: this node makes none.
    pub places: usize,
    /// Longest time from the request for a proof to its end.
    pub deadline: Duration,
    /// What needs more memory is refused before it is begun.
    pub memory_bytes: u64,
    /// Threads of the worker.
    pub threads: usize,
    /// What `Retry-After` says to whoever finds no place.
    pub retry_after_s: u32,
}

/// The proofs of one node. Clones are the same queue; the worker ends with the last of them.
#[derive(Clone)]
pub struct Proofs(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    options: ProofsOptions,
    models: LocalModels,
    kept: KeptProofs,
    entropy: Arc<dyn Entropy>,
    places: Arc<Semaphore>,
    jobs: Mutex<Jobs>,
    wake: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Task>,
    running: Option<(ReceiptId, u64, Arc<Running>)>,
    ended: HashMap<ReceiptId, Progress>,
    /// The keys of `ended`, oldest first.
    order: VecDeque<ReceiptId>,
    has_worker: bool,
    closing: bool,
}

/// A place in the queue.
#[must_use = "the place is given back on drop"]
pub(crate) struct Reserved {
    place: OwnedSemaphorePermit,
    model: Arc<LocalModel>,
    deadline: Instant,
}

impl Jobs {
    fn end(&mut self, id: ReceiptId, progress: Progress) {
        if self.ended.insert(id, progress).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.ended.remove(&oldest);
            }
        }
    }

    fn progress(&self, id: &ReceiptId) -> Option<Progress> {
        if let Some((running, deadline_unix_s, job)) = &self.running
            && running == id
        {
            let (done, steps) = job.progress();
            return Some(Progress::Proving {
                done,
                steps,
                deadline_unix_s: *deadline_unix_s,
            });
        }
        if let Some(before) = self.waiting.iter().position(|task| task.id == *id) {
            let deadline_unix_s = self.waiting.get(before).map_or(0, |t| t.deadline_unix_s);
            return Some(Progress::Waiting {
                before: before + usize::from(self.running.is_some()),
                deadline_unix_s,
            });
        }
        self.ended.get(id).cloned()
    }
}

impl Proofs {
    /// A queue for these models. Its worker starts with the first proof.
    #[must_use]
    pub fn new(
        options: ProofsOptions,
        models: LocalModels,
        kept: KeptProofs,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self(Arc::new(Handle {
            shared: Arc::new(Shared {
                places: Arc::new(Semaphore::new(options.places)),
                options,
                models,
                kept,
                entropy,
                jobs: Mutex::default(),
                wake: Condvar::new(),
            }),
        }))
    }

    /// What was made.
    pub(crate) fn kept(&self) -> &KeptProofs {
        &self.0.shared.kept
    }

    /// The longest time that a proof may take.
    pub(crate) fn longest(&self) -> Duration {
        self.0.shared.options.deadline
    }

    /// A place for a proof of an answer of this model.
    ///
    /// # Errors
    /// [`GatewayError::NotProvable`] if the model is not one that can be proven here, [`GatewayError::Overloaded`] without a place.
    pub(crate) fn reserve(
        &self,
        closure: &[u8; 32],
        within: Duration,
    ) -> Result<Reserved, GatewayError> {
        let shared = &self.0.shared;
        let not = |why| GatewayError::NotProvable { why };
        if shared.options.places == 0 {
            return Err(not("this node makes no proofs"));
        }
        let model = shared
            .models
            .iter()
            .find(|model| model.model().closure().as_bytes() == closure)
            .ok_or(not("this node does not serve the model any more"))?;
        let place = Arc::clone(&shared.places).try_acquire_owned();
        let place = place.map_err(|_| GatewayError::Overloaded {
            by: OverloadedBy::Proofs,
            retry_after_s: shared.options.retry_after_s,
        })?;
        Ok(Reserved {
            place,
            model: Arc::clone(model),
            deadline: Instant::now() + within.min(shared.options.deadline),
        })
    }

    /// Puts a proof into the queue; one that is there already stays where it is.
    pub(crate) fn start(
        &self,
        reserved: Reserved,
        bundle: proofmark_receipt::Bundle,
        about: (ReceiptId, proofmark_receipt::Salts),
        deadline_unix_s: u64,
        memory: ByteSlot,
    ) {
        let (id, salts) = about;
        let task = Task {
            id,
            bundle,
            salts,
            model: reserved.model,
            deadline_unix_s,
            deadline: reserved.deadline,
            _place: reserved.place,
            _memory: memory,
        };
        let shared = &self.0.shared;
        let mut jobs = shared.lock();
        let is_there = matches!(
            jobs.progress(&id),
            Some(Progress::Waiting { .. } | Progress::Proving { .. })
        );
        if is_there {
            return;
        }
        jobs.ended.remove(&id);
        jobs.order.retain(|ended| *ended != id);
        jobs.waiting.push_back(task);
        if !jobs.has_worker {
            let worker = Arc::clone(shared);
            let spawned = std::thread::Builder::new()
                .name("proofs".to_owned())
                .spawn(move || worker.work());
            match spawned {
                Ok(_) => jobs.has_worker = true,
                Err(error) => {
                    tracing::error!(%error, "no thread for proofs");
                    jobs.waiting.retain(|task| task.id != id);
                    let message = "no thread".to_owned();
                    let code = "proving.failed";
                    jobs.end(id, Progress::Failed { code, message });
                }
            }
        }
        drop(jobs);
        shared.wake.notify_all();
    }

    /// How far a proof is; `None` if nobody asked for it lately.
    pub(crate) fn progress(&self, id: &ReceiptId) -> Option<Progress> {
        self.0.shared.lock().progress(id)
    }

    /// Ends a proof that waits or is made; whether there was one.
    pub(crate) fn cancel(&self, id: &ReceiptId) -> bool {
        let mut jobs = self.0.shared.lock();
        if let Some((running, _, job)) = &jobs.running
            && running == id
        {
            job.cancel();
            return true;
        }
        let before = jobs.waiting.len();
        jobs.waiting.retain(|task| task.id != *id);
        let was_there = jobs.waiting.len() < before;
        if was_there {
            jobs.end(*id, Progress::Cancelled);
        }
        was_there
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut jobs = self.shared.lock();
        jobs.closing = true;
        jobs.waiting.clear();
        if let Some((_, _, job)) = &jobs.running {
            job.cancel();
        }
        drop(jobs);
        self.shared.wake.notify_all();
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proofs")
            .field(&self.0.shared.options)
            .finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker: until the last handle is gone.
    fn work(&self) {
        let pool = Pool::new(self.options.threads.max(1));
        let machine = Machine {
            pool: &pool,
            isa: Isa::detect(),
        };
        // The model of the last proof: the next one is often about the same.
        let mut model: Option<ProvableModel> = None;
        while let Some((task, running)) = self.next() {
            let id = task.id;
            let made = self.prove(machine, &mut model, &task, &running);
            let progress = match made {
                Ok(()) => Progress::Done,
                Err(ProvingError::Prover(ProverError::Cancelled)) if running.is_cancelled() => {
                    Progress::Cancelled
                }
                Err(ProvingError::Prover(ProverError::Cancelled)) => Progress::Failed {
                    code: "proving.deadline",
                    message: "it did not come to its end in time".to_owned(),
                },
                Err(error) => {
                    tracing::warn!(receipt = %id, %error, "a proof was not made");
                    Progress::Failed {
                        code: error.code(),
                        message: error.to_string(),
                    }
                }
            };
            let mut jobs = self.lock();
            jobs.running = None;
            jobs.end(id, progress);
        }
    }

    fn next(&self) -> Option<(Task, Arc<Running>)> {
        let mut jobs = self.lock();
        loop {
            if jobs.closing {
                return None;
            }
            if let Some(task) = jobs.waiting.pop_front() {
                let running = Arc::new(Running::until(task.deadline));
                jobs.running = Some((task.id, task.deadline_unix_s, Arc::clone(&running)));
                return Some((task, running));
            }
            jobs = self.wake.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn prove(
        &self,
        machine: Machine<'_>,
        cached: &mut Option<ProvableModel>,
        task: &Task,
        running: &Running,
    ) -> Result<(), ProvingError> {
        let closure = task.model.model().closure();
        if cached
            .as_ref()
            .is_none_or(|model| model.closure() != closure)
        {
            // One model at a time.
            *cached = None;
        }
        let model = match cached {
            Some(model) => model,
            None => cached.insert(provable(&task.model)?),
        };
        let subject = Subject::of(&task.bundle, model)?;
        let options = Options {
            max_memory_bytes: self.options.memory_bytes,
        };
        let proven = subject.prove(machine, Mode::Committed, Vec::new(), &options, running)?;
        let data = proven.evidence.data.unwrap_or_default();
        let kept = self.kept.keep(&task.id, &data, &task.salts, &*self.entropy);
        kept.map_err(|error| ProvingError::NotKept {
            why: error.to_string(),
        })
    }
}

/// The model as it is proven, from its files.
fn provable(model: &LocalModel) -> Result<ProvableModel, ProvingError> {
    let files = model.origin().proven_files();
    let files = files.map_err(|error| ProvingError::NoModel {
        why: error.to_string(),
    })?;
    let provable = ProvableModel::from_files(&files.manifest, &files.program, files.weights)?;
    if provable.closure() == model.model().closure() {
        return Ok(provable);
    }
    Err(ProvingError::NoModel {
        why: "they are another model's by now".to_owned(),
    })
}
