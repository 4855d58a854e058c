//! An answer and its body, which drives its own connection.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header, response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::client::{Link, Shared};
use crate::error::ClientError;
use crate::tls::TlsFacts;

/// Head and body of an answer.
#[derive(Debug)]
pub struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) body: AnswerBody,
}

impl Answer {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// What was seen of the peer's TLS; `None` over plain TCP.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFacts> {
        self.tls
    }

    /// Head and body apart.
    #[must_use]
    pub fn into_parts(self) -> (response::Parts, AnswerBody) {
        (self.head, self.body)
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// [`ClientError::TooLarge`] beyond `limit` bytes; a declared length beyond it is refused before anything is read.
    pub async fn collect(self, limit: usize) -> Result<Bytes, ClientError> {
        let declared = self
            .head
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(ClientError::TooLarge { limit });
        }
        self.body.collect(limit).await
    }
}

/// The body of an answer. Dropping it before its end closes the connection.
pub struct AnswerBody {
    incoming: Incoming,
    /// `None` once the connection has ended or has gone back to the pool.
    link: Option<Link>,
    home: Arc<Shared>,
    /// Whether the idle deadline runs.
    waiting: bool,
}

impl AnswerBody {
    pub(crate) fn new(incoming: Incoming, link: Link, home: Arc<Shared>) -> Self {
        Self {
            incoming,
            link: Some(link),
            home,
            waiting: false,
        }
    }

    /// The next piece, `None` at the end. Trailers are skipped.
    ///
    /// # Errors
    /// [`ClientError::IdleTimeout`] or [`ClientError::Broken`].
    pub async fn chunk(&mut self) -> Option<Result<Bytes, ClientError>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// [`AnswerBody::chunk`] for those who poll.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ClientError>>> {
        loop {
            match std::task::ready!(Pin::new(&mut *self).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Reads all that is left.
    ///
    /// # Errors
    /// [`ClientError::TooLarge`] beyond `limit` bytes, and those of [`AnswerBody::chunk`].
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, ClientError> {
        let Some(first) = self.chunk().await.transpose()? else {
            return Ok(Bytes::new());
        };
        if first.len() > limit {
            return Err(ClientError::TooLarge { limit });
        }
        // Most answers come in one piece, which then needs no copy.
        let Some(second) = self.chunk().await.transpose()? else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if piece.len() > limit.saturating_sub(whole.len()) {
                return Err(ClientError::TooLarge { limit });
            }
            whole.extend_from_slice(&piece);
            next = self.chunk().await.transpose()?;
        }
        Ok(whole.freeze())
    }

    /// What the connection has put into the body so far.
    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.waiting = false;
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(source)) => {
                self.link = None;
                Some(Err(ClientError::Broken {
                    unsent: false,
                    source: Some(source),
                }))
            }
            None => {
                self.release(cx);
                None
            }
        })
    }

    /// Pending until the idle deadline has passed.
    fn poll_patience(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        let limit = self.home.idle_timeout();
        let Some(link) = &mut self.link else {
            return Poll::Pending;
        };
        if !self.waiting {
            self.waiting = true;
            link.arm(limit);
        }
        std::task::ready!(link.poll_expired(cx));
        self.link = None;
        Poll::Ready(Some(Err(ClientError::IdleTimeout { limit })))
    }

    /// Gives the connection back if it could carry another request.
    fn release(&mut self, cx: &mut Context<'_>) {
        if let Some(mut link) = self.link.take()
            && link.poll_reusable(cx)
        {
            self.home.put_idle(link);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(frame) = this.poll_incoming(cx) {
                return Poll::Ready(frame);
            }
            let Some(link) = &mut this.link else {
                return Poll::Ready(Some(Err(ClientError::Broken {
                    unsent: false,
                    source: None,
                })));
            };
            if link.poll_drive(cx).is_ready() {
                // The body now has its end or its error.
                this.link = None;
                continue;
            }
            if let Poll::Ready(frame) = this.poll_incoming(cx) {
                return Poll::Ready(frame);
            }
            return this.poll_patience(cx);
        }
    }

    fn is_end_stream(&self) -> bool {
        // Never early: the end is where the connection goes back.
        self.link.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerBody")
    }
}
