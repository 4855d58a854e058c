//! Answers with the marks of their receipt.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::draft::Draft;
use super::outcome;
use crate::error::GatewayError;
use crate::exchange::Issuer;

/// Where an answer says which receipt is its own.
const RECEIPT: HeaderName = HeaderName::from_static("x-proofmark-receipt");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The receipt's id as it stands in headers and bodies.
#[derive(Debug, Clone)]
pub(crate) struct Marked {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) header: HeaderValue,
    /// What access wants to stand on every answer.
    pub(super) limits: Vec<(HeaderName, HeaderValue)>,
}

/// An answer that has a receipt.
pub(super) fn marked(
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    marked: &Marked,
) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
        .headers_mut()
        .insert(RECEIPT, marked.header.clone());
    response
        .headers_mut()
        .insert(REQUEST_ID, marked.header.clone());
    response.headers_mut().extend(marked.limits.iter().cloned());
    response
}

/// An error of the gateway's own after a request was forwarded: it has a receipt as well.
pub(crate) async fn failed<I: Issuer>(
    draft: Draft<I>,
    error: GatewayError,
    to: &Marked,
) -> Response {
    let outcome = outcome::failed(&error, error.status().as_u16());
    if draft.close(outcome).await.is_err() {
        return without_receipt(to);
    }
    let (parts, body) = error.into_response().into_parts();
    marked(parts.status, parts.headers, body, to)
}

/// The answer is withheld, because its receipt is not safe.
pub(super) fn without_receipt(to: &Marked) -> Response {
    let mut response = GatewayError::ReceiptUnavailable.into_response();
    response.headers_mut().insert(REQUEST_ID, to.header.clone());
    response
}
