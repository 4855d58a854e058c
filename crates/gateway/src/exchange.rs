//! Everything that happened to one request: what a receipt is made of.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use proofmark_confidence::Origin;
use proofmark_http::TlsFacts;
use proofmark_openai::{Answer, JsonText, Operation};
use proofmark_receipt::{
    Adjustment, Attempt, ClaimsDigest, Outcome, ReceiptId, ReceiptSecret, SeedChooser, StreamClaim,
    Timing,
};

use crate::access::{Admitted, Deposit, NanoUsd, Slot};
use crate::caller::Wishes;
use crate::endpoints::InProgress;
use crate::relay::Memory;

/// One request that was handed to an upstream, and what came of it.
pub struct Exchange {
    /// Allocated before the request was forwarded.
    pub id: ReceiptId,
    /// The caller's secret, or one of ours.
    pub secret: ReceiptSecret,
    /// Who asked.
    pub admitted: Admitted,
    /// What the caller wants of the receipt. Its secret and previous id are resolved in the fields beside it.
    pub wishes: Wishes,
    /// The receipt before this one in the caller's chain.
    pub previous: Option<(ReceiptId, ClaimsDigest)>,
    /// What was asked for.
    pub operation: Operation,
    /// Whether the answer was asked for as a stream.
    pub streamed: bool,
    /// The model's name in the request.
    pub asked: String,
    /// The request's body as it arrived.
    pub received: Bytes,
    /// What was sent to whom.
    pub handoff: Handoff,
    /// What came back.
    pub returned: Returned,
    /// What was executed, if a model of this node's own answered.
    pub executed: Option<ExecutedHere>,
    /// Chain over the events of the stream as they were sent on.
    pub stream: Option<StreamClaim>,
    /// How it ended.
    pub outcome: Outcome,
    /// What is charged; `None` if the model has no price.
    pub cost: Option<NanoUsd>,
    /// When.
    pub timing: Timing,
    /// What the request holds until its receipt is issued.
    pub(crate) held: Held,
}

/// The request as it was sent, and the way there.
#[derive(Debug, Clone, Default)]
pub struct Handoff {
    /// The upstream's name in the configuration.
    pub upstream: Arc<str>,
    /// Host and port to which it was sent.
    pub host: Arc<str>,
    /// The body as sent, in pieces.
    pub forwarded: Vec<Bytes>,
    /// Every difference between the received and the forwarded body.
    pub adjusted: Vec<Adjusted>,
    /// Tries before the one that counted.
    pub attempts: Vec<Attempt>,
    /// What was seen of the upstream's TLS.
    pub tls: Option<TlsFacts>,
}

/// What a model of this node's own did.
#[derive(Clone)]
pub struct ExecutedHere {
    /// Name under which it is served.
    pub model: Arc<str>,
    /// Digest of the model closure (specs/04-program.md §6.3).
    pub closure: [u8; 32],
    /// Digest of the engine's build.
    pub engine: [u8; 32],
    /// The rendered prompt, or the encoded input tensors.
    pub prompt: Bytes,
    /// Input token ids.
    pub input: Arc<[u32]>,
    /// Name and JSON text of every parameter as used.
    pub parameters: Vec<(String, String)>,
    /// Seed of the sampler.
    pub seed: u64,
    /// Who chose it.
    pub seed_chosen_by: SeedChooser,
    /// Clock that the chat template saw, Unix seconds.
    pub template_clock: Option<u64>,
    /// Output token ids of each choice, as far as its text was sent.
    pub output: OutputIds,
}

impl ExecutedHere {
    /// How such an answer comes about.
    pub(crate) fn origin(&self) -> Origin {
        Origin::Executed {
            closure: self.closure,
            caller_seed: self.seed_chosen_by == SeedChooser::Caller,
        }
    }

    /// Bytes that keeping it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let parameters = self
            .parameters
            .iter()
            .map(|(name, json)| name.len() + json.len());
        let ids = self.input.len() + self.output.count();
        self.prompt.len() + 4 * ids + parameters.sum::<usize>()
    }
}

impl fmt::Debug for ExecutedHere {
    /// Without contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutedHere")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Output token ids by index of the choice. Shared by the exchange and by whoever generates the answer.
#[derive(Clone, Default)]
pub struct OutputIds(Arc<Mutex<BTreeMap<u32, Vec<u32>>>>);

impl OutputIds {
    /// Adds ids to a choice.
    pub fn extend(&self, choice: u32, ids: &[u32]) {
        self.lock()
            .entry(choice)
            .or_default()
            .extend_from_slice(ids);
    }

    /// The ids of a choice so far; `None` if it has not begun.
    #[must_use]
    pub fn of(&self, choice: u32) -> Option<Vec<u32>> {
        self.lock().get(&choice).cloned()
    }

    fn count(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<u32>>> {
        // Ids are appended whole: a panic elsewhere leaves none half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One difference between the received and the forwarded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjusted {
    /// As it stands in the receipt.
    pub adjustment: Adjustment,
    /// The member's value as forwarded.
    pub value: JsonText,
}

/// What the upstream sent.
#[derive(Debug, Clone, Default)]
pub struct Returned {
    /// Its own id of the request, from its answer's head.
    pub request_id: Option<String>,
    /// The body of an answer that came in one piece, as it arrived.
    pub raw: Option<Bytes>,
    /// The answer, assembled as far as it came; `None` if there is nothing that can be read as one.
    pub answer: Option<Answer>,
}

/// Places, memory and money, given back on drop.
#[derive(Debug)]
pub(crate) struct Held {
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) in_progress: InProgress,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) request: Slot,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) stream: Option<Slot>,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) received: Memory,
    pub(crate) answer: Memory,
    /// Until it is settled.
    pub(crate) deposit: Option<Deposit>,
}

impl Exchange {
    /// Bytes of the answer that was kept, roughly.
    pub(crate) fn answer_bytes(&self) -> usize {
        let assembled = self
            .returned
            .answer
            .iter()
            .flat_map(|answer| &answer.choices);
        let raw = self.returned.raw.as_ref().map_or(0, Bytes::len);
        assembled.fold(raw, |sum, choice| sum.saturating_add(choice.text.len()))
    }
}

impl fmt::Debug for Exchange {
    /// Without contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("id", &self.id)
            .field("operation", &self.operation)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// A receipt that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub id: ReceiptId,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The log takes no more appends: its disk failed, it is full, or it is closing.
    #[error("the receipts log takes no appends: {reason}")]
    Unavailable {
        /// In words, for the operator.
        reason: String,
    },
    /// The claims cannot be signed.
    #[error("the receipt cannot be made")]
    Receipt {
        /// The format's reason.
        source: proofmark_receipt::ReceiptError,
    },
}

/// What turns exchanges into receipts.
pub trait Issuer: Send + Sync + 'static {
    /// Whether a receipt could be issued now, so that no request is forwarded in vain.
    ///
    /// # Errors
    /// [`IssueError::Unavailable`].
    fn check_open(&self) -> Result<(), IssueError>;

    /// The claims digest of an earlier receipt of this caller; `None` if there is none, or if it is somebody else's.
    fn previous(
        &self,
        caller: &Admitted,
        id: ReceiptId,
    ) -> impl Future<Output = Result<Option<ClaimsDigest>, IssueError>> + Send;

    /// Issues the receipt. When it resolves, the receipt is as durable as the operator wants it. Runs to its end even if the client
    /// has gone away.
    fn issue(&self, exchange: Exchange) -> impl Future<Output = Result<Issued, IssueError>> + Send;
}
