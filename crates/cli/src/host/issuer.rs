//! The issuer of a node whose keys may be revoked or run out while it serves.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use proofmark_gateway::access::Admitted;
use proofmark_gateway::{Exchange, IssueError, Issued, Issuer, ReceiptIssuer};
use proofmark_keys::Serving;
use proofmark_receipt::{ClaimsDigest, ReceiptId};

/// Issues receipts as long as there is a key that may sign them: a receipt that every verifier would refuse is not made,
/// and its answer is withheld.
pub(crate) struct NodeIssuer {
    /// The gateway's own trait is implemented for the shared form.
    inner: Arc<ReceiptIssuer>,
    stopped: RwLock<Option<String>>,
}

impl NodeIssuer {
    pub(crate) fn new(inner: ReceiptIssuer) -> Self {
        Self {
            inner: Arc::new(inner),
            stopped: RwLock::new(None),
        }
    }

    /// Signs with this key and statement from now on. Its leaf must be in the registry log already.
    pub(crate) fn sign_with(&self, serving: Serving) {
        self.inner.serve_with(serving);
        *self.stopped.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Signs nothing from now on.
    pub(crate) fn stop_signing(&self, reason: String) {
        *self.stopped.write().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    fn check_signing(&self) -> Result<(), IssueError> {
        match &*self.stopped.read().unwrap_or_else(PoisonError::into_inner) {
            Some(reason) => Err(IssueError::Unavailable {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl Issuer for NodeIssuer {
    fn check_open(&self) -> Result<(), IssueError> {
        self.check_signing()?;
        self.inner.check_open()
    }

    fn previous(
        &self,
        caller: &Admitted,
        id: ReceiptId,
    ) -> impl Future<Output = Result<Option<ClaimsDigest>, IssueError>> + Send {
        self.inner.previous(caller, id)
    }

    async fn issue(&self, exchange: Exchange) -> Result<Issued, IssueError> {
        self.check_signing()?;
        self.inner.issue(exchange).await
    }
}
