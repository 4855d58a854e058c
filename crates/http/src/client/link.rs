//! One connection, driven by whoever waits for it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::ClientOptions;
use super::socket::Socket;
use super::watchdog::Watchdog;
use crate::error::ClientError;
use crate::payload::Payload;
use crate::tls::TlsFacts;

/// An HTTP/1.1 connection that carries one request at a time. Dropping it closes the socket.
pub(crate) struct Link {
    sender: SendRequest<Payload>,
    driver: Pin<Box<Connection<TokioIo<Socket>, Payload>>>,
    watchdog: Watchdog,
    tls: Option<TlsFacts>,
    idle_since: Instant,
}

/// A request without an answer, and the request itself if not one byte of it was sent.
pub(super) struct Failed {
    pub(super) error: ClientError,
    pub(super) request: Option<Box<Request<Payload>>>,
}

impl Link {
    pub(super) async fn open(
        socket: Socket,
        tls: Option<TlsFacts>,
        options: &ClientOptions,
    ) -> Result<Self, ClientError> {
        let (sender, driver) = Builder::new()
            .max_buf_size(options.buffer_bytes.max(MIN_BUFFER_BYTES))
            .max_header_size(options.max_head_bytes)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|source| ClientError::Broken {
                unsent: true,
                source: Some(source),
            })?;
        let watchdog = Watchdog::new(options.header_timeout);
        Ok(Self {
            sender,
            driver: Box::pin(driver),
            watchdog,
            tls,
            idle_since: Instant::now(),
        })
    }

    pub(super) fn tls(&self) -> Option<TlsFacts> {
        self.tls
    }

    /// Whether the connection could carry another request, as far as is known here and now.
    pub(crate) fn poll_reusable(&mut self, cx: &mut Context<'_>) -> bool {
        self.driver.as_mut().poll(cx).is_pending() && self.sender.is_ready()
    }

    pub(super) fn rest(&mut self) {
        self.idle_since = Instant::now();
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Payload>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Failed> {
        self.watchdog.arm(limit);
        let mut answer = pin!(self.sender.try_send_request(request));
        let (driver, watchdog) = (&mut self.driver, &mut self.watchdog);
        let mut ended = None;
        poll_fn(|cx| {
            if ended.is_none()
                && let Poll::Ready(end) = driver.as_mut().poll(cx)
            {
                ended = Some(end.err());
            }
            if let Poll::Ready(result) = answer.as_mut().poll(cx) {
                return Poll::Ready(result.map_err(|mut failed| {
                    let request = failed.take_message().map(Box::new);
                    let error = ClientError::Broken {
                        unsent: request.is_some(),
                        source: Some(failed.into_error()),
                    };
                    Failed { error, request }
                }));
            }
            if let Some(source) = ended.take() {
                return Poll::Ready(Err(Failed {
                    error: ClientError::Broken {
                        unsent: false,
                        source,
                    },
                    request: None,
                }));
            }
            if watchdog.poll_expired(cx).is_ready() {
                return Poll::Ready(Err(Failed {
                    error: ClientError::HeaderTimeout { limit },
                    request: None,
                }));
            }
            Poll::Pending
        })
        .await
    }

    /// Moves bytes. Ready when the connection has ended.
    pub(crate) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.as_mut().poll(cx).map(|_| ())
    }

    pub(crate) fn arm(&mut self, after: Duration) {
        self.watchdog.arm(after);
    }

    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.watchdog.poll_expired(cx)
    }
}

/// hyper's own minimum.
const MIN_BUFFER_BYTES: usize = 8192;
