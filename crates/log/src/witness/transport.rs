//! How a request gets to a witness and its answer back.

use std::{fmt, future::Future, pin::Pin};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use proofmark_http::{Client, ClientError, Outgoing};
use proofmark_tlog::{MAX_NOTE_BYTES, SIZE_CONTENT_TYPE};

/// Why there is no answer: nothing is known about what the witness did.
pub type TransportError = Box<dyn std::error::Error + Send + Sync>;

/// A request under way. Dropping it cancels it.
pub type TransportFuture<'a> =
    Pin<Box<dyn Future<Output = Result<WitnessAnswer, TransportError>> + Send + 'a>>;

/// The answer of a witness, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessAnswer {
    /// HTTP status.
    pub status: u16,
    /// Whether the content type is `text/x.tlog.size`.
    pub is_size: bool,
    /// The body, at most 64 KiB.
    pub body: Bytes,
}

/// Carries add-checkpoint requests to one witness.
///
/// Trust: none; what comes back is verified with the witness's key.
pub trait WitnessTransport: fmt::Debug + Send + Sync {
    /// Sends a body to `<prefix>/add-checkpoint`.
    fn add_checkpoint(&self, body: Bytes) -> TransportFuture<'_>;
}

/// A witness behind `http://` or `https://`; the client's base URL is its submission prefix.
pub struct HttpTransport {
    client: Client,
}

impl HttpTransport {
    /// Sends requests with a client of the witness's submission prefix.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn send(&self, body: Bytes) -> Result<WitnessAnswer, ClientError> {
        let outgoing = Outgoing {
            method: Method::POST,
            path: "/add-checkpoint".to_owned(),
            headers: HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            )]),
            payload: body.into(),
        };
        let answer = self.client.send(outgoing).await?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        let is_size = content_type.is_some_and(|value| value == SIZE_CONTENT_TYPE);
        let body = answer.collect(MAX_NOTE_BYTES).await?;
        Ok(WitnessAnswer {
            status,
            is_size,
            body,
        })
    }
}

impl WitnessTransport for HttpTransport {
    fn add_checkpoint(&self, body: Bytes) -> TransportFuture<'_> {
        Box::pin(async move { Ok(self.send(body).await?) })
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpTransport({})", self.client.base())
    }
}
