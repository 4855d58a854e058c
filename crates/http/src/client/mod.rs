//! A pooled client of one origin.

mod connect;
mod link;
mod socket;
mod watchdog;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use tokio::time::Instant;

use crate::answer::{Answer, AnswerBody};
use crate::base_url::BaseUrl;
use crate::error::ClientError;
use crate::payload::Payload;
use crate::tls::{TlsConfigError, TlsPeer, TlsRoots};
pub(crate) use link::Link;

/// Times and bounds of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Longest time to resolve, connect and negotiate TLS.
    pub connect_timeout: Duration,
    /// Longest time from a request to the head of its answer.
    pub header_timeout: Duration,
    /// Longest time between two parts of an answer's body.
    pub idle_timeout: Duration,
    /// Most connections that are kept open without a request.
    pub max_idle: usize,
    /// Longest time that a connection is kept open without a request.
    pub idle_ttl: Duration,
    /// Most bytes of an answer's head.
    pub max_head_bytes: usize,
    /// Most bytes that one connection buffers, in each direction.
    pub buffer_bytes: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(120),
            max_idle: 256,
            idle_ttl: Duration::from_secs(30),
            max_head_bytes: 64 * 1024,
            buffer_bytes: 64 * 1024,
        }
    }
}

/// A request to the client's origin.
#[derive(Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query, with a leading slash, below the base URL's prefix.
    pub path: String,
    /// Headers. `Host`, `Content-Length` and `Transfer-Encoding` are the client's business.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
}

impl Outgoing {
    /// A `GET` without headers.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: HeaderMap::new(),
            payload: Payload::empty(),
        }
    }

    /// A `POST` of a JSON text.
    pub fn post_json(path: impl Into<String>, payload: impl Into<Payload>) -> Self {
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]);
        Self {
            method: Method::POST,
            path: path.into(),
            headers,
            payload: payload.into(),
        }
    }
}

/// A client of one origin. Cheap to clone; clones share the connections.
///
/// The number of connections is that of the requests in flight: bounding those is the caller's part.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    base: BaseUrl,
    host: HeaderValue,
    tls: Option<TlsPeer>,
    options: ClientOptions,
    /// Connections at rest, the one used last at the back.
    idle: Mutex<VecDeque<Link>>,
}

impl Client {
    /// A client of `base`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`TlsConfigError::Host`] if the host cannot stand in a certificate or a header.
    pub fn new(
        base: BaseUrl,
        roots: &TlsRoots,
        options: ClientOptions,
    ) -> Result<Self, TlsConfigError> {
        let host = HeaderValue::try_from(base.authority()).map_err(|_| TlsConfigError::Host {
            host: base.host().to_owned(),
        })?;
        let tls = TlsPeer::for_origin(&base, roots)?;
        Ok(Self {
            shared: Arc::new(Shared {
                base,
                host,
                tls,
                options,
                idle: Mutex::new(VecDeque::new()),
            }),
        })
    }

    /// The origin.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.shared.base
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// A pooled connection that turns out to be closed before one byte of the request was sent is replaced by another one.
    /// Dropping the future, or the answer's body, closes the connection and so cancels the request.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::is_unsent`] says whether repeating is safe.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Answer, ClientError> {
        let shared = &self.shared;
        let mut request = shared.request(outgoing)?;
        loop {
            let (mut link, reused) = match shared.take_idle().await {
                Some(link) => (link, true),
                None => (shared.connect().await?, false),
            };
            match link.exchange(request, shared.options.header_timeout).await {
                Ok(response) => {
                    let tls = link.tls();
                    let (head, incoming) = response.into_parts();
                    return Ok(Answer {
                        head,
                        tls,
                        body: AnswerBody::new(incoming, link, Arc::clone(shared)),
                    });
                }
                Err(failed) => match failed.request {
                    Some(unsent) if reused => request = *unsent,
                    _ => return Err(failed.error),
                },
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.shared.base)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.options.idle_timeout
    }

    fn request(&self, outgoing: Outgoing) -> Result<Request<Payload>, ClientError> {
        let Outgoing {
            method,
            path,
            headers,
            payload,
        } = outgoing;
        let target = if self.base.prefix().is_empty() {
            path
        } else {
            format!("{}{path}", self.base.prefix())
        };
        let target = match PathAndQuery::try_from(target.as_str()) {
            Ok(parsed) if target.starts_with('/') => parsed,
            _ => return Err(ClientError::Target { path: target }),
        };
        let mut request = Request::new(payload);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        request
            .headers_mut()
            .insert(header::HOST, self.host.clone());
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        Ok(request)
    }

    async fn connect(&self) -> Result<Link, ClientError> {
        let (socket, facts) =
            connect::connect(&self.base, self.tls.as_ref(), self.options.connect_timeout).await?;
        Link::open(socket, facts, &self.options).await
    }

    /// The connection used last that is still open. Closed ones on the way are dropped.
    async fn take_idle(&self) -> Option<Link> {
        loop {
            let mut link = self.lock().pop_back()?;
            if link.idle_since().elapsed() < self.options.idle_ttl
                && poll_fn(|cx| Poll::Ready(link.poll_reusable(cx))).await
            {
                return Some(link);
            }
        }
    }

    /// Puts a connection to rest, and drops those that have rested for too long.
    pub(crate) fn put_idle(&self, mut link: Link) {
        link.rest();
        let now = Instant::now();
        let mut idle = self.lock();
        while idle
            .front()
            .is_some_and(|oldest| now.duration_since(oldest.idle_since()) >= self.options.idle_ttl)
        {
            idle.pop_front();
        }
        if idle.len() < self.options.max_idle {
            idle.push_back(link);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Link>> {
        // A panic while the lock was held cannot have left a half-made connection in the list.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
