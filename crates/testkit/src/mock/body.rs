//! Bodies that are sent step by step, and that end as they are told to.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::counters::{Event, Tally};
use super::io::ResetFlag;

/// One step of a body.
pub(super) enum Step {
    Send(Bytes),
    /// Wait for a gate or for time.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Let what was sent so far reach the socket.
    Flush,
    /// Close the connection before the body's end, in an orderly way or with a reset.
    Break {
        reset: bool,
    },
}

/// The connection is to be closed; hyper prints it nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body breaks off here, as the model's name asks for")]
pub(super) struct BrokenOff;

/// A body; dropping it before its end counts as aborted.
pub(super) struct AnswerBody {
    steps: VecDeque<Step>,
    /// The length for `content-length`; `None` is sent in chunks.
    length: Option<u64>,
    reset: ResetFlag,
    tally: Arc<Tally>,
    ended: bool,
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

impl AnswerBody {
    /// A body of known length in one piece.
    pub(super) fn whole(bytes: Bytes, tally: Arc<Tally>) -> Self {
        let length = bytes.len();
        let steps = if bytes.is_empty() {
            VecDeque::new()
        } else {
            VecDeque::from([Step::Send(bytes)])
        };
        let mut body = Self::stepwise(steps, ResetFlag::default(), tally).with_length(length);
        if length == 0 {
            // hyper does not ask for the frames of an empty body.
            body.end(Event::Answered);
        }
        body
    }

    /// A body in chunks.
    pub(super) fn stepwise(steps: VecDeque<Step>, reset: ResetFlag, tally: Arc<Tally>) -> Self {
        Self {
            steps,
            length: None,
            reset,
            tally,
            ended: false,
        }
    }

    /// The same with a `content-length`, true or not.
    pub(super) fn with_length(mut self, length: usize) -> Self {
        self.length = u64::try_from(length).ok();
        self
    }

    fn end(&mut self, how: Event) {
        if !std::mem::replace(&mut self.ended, true) {
            self.tally.count(how);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            match self.steps.pop_front() {
                None => {
                    self.end(Event::Answered);
                    return Poll::Ready(None);
                }
                Some(Step::Send(bytes)) => {
                    self.tally.count(Event::Piece);
                    if self.steps.is_empty() {
                        self.end(Event::Answered);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Wait(mut future)) => {
                    if future.as_mut().poll(cx).is_pending() {
                        self.steps.push_front(Step::Wait(future));
                        return Poll::Pending;
                    }
                }
                Some(Step::Flush) => {
                    // hyper flushes when a body has nothing to give.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Break { reset }) => {
                    if reset {
                        self.reset.set();
                    }
                    self.end(Event::Aborted);
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.end(Event::Aborted);
    }
}
