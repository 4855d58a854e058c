//! A witness: which logs it watches, and the one atomic step of deciding, storing and cosigning.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use proofmark_tlog::{
    AddCheckpointRequest, CosignatureSigner, CosignatureTime, Decision, KeyType, NoteSignature,
    Origin, Refusal, VerifierKey, WitnessedState, judge_add_checkpoint,
};
use tokio::{sync::Mutex, task};

use crate::{
    clock::Clock,
    witness::{AddCheckpointError, WitnessError, store::StateStore},
};

/// A log that a witness watches.
#[derive(Debug, Clone)]
pub struct WitnessedLog {
    /// Origin of its checkpoints.
    pub origin: Origin,
    /// Keys of the log, of type 0x01; one of them must have signed.
    pub keys: Vec<VerifierKey>,
}

/// What a witness is opened with.
#[derive(Debug, Clone)]
pub struct WitnessConfig {
    /// Directory of the state. It must never be put back to an older copy, nor be shared.
    pub dir: PathBuf,
    /// Key of the witness.
    pub signer: Arc<CosignatureSigner>,
    /// The logs that it watches.
    pub logs: Vec<WitnessedLog>,
    /// Source of the cosignatures' times.
    pub clock: Arc<dyn Clock>,
}

/// A witness. Cheap to clone; clones share the state.
///
/// Trust: its cosignature says that it saw one history of a log, and nothing about what the leaves say.
#[derive(Debug, Clone)]
pub struct Witness {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    signer: Arc<CosignatureSigner>,
    clock: Arc<dyn Clock>,
    store: StateStore,
    logs: BTreeMap<Origin, Watched>,
}

struct Watched {
    keys: Vec<VerifierKey>,
    /// Locked while a checkpoint of this log is decided about and stored.
    state: Arc<Mutex<Option<WitnessedState>>>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Witness {
    /// Locks and reads the state. Blocks.
    ///
    /// State of logs that are not configured any more is kept on disk and checked, so that they can come back.
    pub fn open(config: WitnessConfig) -> Result<Self, WitnessError> {
        let own = config.signer.vkey();
        let mut logs = BTreeMap::new();
        for WitnessedLog { origin, keys } in config.logs {
            check_keys(&origin, &keys, own)?;
            let watched = Watched {
                keys,
                state: Arc::default(),
            };
            if logs.insert(origin.clone(), watched).is_some() {
                return Err(WitnessError::LogTwice { origin });
            }
        }
        let (store, states) = StateStore::open(&config.dir, own)?;
        for (origin, state) in states {
            if let Some(watched) = logs.get_mut(&origin) {
                watched.state = Arc::new(Mutex::new(Some(state)));
            }
        }
        let shared = Shared {
            signer: config.signer,
            clock: config.clock,
            store,
            logs,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Key with which the witness cosigns.
    pub fn vkey(&self) -> &VerifierKey {
        self.shared.signer.vkey()
    }

    /// The logs that it watches, each with the size that it cosigned last.
    pub async fn sizes(&self) -> Vec<(Origin, Option<u64>)> {
        let mut sizes = Vec::with_capacity(self.shared.logs.len());
        for (origin, watched) in &self.shared.logs {
            let state = *watched.state.lock().await;
            sizes.push((origin.clone(), state.map(|state| state.size)));
        }
        sizes
    }

    /// Decides about the body of an add-checkpoint request and cosigns. The new state is on stable storage when this returns.
    ///
    /// Dropping the future does not leave a half-done step: the step is finished, and the answer lost.
    pub async fn add_checkpoint(&self, body: &[u8]) -> Result<NoteSignature, AddCheckpointError> {
        let request = AddCheckpointRequest::parse(body).map_err(Refusal::from)?;
        let watched = self
            .shared
            .logs
            .get(request.origin())
            .ok_or(Refusal::UnknownOrigin)?;
        refuse_without_state(&request, &watched.keys)?;
        let mut state = Arc::clone(&watched.state).lock_owned().await;
        let shared = Arc::clone(&self.shared);
        // Storing waits for the disk.
        let step = move || shared.decide_and_store(&mut state, &request);
        task::spawn_blocking(step)
            .await
            .map_err(|_| WitnessError::Cancelled)?
    }
}

impl Shared {
    fn decide_and_store(
        &self,
        state: &mut Option<WitnessedState>,
        request: &AddCheckpointRequest,
    ) -> Result<NoteSignature, AddCheckpointError> {
        let origin = request.origin();
        let keys = self
            .logs
            .get(origin)
            .map_or(&[][..], |watched| &watched.keys);
        let accepted = match judge_add_checkpoint(state.as_ref(), request, keys) {
            Decision::Cosign(accepted) => accepted,
            Decision::Refuse(refusal) => {
                report(origin, &refusal);
                return Err(refusal.into());
            }
        };
        let now = CosignatureTime::from_unix_ms(self.clock.unix_ms());
        let (next, cosignature) = accepted.cosign(&self.signer, now);
        self.store
            .store(origin, state.as_ref(), &next)
            .inspect_err(|error| {
                tracing::error!(%origin, code = error.code(), %error, "witness state not stored");
            })?;
        *state = Some(next);
        Ok(cosignature)
    }
}

/// What needs no state is refused without waiting for the log's lock.
fn refuse_without_state(
    request: &AddCheckpointRequest,
    keys: &[VerifierKey],
) -> Result<(), Refusal> {
    match judge_add_checkpoint(None, request, keys) {
        Decision::Refuse(
            refusal @ (Refusal::UnknownOrigin | Refusal::Signature(_) | Refusal::OldSize { .. }),
        ) => Err(refusal),
        _ => Ok(()),
    }
}

/// A log that signed what does not extend its history is reported loudly: it forked, or lost its state.
fn report(origin: &Origin, refusal: &Refusal) {
    match refusal {
        Refusal::RootConflict { .. } | Refusal::Proof(_) => {
            tracing::error!(%origin, code = refusal.code(), %refusal, "log signed a checkpoint that does not extend what was cosigned");
        }
        _ => tracing::debug!(%origin, code = refusal.code(), "checkpoint refused"),
    }
}

fn check_keys(
    origin: &Origin,
    keys: &[VerifierKey],
    own: &VerifierKey,
) -> Result<(), WitnessError> {
    if keys.is_empty() {
        return Err(WitnessError::LogWithoutKeys {
            origin: origin.clone(),
        });
    }
    for key in keys {
        if key.key_type() != KeyType::Ed25519 {
            return Err(WitnessError::LogKeyType {
                origin: origin.clone(),
                key: key.name().clone(),
            });
        }
        if key.public_key() == own.public_key() {
            return Err(WitnessError::OwnKey {
                origin: origin.clone(),
            });
        }
    }
    Ok(())
}
