//! Work that goes on when nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use proofmark_http::AnswerBody;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::exchange::{IssueError, Issued};

/// Longest time that the end of an answer is waited for to keep its connection.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Tasks that outlive their requests. Bounded by the requests in flight: each task holds the place of one.
#[derive(Debug, Clone)]
pub(crate) struct Afterwards {
    runtime: Handle,
    running: watch::Sender<usize>,
}

impl Afterwards {
    /// For the runtime that this is called in.
    pub(crate) fn new() -> Self {
        Self {
            runtime: Handle::current(),
            running: watch::Sender::new(0),
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.send_modify(|running| *running += 1);
        let done = Done(self.running.clone());
        self.runtime.spawn(async move {
            let _done = done;
            task.await;
        });
    }

    /// Waits until none is left.
    pub(crate) async fn drained(&self) {
        // The sender is ours, so the channel cannot close.
        let _ = self
            .running
            .subscribe()
            .wait_for(|running| *running == 0)
            .await;
    }

    /// Reads what is left of an answer, which should be nothing, so that its connection can be used again.
    pub(crate) fn drain(&self, mut body: AnswerBody) {
        self.spawn(async move {
            let _ = timeout(DRAIN_TIMEOUT, body.chunk()).await;
        });
    }
}

/// Counts a task out, also if it panics or is aborted.
struct Done(watch::Sender<usize>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0
            .send_modify(|running| *running = running.saturating_sub(1));
    }
}

type IssueFuture = Pin<Box<dyn Future<Output = Result<Issued, IssueError>> + Send>>;

/// A receipt on its way. If nobody waits for it any more, it goes on in a task of its own.
pub(crate) struct Issuing {
    future: Option<IssueFuture>,
    afterwards: Afterwards,
}

impl Issuing {
    pub(crate) fn new(future: IssueFuture, afterwards: Afterwards) -> Self {
        Self {
            future: Some(future),
            afterwards,
        }
    }

    /// A receipt that was asked for before.
    pub(crate) fn over(afterwards: Afterwards) -> Self {
        let over = IssueError::Unavailable {
            reason: "asked for twice".to_owned(),
        };
        Self::new(Box::pin(std::future::ready(Err(over))), afterwards)
    }
}

impl Future for Issuing {
    type Output = Result<Issued, IssueError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else {
            return Poll::Pending;
        };
        let result = ready!(future.as_mut().poll(cx));
        self.future = None;
        if let Err(error) = &result {
            tracing::error!(%error, "no receipt");
        }
        Poll::Ready(result)
    }
}

impl Drop for Issuing {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.afterwards.spawn(async move {
                if let Err(error) = future.await {
                    tracing::error!(%error, "no receipt");
                }
            });
        }
    }
}
