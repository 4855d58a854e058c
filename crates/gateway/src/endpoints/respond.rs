//! How answers are put together.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;

use super::state::Endpoints;
use crate::access::ByteSlot;
use crate::error::GatewayError;

/// Who may keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    /// Nobody: it changes, or is private.
    NoStore,
    /// Everybody, and pages of any origin may read it.
    Public,
}

/// An answer of one piece.
pub(super) fn answer(content_type: &'static str, cache: Cache, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    match cache {
        Cache::NoStore => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Cache::Public => {
            headers.insert(
                CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=10"),
            );
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
    response
}

/// 202: ask again.
pub(super) fn pending(id: &str) -> Response {
    let body = serde_json::json!({ "id": id, "status": "pending" }).to_string();
    let mut response = answer("application/json", Cache::NoStore, body);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A body that holds its memory's slot until it is sent.
pub(super) fn held(bytes: Vec<u8>, slot: ByteSlot) -> Body {
    Body::new(Held {
        body: Full::new(Bytes::from(bytes)),
        _slot: slot,
    })
}

struct Held {
    body: Full<Bytes>,
    _slot: ByteSlot,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Endpoints {
    /// The answer, or the error that is counted and told.
    pub(super) fn respond(&self, result: Result<Response, GatewayError>) -> Response {
        result.unwrap_or_else(|error| {
            self.config.metrics.rejected(&error);
            error.into_response()
        })
    }
}
