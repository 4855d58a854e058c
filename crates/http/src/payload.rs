//! Request bodies: nothing, a rope of buffers, or a stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

/// Any error that a body can have.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
pub struct Payload {
    kind: Kind,
}

enum Kind {
    Rope(VecDeque<Bytes>),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Payload {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            kind: Kind::Rope(VecDeque::new()),
        }
    }

    /// Buffers that are sent one after the other, with a `Content-Length`.
    pub fn rope(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            kind: Kind::Rope(
                pieces
                    .into_iter()
                    .filter(|piece| !piece.is_empty())
                    .collect(),
            ),
        }
    }

    /// A body whose end is not known yet. It is read as fast as the peer takes it.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            kind: Kind::Stream(Box::pin(body.map_err(Into::into))),
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::rope([bytes])
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Rope(pieces) => write!(
                f,
                "Payload({} bytes)",
                pieces.iter().map(Bytes::len).sum::<usize>()
            ),
            Kind::Stream(_) => f.write_str("Payload(stream)"),
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Rope(pieces) => {
                Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
            }
            Kind::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Rope(pieces) => pieces.is_empty(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Rope(pieces) => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            Kind::Stream(body) => body.size_hint(),
        }
    }
}
