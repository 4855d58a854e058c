//! Streamed answers: a body that pulls from the upstream as fast as the client reads, and never faster.
//!
//! Nothing is queued between the two: the client's connection polls this body, this body polls the upstream's connection. `[DONE]` is
//! held back until the receipt is safe. Dropping the body, which is what happens when the client goes away, cancels the upstream and
//! issues a receipt that says so.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::StatusCode;
use http_body::{Body, Frame};
use proofmark_http::{AnswerBody, ClientError};
use proofmark_openai::{Assembler, DONE, SseParser};
use proofmark_receipt::{Outcome, Status};

use super::afterwards::{Afterwards, Issuing};
use super::draft::Draft;
use super::events::{Event, Rewriter, write_event};
use super::outcome;
use crate::error::GatewayError;
use crate::exchange::Issuer;
use crate::local::LocalStream;

/// Output that is gathered before the client is given a turn.
const TURN_BYTES: usize = 32 * 1024;
/// Memory that every stream has without asking for it, and that it is given at a time beyond it.
const FREE_BYTES: usize = 64 * 1024;
const STEP_BYTES: usize = 256 * 1024;

/// Where a stream comes from.
pub(super) enum Source {
    /// An upstream.
    Upstream(AnswerBody),
    /// A model of this node's own.
    Here(Box<LocalStream>),
}

/// Why a source broke.
enum Broken {
    Upstream(ClientError),
    Here,
}

impl Source {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match self {
            Self::Upstream(body) => body
                .poll_chunk(cx)
                .map(|chunk| chunk.map(|chunk| chunk.map_err(Broken::Upstream))),
            Self::Here(stream) => stream
                .poll_chunk(cx)
                .map(|chunk| chunk.map(|chunk| chunk.map_err(|_| Broken::Here))),
        }
    }
}

/// The body of a streamed answer.
pub(super) struct RelayStream<I: Issuer> {
    /// `None` once nothing more is wanted of it.
    upstream: Option<Source>,
    name: Arc<str>,
    parser: SseParser,
    /// What the upstream sent and is not parsed yet.
    input: Bytes,
    rewriter: Rewriter,
    out: Vec<u8>,
    state: State<I>,
}

enum State<I: Issuer> {
    Relaying(Draft<I>),
    /// The receipt is being made; `true` if `[DONE]` follows it.
    Issuing(Issuing, bool),
    Ended,
}

/// Why a stream ends.
enum End {
    /// The upstream said so.
    Done,
    /// The upstream's body ended.
    Closed,
    /// The upstream sent an error, which was sent on.
    Error(Outcome),
    /// An event is no chunk.
    Malformed,
    /// The assembled answer is longer than the memory that is left.
    Memory(GatewayError),
    /// The upstream's connection broke, or the engine failed.
    Died(Broken),
}

impl<I: Issuer> RelayStream<I> {
    /// `draft` has an assembler and a chain. `event_bytes` bounds one event.
    pub(super) fn new(
        draft: Draft<I>,
        upstream: Source,
        name: Arc<str>,
        rewriter: Rewriter,
        event_bytes: usize,
    ) -> Self {
        Self {
            upstream: Some(upstream),
            name,
            parser: SseParser::new(event_bytes),
            input: Bytes::new(),
            rewriter,
            out: Vec::new(),
            state: State::Relaying(draft),
        }
    }

    /// Takes events out of the input until it is used up, the output is due, or the stream ends.
    fn parse(&mut self) -> Option<End> {
        let State::Relaying(draft) = &mut self.state else {
            return None;
        };
        while self.out.len() < TURN_BYTES && !self.input.is_empty() {
            let mut rest: &[u8] = &self.input;
            let event = self.parser.next_event(&mut rest);
            let used = self.input.len() - rest.len();
            let end = match event {
                Ok(None) => None,
                Ok(Some(event)) => one_event(
                    draft,
                    (event.kind, event.data),
                    &mut self.rewriter,
                    &mut self.out,
                ),
                Err(_) => Some(End::Malformed),
            };
            self.input.advance(used);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    /// Parses what the upstream left when its body ended.
    fn parse_rest(&mut self) -> End {
        let State::Relaying(draft) = &mut self.state else {
            return End::Closed;
        };
        match self.parser.finish() {
            Ok(None) => End::Closed,
            Ok(Some(event)) => one_event(
                draft,
                (event.kind, event.data),
                &mut self.rewriter,
                &mut self.out,
            )
            .unwrap_or(End::Closed),
            Err(_) => End::Malformed,
        }
    }

    /// Ends the relaying: the client is told of errors at once, of success once the receipt is safe.
    fn end(&mut self, end: End, cx: &mut Context<'_>) {
        let State::Relaying(mut draft) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        let finished = draft
            .open()
            .and_then(|open| open.assembler.as_ref())
            .is_some_and(Assembler::is_finished);
        let upstream = || self.name.as_ref().to_owned();
        let (issuing, done) = match end {
            End::Done => {
                self.let_go(draft.afterwards(), cx);
                (complete(draft), true)
            }
            // Some servers leave [DONE] out; without it, all choices must have come to their end.
            End::Closed if finished => (complete(draft), false),
            End::Error(outcome) => (draft.close(outcome), false),
            End::Malformed => {
                let error = GatewayError::UpstreamMalformed {
                    upstream: upstream(),
                };
                (self.tell(draft, &error, Status::ProviderError), false)
            }
            End::Memory(error) => (self.tell(draft, &error, Status::NodeError), false),
            End::Died(Broken::Here) => {
                let error = GatewayError::EngineFailed;
                (self.tell(draft, &error, Status::NodeError), false)
            }
            End::Died(Broken::Upstream(ClientError::IdleTimeout { .. })) => {
                let error = GatewayError::UpstreamTimeout {
                    upstream: upstream(),
                };
                (self.tell(draft, &error, Status::AbortedByProvider), false)
            }
            End::Died(_) | End::Closed => {
                let error = GatewayError::UpstreamUnreachable {
                    upstream: upstream(),
                };
                (self.tell(draft, &error, Status::AbortedByProvider), false)
            }
        };
        // Whatever the upstream still has to say is not waited for.
        self.upstream = None;
        self.state = State::Issuing(issuing, done);
    }

    /// Tells the client what broke, and puts it on record.
    fn tell(&mut self, mut draft: Draft<I>, error: &GatewayError, status: Status) -> Issuing {
        tracing::info!(upstream = %self.name, code = error.code(), "stream broke");
        let data = error.to_api_error().to_json();
        if let Some(chain) = draft.open().and_then(|open| open.chain.as_mut()) {
            chain.push(data.as_bytes());
        }
        write_event("", data.as_bytes(), &mut self.out);
        draft.close(Outcome {
            status,
            http_status: StatusCode::OK.as_u16(),
            code: Some(error.code().to_owned()),
        })
    }

    /// Gives the upstream's connection back, as soon as the end of its body has arrived.
    fn let_go(&mut self, afterwards: &Afterwards, cx: &mut Context<'_>) {
        if let Some(Source::Upstream(mut upstream)) = self.upstream.take()
            && upstream.poll_chunk(cx).is_pending()
        {
            afterwards.drain(upstream);
        }
    }

    fn take_out(&mut self) -> Frame<Bytes> {
        Frame::data(Bytes::from(std::mem::take(&mut self.out)))
    }
}

/// Takes one event: assembles it, writes it, and counts it into the chain.
fn one_event<I: Issuer>(
    draft: &mut Draft<I>,
    (kind, data): (&str, &str),
    rewriter: &mut Rewriter,
    out: &mut Vec<u8>,
) -> Option<End> {
    let open = draft.open()?;
    let assembler = open.assembler.as_mut()?;
    let Ok(event) = rewriter.event(data, assembler) else {
        return Some(End::Malformed);
    };
    let used = assembler.memory_used();
    if used > FREE_BYTES
        && let Err(error) = open
            .exchange
            .held
            .answer
            .grow_to(used.next_multiple_of(STEP_BYTES))
    {
        return Some(End::Memory(error));
    }
    let (data, end) = match event {
        Event::Skip => return None,
        Event::Done => return Some(End::Done),
        Event::Data(data) => (data, None),
        Event::Error(data, error) => {
            let outcome = outcome::provider_error(Some(&error), StatusCode::OK.as_u16());
            (data, Some(End::Error(outcome)))
        }
    };
    if let Some(chain) = &mut open.chain {
        chain.push(&data);
    }
    write_event(kind, &data, out);
    end
}

fn complete<I: Issuer>(mut draft: Draft<I>) -> Issuing {
    let answer = draft
        .open()
        .and_then(|open| open.assembler.take())
        .map(Assembler::finish);
    draft.complete(answer, StatusCode::OK)
}

impl<I: Issuer> Body for RelayStream<I> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Relaying(_) => {
                    if let Some(end) = this.parse() {
                        this.end(end, cx);
                        continue;
                    }
                    if this.out.len() >= TURN_BYTES {
                        return Poll::Ready(Some(Ok(this.take_out())));
                    }
                    let chunk = this
                        .upstream
                        .as_mut()
                        .map_or(Poll::Ready(None), |upstream| upstream.poll_chunk(cx));
                    match chunk {
                        Poll::Ready(Some(Ok(data))) => this.input = data,
                        Poll::Ready(Some(Err(error))) => this.end(End::Died(error), cx),
                        Poll::Ready(None) => {
                            let end = this.parse_rest();
                            this.end(end, cx);
                        }
                        Poll::Pending if this.out.is_empty() => return Poll::Pending,
                        Poll::Pending => return Poll::Ready(Some(Ok(this.take_out()))),
                    }
                }
                State::Issuing(issuing, done) => {
                    let Poll::Ready(issued) = Pin::new(issuing).poll(cx) else {
                        if this.out.is_empty() {
                            return Poll::Pending;
                        }
                        return Poll::Ready(Some(Ok(this.take_out())));
                    };
                    match issued {
                        Ok(_) if *done => write_event("", DONE.as_bytes(), &mut this.out),
                        Ok(_) => {}
                        Err(_) => write_event(
                            "",
                            GatewayError::ReceiptUnavailable
                                .to_api_error()
                                .to_json()
                                .as_bytes(),
                            &mut this.out,
                        ),
                    }
                    this.state = State::Ended;
                }
                State::Ended if this.out.is_empty() => return Poll::Ready(None),
                State::Ended => return Poll::Ready(Some(Ok(this.take_out()))),
            }
        }
    }
}
