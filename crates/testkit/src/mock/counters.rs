//! What happened so far.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Numbers since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are closed again.
    pub disconnections: u64,
    /// Requests whose head was read.
    pub requests: u64,
    /// Answers whose last byte was handed to the connection.
    pub answered: u64,
    /// Answers that were given up: the client went away, or the model's name asked for it.
    pub aborted: u64,
    /// Chunks and other pieces of bodies that were handed to a connection.
    pub pieces: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(super) struct Tally {
    connections: AtomicU64,
    disconnections: AtomicU64,
    requests: AtomicU64,
    answered: AtomicU64,
    aborted: AtomicU64,
    pieces: AtomicU64,
    changed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Connected,
    Disconnected,
    Requested,
    Answered,
    Aborted,
    Piece,
}

impl Tally {
    pub(super) fn count(&self, event: Event) {
        let counter = match event {
            Event::Connected => &self.connections,
            Event::Disconnected => &self.disconnections,
            Event::Requested => &self.requests,
            Event::Answered => &self.answered,
            Event::Aborted => &self.aborted,
            Event::Piece => &self.pieces,
        };
        counter.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    pub(super) fn read(&self) -> Counters {
        let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counters {
            connections: of(&self.connections),
            disconnections: of(&self.disconnections),
            requests: of(&self.requests),
            answered: of(&self.answered),
            aborted: of(&self.aborted),
            pieces: of(&self.pieces),
        }
    }

    pub(super) async fn wait_for(&self, reached: impl Fn(&Counters) -> bool) -> Counters {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before reading, so that no change is missed between the two.
            changed.as_mut().enable();
            let counters = self.read();
            if reached(&counters) {
                return counters;
            }
            changed.await;
        }
    }
}
