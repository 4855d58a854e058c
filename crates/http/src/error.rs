//! What can go wrong between a request and its answer.

use std::io;
use std::time::Duration;

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The host name has no address. Check the base URL and the resolver.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The host as configured.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the host accepted a connection.
    #[error("cannot connect to {host}:{port}")]
    Connect {
        /// The host as configured.
        host: String,
        /// The port that was tried.
        port: u16,
        /// The error of the last address.
        source: io::Error,
    },
    /// The connection was not established, TLS included, within the limit.
    #[error("no connection to {host}:{port} within {limit:?}")]
    ConnectTimeout {
        /// The host as configured.
        host: String,
        /// The port that was tried.
        port: u16,
        /// [`crate::ClientOptions::connect_timeout`].
        limit: Duration,
    },
    /// The TLS handshake failed: wrong name, unknown root, expired, or no TLS at all.
    #[error("TLS handshake with {host} failed")]
    Tls {
        /// The host as configured.
        host: String,
        /// rustls' reason.
        source: io::Error,
    },
    /// The path or a header of the request cannot be sent.
    #[error("not a request target: {path}")]
    Target {
        /// The path as given.
        path: String,
    },
    /// The request was sent, and no head of an answer came within the limit.
    #[error("no answer within {limit:?}")]
    HeaderTimeout {
        /// [`crate::ClientOptions::header_timeout`].
        limit: Duration,
    },
    /// The answer began and then nothing more came within the limit.
    #[error("the answer stalled for {limit:?}")]
    IdleTimeout {
        /// [`crate::ClientOptions::idle_timeout`].
        limit: Duration,
    },
    /// The peer broke the connection or the protocol.
    #[error("the connection broke")]
    Broken {
        /// Whether the peer is known not to have got one byte of the request.
        unsent: bool,
        /// hyper's reason, if it has one.
        source: Option<hyper::Error>,
    },
    /// The answer is longer than the caller takes.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The caller's bound in bytes.
        limit: usize,
    },
}

impl ClientError {
    /// Whether the request certainly reached nobody, so that sending it again cannot execute it twice.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Tls { .. }
            | Self::Target { .. } => true,
            Self::Broken { unsent, .. } => *unsent,
            Self::HeaderTimeout { .. } | Self::IdleTimeout { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// A stable word for logs, metrics and receipts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Connect { .. } => "connect",
            Self::ConnectTimeout { .. } => "connect-timeout",
            Self::Tls { .. } => "tls",
            Self::Target { .. } => "target",
            Self::HeaderTimeout { .. } => "header-timeout",
            Self::IdleTimeout { .. } => "idle-timeout",
            Self::Broken { .. } => "broken",
            Self::TooLarge { .. } => "too-large",
        }
    }
}
