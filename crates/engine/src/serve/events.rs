//! Events of a request, from the engine's thread to whoever reads them: bounded, and readable from threads and from async tasks.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::request::Embedding;
use crate::error::RequestError;

/// Why a choice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// An end id or a stop string.
    Stop,
    /// `max_tokens`, or the last position of the model.
    Length,
}

/// A token with its log probability, natural logarithm. For display: not part of the exact result (spec 04 §7.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logprob {
    /// Id.
    pub id: u32,
    /// ln of the probability at temperature 1, before top-k, top-p and min-p.
    pub logprob: f64,
}

/// Something that happened to a request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An id was sampled.
    Token {
        /// Which choice, from 0.
        choice: u32,
        /// The id; end ids are reported, too.
        id: u32,
        /// Text that is certain now: perhaps none, perhaps of earlier ids as well.
        text: String,
        /// Log probabilities, if asked for: of the id, and of the most probable ids in descending order.
        logprobs: Option<(Logprob, Vec<Logprob>)>,
    },
    /// A choice ended.
    Finished {
        /// Which choice.
        choice: u32,
        /// Why.
        reason: FinishReason,
        /// Text that was held back until now.
        text: String,
    },
    /// The embedding that was asked for.
    Embedded(Embedding),
    /// The request ends here, incomplete: a defect of the engine or its end, not of the request.
    Failed(RequestError),
}

/// Tells the engine's thread that there is something to do.
#[derive(Debug, Default)]
pub(super) struct Doorbell {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Doorbell {
    pub(super) fn ring(&self) {
        *lock(&self.rung) = true;
        self.bell.notify_one();
    }

    /// Waits until it was rung since the last wait.
    pub(super) fn wait(&self) {
        let mut rung = lock(&self.rung);
        while !*rung {
            rung = self.bell.wait(rung).unwrap_or_else(PoisonError::into_inner);
        }
        *rung = false;
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Event>,
    waker: Option<Waker>,
    /// No event follows those in the queue.
    ended: bool,
    /// Nobody reads any more.
    abandoned: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    capacity: usize,
    doorbell: Arc<Doorbell>,
}

/// The reading end: dropping it cancels the request.
#[derive(Debug)]
pub struct Events(Arc<Shared>);

/// The engine's end.
#[derive(Debug)]
pub(super) struct EventSender(Arc<Shared>);

/// A pair of ends. `capacity` bounds how many events wait; the engine pauses a sequence rather than exceed it.
pub(super) fn channel(capacity: usize, doorbell: Arc<Doorbell>) -> (EventSender, Events) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            queue: VecDeque::with_capacity(capacity),
            waker: None,
            ended: false,
            abandoned: false,
        }),
        arrived: Condvar::new(),
        capacity,
        doorbell,
    });
    (EventSender(Arc::clone(&shared)), Events(shared))
}

impl Events {
    /// The next event; waits for it. `None` after the last.
    pub fn next_blocking(&mut self) -> Option<Event> {
        let mut state = lock(&self.0.state);
        loop {
            if let Some(event) = self.0.take(&mut state) {
                return Some(event);
            }
            if state.ended {
                return None;
            }
            state = self
                .0
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next event, for async tasks.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut state = lock(&self.0.state);
        if let Some(event) = self.0.take(&mut state) {
            return Poll::Ready(Some(event));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// The next event, for async tasks. `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        core::future::poll_fn(|context| self.poll_next(context)).await
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        lock(&self.0.state).abandoned = true;
        self.0.doorbell.ring();
    }
}

impl Shared {
    /// Takes an event out, and tells an engine that paused for want of room.
    fn take(&self, state: &mut State) -> Option<Event> {
        let was_full = state.queue.len() >= self.capacity / 2;
        let event = state.queue.pop_front()?;
        if was_full {
            self.doorbell.ring();
        }
        Some(event)
    }
}

impl EventSender {
    /// How many events fit now. With `choices` sequences taking turns each needs two: a token and the end.
    pub(super) fn room(&self) -> usize {
        let state = lock(&self.0.state);
        self.0.capacity.saturating_sub(state.queue.len())
    }

    pub(super) fn is_abandoned(&self) -> bool {
        lock(&self.0.state).abandoned
    }

    pub(super) fn send(&self, event: Event) {
        let mut state = lock(&self.0.state);
        if !state.abandoned && !state.ended {
            state.queue.push_back(event);
        }
        self.wake(state);
    }

    /// No event follows.
    pub(super) fn end(&self) {
        let mut state = lock(&self.0.state);
        state.ended = true;
        self.wake(state);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        self.0.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        if !lock(&self.0.state).ended {
            self.send(Event::Failed(RequestError::Stopped));
            self.end();
        }
    }
}
