//! Receipts in the making: a client knows the id from the head of its answer on, and asks before the receipt is there.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proofmark_receipt::ReceiptId;
use tokio::sync::watch;

/// The receipts of the requests in flight, whose number [`crate::access::Capacity`] bounds. Clones are the same list.
#[derive(Clone, Default)]
pub struct Pending {
    list: Arc<Mutex<HashMap<ReceiptId, Entry>>>,
}

struct Entry {
    key_id: Option<Arc<str>>,
    /// Closed when the receipt is issued, or will not be.
    done: watch::Sender<()>,
}

/// A receipt is in the making until this is dropped.
#[must_use = "the receipt is in the making until this is dropped"]
pub struct InProgress {
    list: Pending,
    id: ReceiptId,
}

impl Pending {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a receipt of the API key `key_id` (`None` where no key is configured).
    pub fn enter(&self, id: ReceiptId, key_id: Option<&str>) -> InProgress {
        let entry = Entry {
            key_id: key_id.map(Arc::from),
            done: watch::Sender::new(()),
        };
        self.lock().insert(id, entry);
        InProgress {
            list: self.clone(),
            id,
        }
    }

    /// Whether the receipt is in the making, and `may_see` lets the owner's receipts be seen.
    #[must_use]
    pub fn is_pending(&self, id: ReceiptId, may_see: impl FnOnce(Option<&str>) -> bool) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|entry| may_see(entry.key_id.as_deref()))
    }

    /// Waits while the receipt is in the making.
    pub async fn wait(&self, id: ReceiptId) {
        let done = self.lock().get(&id).map(|entry| entry.done.subscribe());
        if let Some(mut done) = done {
            // Nothing is ever sent: an error is the entry's end.
            while done.changed().await.is_ok() {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ReceiptId, Entry>> {
        // Every change is one call of the map.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.list.lock().remove(&self.id);
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({})", self.lock().len())
    }
}

impl fmt::Debug for InProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InProgress({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_receipt_is_pending_until_it_is_there() {
        let pending = Pending::new();
        let id = ReceiptId::from_parts(1, [1; 10]);
        let owner = |owner: Option<&str>| owner == Some("ak_1");
        assert!(!pending.is_pending(id, owner));
        pending.wait(id).await;
        let in_progress = pending.clone().enter(id, Some("ak_1"));
        assert!(pending.is_pending(id, owner));
        assert!(!pending.is_pending(id, |owner| owner == Some("ak_2")));
        let waiting = tokio::spawn({
            let pending = pending.clone();
            async move { pending.wait(id).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(in_progress);
        waiting.await.unwrap();
        assert!(!pending.is_pending(id, owner));
    }
}
