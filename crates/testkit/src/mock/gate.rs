//! Something that requests wait at until a test lets them pass.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A gate: each waiter takes one permit; an open gate lets everybody pass.
#[derive(Debug, Clone)]
pub struct Gate {
    permits: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn shut() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
        }
    }

    /// Lets `count` waiters pass, now or when they come.
    pub fn release(&self, count: usize) {
        self.permits.add_permits(count);
    }

    /// Lets everybody pass from now on.
    pub fn open(&self) {
        self.permits.close();
    }

    pub(super) async fn pass(self) {
        // A closed semaphore is an open gate.
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
    }
}
