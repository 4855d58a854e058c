//! An accept loop that bounds what strangers can make it hold.

mod overload;
mod stall;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::payload::BoxError;
use overload::Overload;
use stall::Stall;

/// Bounds and times of [`serve`].
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Most connections at once. The next one is told 503 with `Retry-After` and closed.
    pub max_connections: usize,
    /// What `Retry-After` says to those, in seconds.
    pub retry_after_s: u32,
    /// Longest time for a request's head to arrive, and for a connection to stay open without a request.
    pub header_timeout: Duration,
    /// Longest time that a peer may leave unread what was sent to it.
    pub stall_timeout: Duration,
    /// Most bytes of a request's head; 431 beyond it.
    pub max_head_bytes: usize,
    /// Most bytes that one connection buffers, in each direction.
    pub buffer_bytes: usize,
    /// Longest time that requests in flight get after the shutdown signal.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            retry_after_s: 1,
            header_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            max_head_bytes: 32 * 1024,
            buffer_bytes: 64 * 1024,
            grace: Duration::from_secs(30),
        }
    }
}

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer. It is polled only as fast as the peer reads, and dropped when the peer goes away.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Answers one request. The future is dropped when the peer goes away.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// How [`serve`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Connections that were cut off at the end of the grace period.
    pub cut_off: usize,
}

/// Accepts connections until `shutdown` resolves; then lets requests in flight finish within [`ServeOptions::grace`].
///
/// A failing `accept` (no file descriptors left, say) is logged and retried: connections that end free what it needs.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Served {
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let overload = Overload::new(options.retry_after_s);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) if connections.len() >= options.max_connections => overload.refuse(tcp),
                Ok((tcp, peer)) => {
                    connections.spawn(connection(tcp, peer, Arc::clone(&handler), options.clone(), stopped.clone()));
                }
                Err(error) => accept_failed(&error).await,
            },
        }
    }
    drop(listener);
    // Every receiver sees the sender's end.
    drop(stop);
    let drained = tokio::time::timeout(options.grace, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    let cut_off = if drained.is_ok() {
        0
    } else {
        connections.len()
    };
    connections.shutdown().await;
    Served { cut_off }
}

/// A connection that ended before it was accepted is nobody's problem; everything else gets a moment to pass.
async fn accept_failed(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    ) {
        return;
    }
    tracing::warn!(%error, "cannot accept connections");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// hyper's own minimum.
const MIN_BUFFER_BYTES: usize = 8192;

async fn connection<H: Handler>(
    tcp: TcpStream,
    peer: SocketAddr,
    handler: Arc<H>,
    options: ServeOptions,
    mut stopped: watch::Receiver<()>,
) {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "connection lost before its first request");
        return;
    }
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(handler.handle(request, peer).await) }
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(options.buffer_bytes.max(MIN_BUFFER_BYTES))
        .max_header_size(options.max_head_bytes)
        .serve_connection(
            TokioIo::new(Stall::new(tcp, options.stall_timeout)),
            service,
        );
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // An error is the sender's end, the signal itself.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}
