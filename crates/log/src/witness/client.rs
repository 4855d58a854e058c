//! The log's side: asks its witnesses at the same time, proves from the size that each remembers, verifies what they say.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use proofmark_tlog::{
    AddCheckpointRequest, CosignatureTime, Hash, MAX_TREE_SIZE, NoteSignature, VerifiedCheckpoint,
    VerifierKey, parse_signature_lines, verify_cosignature,
};
use tokio::time::{Instant, timeout};

use crate::{
    cosign::{CheckpointCosigner, ConsistencySource, CosignFuture, WitnessCosignature},
    error::LogError,
    witness::{WitnessAnswer, WitnessClientError, WitnessTransport},
};

/// Requests to one witness about one checkpoint: the first, and those after a size that it named.
const MAX_ATTEMPTS: u32 = 3;

/// Gives the consistency proofs that lead to the checkpoint which is to be cosigned.
pub trait ProofSource: Sync {
    /// Proof from the first `old_size` leaves; empty for 0 and for the checkpoint's own size.
    fn consistency_proof(&self, old_size: u64) -> Result<Vec<Hash>, LogError>;
}

impl ProofSource for ConsistencySource {
    fn consistency_proof(&self, old_size: u64) -> Result<Vec<Hash>, LogError> {
        ConsistencySource::consistency_proof(self, old_size)
    }
}

impl<F: Fn(u64) -> Result<Vec<Hash>, LogError> + Sync> ProofSource for F {
    fn consistency_proof(&self, old_size: u64) -> Result<Vec<Hash>, LogError> {
        self(old_size)
    }
}

/// A witness that a log asks.
#[derive(Debug, Clone)]
pub struct WitnessEndpoint {
    /// Key of the witness, of type 0x04, from configuration.
    pub vkey: VerifierKey,
    /// The way to it.
    pub transport: Arc<dyn WitnessTransport>,
}

/// Times of a [`WitnessClient`].
#[derive(Debug, Clone)]
pub struct WitnessClientOptions {
    /// Longest time for all witnesses together (default 1 s).
    pub deadline: Duration,
    /// How long a witness that failed is left alone; doubles with each failure in a row (default 1 s; zero: not at all).
    pub rest: Duration,
    /// Longest time that a failing witness is left alone (default 1 min).
    pub max_rest: Duration,
}

impl Default for WitnessClientOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            rest: Duration::from_secs(1),
            max_rest: Duration::from_secs(60),
        }
    }
}

/// What asking one witness came to.
#[derive(Debug)]
pub struct Asked {
    /// Key of the witness.
    pub witness: VerifierKey,
    /// The verified cosignature with its time, or why there is none.
    pub result: Result<(NoteSignature, CosignatureTime), WitnessClientError>,
}

/// Collects cosignatures from a fixed set of witnesses.
#[derive(Debug)]
pub struct WitnessClient {
    peers: Vec<Peer>,
    options: WitnessClientOptions,
}

struct Peer {
    endpoint: WitnessEndpoint,
    memory: Mutex<Memory>,
}

/// What is known of a witness since this process started.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    /// Size of the last checkpoint that it is known to have cosigned.
    size: u64,
    /// Failures in a row.
    failures: u32,
    rest_until: Option<Instant>,
    conflict: bool,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl WitnessClient {
    /// A client of these witnesses. It needs a tokio runtime with time and I/O when it asks.
    pub fn new(witnesses: Vec<WitnessEndpoint>, options: WitnessClientOptions) -> Self {
        let peers = witnesses
            .into_iter()
            .map(|endpoint| Peer {
                endpoint,
                memory: Mutex::default(),
            })
            .collect();
        Self { peers, options }
    }

    /// Asks every witness at the same time and returns what each said, in the order of configuration.
    ///
    /// Takes no longer than the deadline. A witness that failed shortly before is not asked.
    pub async fn ask<P: ProofSource + ?Sized>(
        &self,
        checkpoint: &VerifiedCheckpoint,
        proofs: &P,
    ) -> Vec<Asked> {
        join_all(
            self.peers
                .iter()
                .map(|peer| self.ask_peer(peer, checkpoint, proofs)),
        )
        .await
    }

    /// Witnesses that said, since this process started, that they have seen another history of the log.
    pub fn conflicts(&self) -> Vec<&VerifierKey> {
        let conflicting = self.peers.iter().filter(|peer| peer.recall().conflict);
        conflicting.map(|peer| &peer.endpoint.vkey).collect()
    }

    async fn ask_peer<P: ProofSource + ?Sized>(
        &self,
        peer: &Peer,
        checkpoint: &VerifiedCheckpoint,
        proofs: &P,
    ) -> Asked {
        let witness = peer.endpoint.vkey.clone();
        let memory = peer.recall();
        if memory
            .rest_until
            .is_some_and(|until| Instant::now() < until)
        {
            let error = WitnessClientError::Resting {
                failures: memory.failures,
            };
            return Asked {
                witness,
                result: Err(error),
            };
        }
        let deadline = self.options.deadline;
        let result = match timeout(deadline, peer.negotiate(checkpoint, proofs)).await {
            Ok(result) => result,
            Err(_) => {
                let limit_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
                Err(WitnessClientError::TimedOut { limit_ms })
            }
        };
        peer.remember(&result, &self.options);
        Asked { witness, result }
    }
}

impl Peer {
    fn recall(&self) -> Memory {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Memory)) {
        change(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Proves from the remembered size, or from the one that the witness names, until it cosigns or refuses.
    async fn negotiate<P: ProofSource + ?Sized>(
        &self,
        checkpoint: &VerifiedCheckpoint,
        proofs: &P,
    ) -> Result<(NoteSignature, CosignatureTime), WitnessClientError> {
        let size = checkpoint.size();
        let mut old = self.recall().size;
        for _ in 0..MAX_ATTEMPTS {
            if old > size {
                return Err(WitnessClientError::HistoryConflict {
                    witness: old,
                    ours: old,
                    size,
                });
            }
            let proof = proofs
                .consistency_proof(old)
                .map_err(WitnessClientError::Proof)?;
            let request = AddCheckpointRequest::new(old, proof, checkpoint.note().clone())?;
            let body = Bytes::from(request.encode());
            let answer = self.endpoint.transport.add_checkpoint(body).await;
            match self.read_answer(checkpoint, &answer.map_err(WitnessClientError::Transport)?)? {
                Answer::Cosigned(signature, time) => {
                    self.update(|memory| memory.size = size);
                    return Ok((signature, time));
                }
                // The size that was offered, refused: same size and another root.
                Answer::Has(witness) if witness == old || witness > size => {
                    return Err(WitnessClientError::HistoryConflict {
                        witness,
                        ours: old,
                        size,
                    });
                }
                Answer::Has(witness) => {
                    self.update(|memory| memory.size = witness);
                    old = witness;
                }
                Answer::RefusesProof => {
                    return Err(WitnessClientError::HistoryConflict {
                        witness: old,
                        ours: old,
                        size,
                    });
                }
            }
        }
        Err(WitnessClientError::Unsettled {
            times: MAX_ATTEMPTS,
        })
    }

    fn read_answer(
        &self,
        checkpoint: &VerifiedCheckpoint,
        answer: &WitnessAnswer,
    ) -> Result<Answer, WitnessClientError> {
        match answer.status {
            200 => {
                let lines =
                    std::str::from_utf8(&answer.body).map_err(|_| WitnessClientError::Answer)?;
                let vkey = &self.endpoint.vkey;
                // Lines of other keys are ignored, as tlog-witness has it.
                let line = parse_signature_lines(lines)
                    .map_err(WitnessClientError::Lines)?
                    .into_iter()
                    .find(|line| line.names(vkey))
                    .ok_or(WitnessClientError::Answer)?;
                let time = verify_cosignature(checkpoint, &line, vkey)?;
                Ok(Answer::Cosigned(line, time))
            }
            409 => parse_size(answer)
                .map(Answer::Has)
                .ok_or(WitnessClientError::Answer),
            422 => Ok(Answer::RefusesProof),
            status => Err(WitnessClientError::Refused { status }),
        }
    }

    fn remember(
        &self,
        result: &Result<(NoteSignature, CosignatureTime), WitnessClientError>,
        options: &WitnessClientOptions,
    ) {
        let witness = self.endpoint.vkey.name();
        let Err(error) = result else {
            return self.update(|memory| {
                memory.failures = 0;
                memory.rest_until = None;
            });
        };
        let conflict = matches!(error, WitnessClientError::HistoryConflict { .. });
        if conflict {
            tracing::error!(%witness, code = error.code(), %error, "witness has seen another history of this log");
        } else {
            tracing::warn!(%witness, code = error.code(), %error, "no cosignature");
        }
        self.update(|memory| {
            memory.conflict |= conflict;
            let doubled = options
                .rest
                .saturating_mul(2u32.saturating_pow(memory.failures));
            memory.failures = memory.failures.saturating_add(1);
            let rest = doubled.min(options.max_rest);
            memory.rest_until = (!rest.is_zero()).then(|| Instant::now() + rest);
        });
    }
}

/// What a witness said, as far as it is understood and verified.
enum Answer {
    Cosigned(NoteSignature, CosignatureTime),
    Has(u64),
    RefusesProof,
}

/// The body of a 409 answer: a decimal number and a newline.
fn parse_size(answer: &WitnessAnswer) -> Option<u64> {
    let text = std::str::from_utf8(&answer.body).ok()?.strip_suffix('\n')?;
    let size: u64 = text.parse().ok()?;
    // One spelling: no sign, no leading zero.
    (answer.is_size && size <= MAX_TREE_SIZE && size.to_string() == text).then_some(size)
}

impl CheckpointCosigner for WitnessClient {
    fn witnesses(&self) -> usize {
        self.peers.len()
    }

    fn cosign<'a>(
        &'a self,
        checkpoint: &'a VerifiedCheckpoint,
        proofs: &'a ConsistencySource,
    ) -> CosignFuture<'a> {
        Box::pin(async move {
            let asked = self.ask(checkpoint, proofs).await;
            let cosigned = asked.into_iter().filter_map(|Asked { witness, result }| {
                result
                    .ok()
                    .map(|(signature, _)| WitnessCosignature { witness, signature })
            });
            cosigned.collect()
        })
    }
}
