//! HTTP/1.1 plumbing: one client and one accept loop, over one TLS stack.
//!
//! This crate is the only place of the workspace that speaks HTTP as a client and the only one that speaks TLS (RFC 8446 and 5246
//! through rustls, with *ring* as provider).
//!
//! - [`Client`] talks to one origin over pooled connections, `http://` or `https://`. Whoever awaits an answer drives the connection
//!   itself: there is no task between a request and its socket, so dropping an answer cancels it at once, and a reader that stops
//!   reading stops the peer.
//! - [`serve`] is an accept loop with bounded connections, bounded heads, timeouts for slow peers, and a graceful end.
//!
//! Trust: a peer's certificate is checked against Mozilla's roots and those that the operator added ([`TlsRoots`]). [`TlsFacts`] say
//! which certificate and version a connection used; they are this process's own observation and nobody else's proof.
//!
//! Out of scope: what the bodies mean (`proofmark-openai`), and retries that could execute a request twice: the client repeats a
//! request only if not one byte of it was sent.

mod answer;
mod base_url;
mod client;
mod error;
mod payload;
mod server;
mod tls;

pub use answer::{Answer, AnswerBody};
pub use base_url::{BaseUrl, BaseUrlError, Scheme};
pub use client::{Client, ClientOptions, Outgoing};
pub use error::ClientError;
pub use payload::{BoxError, Payload};
pub use server::{Handler, ServeOptions, Served, serve};
pub use tls::{TlsConfigError, TlsFacts, TlsRoots, TlsVersion};
