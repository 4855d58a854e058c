//! From exchanges to receipts: claims, signature, sealed contents, and the record in the receipts log.

mod claims;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use proofmark_keys::Serving;
use proofmark_log::{Durability, Log, LogError, Record, RecordKey, RecordSecret};
use proofmark_receipt::{ClaimsDigest, LeafKind, ReceiptId, ReceiptLeaf, Salts, SignedReceipt};

use self::claims::Issuing;
use crate::access::Admitted;
use crate::ambient::{Clock, Entropy};
use crate::exchange::{Exchange, IssueError, Issued, Issuer};
use crate::store::{Kept, Meta, Payload, RequestKind, RetentionPolicy, StoreError, seal};

/// Bodies beyond this are hashed and sealed on a thread of their own, so that other requests are not held up.
const LARGE_BYTES: usize = 256 * 1024;

/// What [`ReceiptIssuer::new`] needs.
#[derive(Debug, Clone)]
pub struct ReceiptIssuerConfig {
    /// Log of the receipts.
    pub log: Log,
    /// Key and statement with which receipts are signed.
    pub serving: Serving,
    /// How long contents are kept.
    pub retention: RetentionPolicy,
    /// Largest contents that are kept, in bytes.
    pub max_content_bytes: usize,
    /// When an answer is let go.
    pub durability: Durability,
}

/// Issues the receipts of one node. Cheap to clone.
///
/// Trust: it holds the node key; whoever has that can sign as the node until its key statement ends.
#[derive(Clone)]
pub struct ReceiptIssuer {
    inner: Arc<Inner>,
}

struct Inner {
    log: Log,
    signing: RwLock<Signing>,
    retention: RetentionPolicy,
    max_content_bytes: usize,
    durability: Durability,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// With what receipts are signed. Replaced when the key statement is renewed or the key rotated; a receipt is signed with one that was
/// current.
enum Signing {
    With(Arc<Serving>),
    /// Nothing may be signed, for this reason.
    Stopped(String),
}

impl ReceiptIssuer {
    /// An issuer on an open log.
    #[must_use]
    pub fn new(
        config: ReceiptIssuerConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let inner = Inner {
            log: config.log,
            signing: RwLock::new(Signing::With(Arc::new(config.serving))),
            retention: config.retention,
            max_content_bytes: config.max_content_bytes,
            durability: config.durability,
            clock,
            entropy,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Signs with another key or statement from now on. Its leaf must be in the registry log already.
    pub fn serve_with(&self, serving: Serving) {
        self.inner.sign_with(Signing::With(Arc::new(serving)));
    }

    /// Signs nothing from now on, because every verifier would refuse it: the key was revoked, or its statement has ended. Requests are
    /// refused before they are forwarded.
    pub fn stop_signing(&self, reason: impl Into<String>) {
        self.inner.sign_with(Signing::Stopped(reason.into()));
    }
}

impl Inner {
    fn sign_with(&self, signing: Signing) {
        // Replaced whole: a panic elsewhere leaves no half of one.
        *self.signing.write().unwrap_or_else(PoisonError::into_inner) = signing;
    }

    /// Key and statement, if the statement covers `now_s` (Unix seconds).
    fn serving(&self, now_s: u64) -> Result<Arc<Serving>, IssueError> {
        let signing = self.signing.read().unwrap_or_else(PoisonError::into_inner);
        let serving = match &*signing {
            Signing::With(serving) => Arc::clone(serving),
            Signing::Stopped(reason) => {
                return Err(IssueError::Unavailable {
                    reason: reason.clone(),
                });
            }
        };
        let says = serving.statement.unverified();
        if (says.not_before..=says.not_after).contains(&now_s) {
            Ok(serving)
        } else {
            Err(IssueError::Unavailable {
                reason: "the key statement does not cover the present time".to_owned(),
            })
        }
    }

    fn now_s(&self) -> u64 {
        self.clock.unix_ms() / 1_000
    }

    /// The record of an exchange: everything that can be computed without the log.
    fn record(&self, exchange: &Exchange) -> Result<Record, IssueError> {
        let issued_at = self.now_s();
        let serving = self.serving(issued_at)?;
        let salts = Salts::new(&exchange.secret, &exchange.id);
        let sealed = self.seal(exchange, &salts)?;
        let issuing = Issuing {
            exchange,
            salts: &salts,
            serving: &serving,
            origin: self.log.origin().as_str(),
            issued_at,
            retention: &self.retention,
            stored: sealed.is_some(),
        };
        let claims = issuing
            .claims()
            .map_err(|source| IssueError::Receipt { source })?;
        let receipt = SignedReceipt::sign(claims, &serving.key)
            .map_err(|source| IssueError::Receipt { source })?;
        // What `ReceiptLeaf::of` makes of the claims, with the digest that signing has computed already.
        let leaf = ReceiptLeaf {
            kind: if exchange.executed.is_some() {
                LeafKind::Executed
            } else {
                LeafKind::Relayed
            },
            value_class: exchange.wishes.value_class,
            audit: exchange.wishes.audit,
            claims: receipt.digest(),
        };
        let meta = Meta {
            key_id: exchange.admitted.key_id().map(str::to_owned),
            model: exchange.asked.clone(),
            kind: RequestKind {
                operation: exchange.operation,
                streamed: exchange.streamed,
            },
            status: exchange.outcome.status,
            http_status: exchange.outcome.http_status,
            stored: sealed.is_some(),
        };
        let payload = Payload {
            receipt: receipt.as_bytes(),
            sealed: sealed.as_deref(),
        };
        Ok(Record {
            key: RecordKey::from_bytes(*exchange.id.as_bytes()),
            entry: Bytes::copy_from_slice(&leaf.encode()),
            meta: meta.encode().into(),
            // Without contents there is nothing that it could open here.
            secret: sealed
                .as_ref()
                .map(|_| RecordSecret::from_bytes(*exchange.secret.expose())),
            payload: payload.encode().into(),
        })
    }

    fn seal(&self, exchange: &Exchange, salts: &Salts) -> Result<Option<Vec<u8>>, IssueError> {
        if !self.retention.keeps() {
            return Ok(None);
        }
        let mut nonce = [0; 12];
        let no_randomness = |_| IssueError::Unavailable {
            reason: "no randomness".to_owned(),
        };
        self.entropy.fill(&mut nonce).map_err(no_randomness)?;
        let kept = Kept {
            received: &exchange.received,
            forwarded: &exchange.handoff.forwarded,
            raw: exchange.returned.raw.as_ref(),
            choices: exchange
                .returned
                .answer
                .as_ref()
                .map_or(&[], |answer| answer.choices.as_slice()),
            executed: exchange.executed.as_ref(),
        };
        Ok(seal(
            kept,
            salts,
            &exchange.id,
            nonce,
            self.max_content_bytes,
        ))
    }
}

impl fmt::Debug for ReceiptIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptIssuer")
            .field("origin", &self.inner.log.origin().as_str())
            .finish_non_exhaustive()
    }
}

fn unavailable(error: &LogError) -> IssueError {
    IssueError::Unavailable {
        reason: error.to_string(),
    }
}

impl Issuer for ReceiptIssuer {
    fn check_open(&self) -> Result<(), IssueError> {
        if self.inner.log.stats().failed {
            return Err(IssueError::Unavailable {
                reason: "the log failed and takes no more appends".to_owned(),
            });
        }
        self.inner.serving(self.inner.now_s()).map(drop)
    }

    async fn previous(
        &self,
        caller: &Admitted,
        id: ReceiptId,
    ) -> Result<Option<ClaimsDigest>, IssueError> {
        let key = RecordKey::from_bytes(*id.as_bytes());
        let record = match self.inner.log.record_by_key(key).await {
            Ok(Some(record)) => record,
            // What is dropped or was never there can't be shown to be the caller's.
            Ok(None) | Err(LogError::Dropped { .. }) => return Ok(None),
            Err(error) => return Err(unavailable(&error)),
        };
        let damaged = |error: StoreError| IssueError::Unavailable {
            reason: error.to_string(),
        };
        let meta = Meta::decode(&record.meta).map_err(damaged)?;
        if meta.key_id.as_deref() != caller.key_id() {
            return Ok(None);
        }
        let payload = Payload::decode(&record.payload).map_err(damaged)?;
        let receipt = SignedReceipt::decode(payload.receipt)
            .map_err(|source| IssueError::Receipt { source })?;
        Ok(Some(receipt.digest()))
    }

    async fn issue(&self, exchange: Exchange) -> Result<Issued, IssueError> {
        let id = exchange.id;
        let bytes = exchange
            .received
            .len()
            .saturating_add(exchange.answer_bytes());
        let (record, exchange) = if bytes > LARGE_BYTES {
            let inner = Arc::clone(&self.inner);
            let make = move || inner.record(&exchange).map(|record| (record, exchange));
            let stopped = |_| IssueError::Unavailable {
                reason: "the node is stopping".to_owned(),
            };
            tokio::task::spawn_blocking(make).await.map_err(stopped)??
        } else {
            (self.inner.record(&exchange)?, exchange)
        };
        let appended = self.inner.log.append(record, self.inner.durability).await;
        // Places and memory are held until the record is as durable as the operator wants it.
        drop(exchange);
        appended
            .map(|_| Issued { id })
            .map_err(|error| unavailable(&error))
    }
}
