//! What the gateway itself answers when it does not pass on an answer: specs/03-http.md §5.
//!
//! One enum, one table: [`GatewayError::code`] is what programs read, [`GatewayError::status`] what HTTP reads. Messages name what the
//! caller sent only where it is not content: a header's name, a model's name, never a prompt.

use std::borrow::Cow;
use std::time::Duration;

use crate::access::RateState;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use proofmark_openai::{ApiError, JsonError, OpenAiError};

/// Which limit was reached when a request was turned away with [`GatewayError::Overloaded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverloadedBy {
    /// Requests in flight.
    Requests,
    /// Streams in flight.
    Streams,
    /// Bytes of bodies in memory.
    Bytes,
    /// The log's queue.
    Log,
    /// Proofs that wait.
    Proofs,
    /// The gateway is shutting down.
    Shutdown,
}

impl OverloadedBy {
    /// The name in metrics and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Streams => "streams",
            Self::Bytes => "bytes",
            Self::Log => "log",
            Self::Proofs => "proofs",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why a budget does not allow a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaReason {
    /// What is left does not cover the reservation.
    Exhausted,
    /// The model has no price, so that a key with a budget cannot be charged for it.
    NoPrice,
}

/// An error of the gateway's own. An upstream's error is passed on as it came and is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The request's body is refused. The caller is at fault.
    #[error(transparent)]
    Request(#[from] OpenAiError),
    /// A request header is malformed, or is an `x-proofmark-*` header that does not exist. The caller is at fault.
    #[error("Invalid header '{name}': {expected}.")]
    InvalidHeader {
        /// The header's name.
        name: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A query parameter has a value that it cannot have. The caller is at fault.
    #[error("Invalid value for '{param}': {expected}.")]
    InvalidQuery {
        /// The parameter's name.
        param: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// The body broke off, or is not framed as its head says. The caller is at fault.
    #[error("The request body is incomplete or badly framed.")]
    IncompleteBody,
    /// The body stalled, or came too slowly. The caller is at fault.
    #[error("The request body did not arrive in time.")]
    RequestTimeout,
    /// The body is longer than the operator allows.
    #[error("The request body is larger than {limit_bytes} bytes.")]
    RequestTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// No upstream serves this model.
    #[error("The model '{model}' does not exist or you do not have access to it.")]
    ModelNotFound {
        /// The name asked for.
        model: String,
    },
    /// No such receipt, or not one of this API key.
    #[error("No receipt with this id was found.")]
    UnknownReceipt,
    /// `x-proofmark-previous` names no receipt of this API key. The caller is at fault.
    #[error("'x-proofmark-previous' names no receipt of this API key.")]
    UnknownPrevious,
    /// The contents were erased, have passed their retention, or were not kept.
    #[error("The contents of this receipt are not kept any more, or were never kept.")]
    Erased,
    /// Contents that may be audited are kept until the audit's deadline.
    #[error(
        "This receipt gave audit permission: its contents can be erased from {deadline_unix_s} (Unix seconds) on."
    )]
    AuditDeadline {
        /// The deadline, Unix seconds.
        deadline_unix_s: u64,
    },
    /// A proof was asked for of an answer that this node cannot prove.
    #[error("This answer cannot be proven here: {why}.")]
    NotProvable {
        /// Why.
        why: &'static str,
    },
    /// Nobody asked for a proof of this receipt, or it was long ago.
    #[error("There is no proof of this receipt, and none is in the making.")]
    UnknownProof,
    /// Missing, malformed, unknown, revoked or expired: always the same answer.
    #[error("Incorrect API key provided.")]
    InvalidApiKey,
    /// More requests than the key's limit.
    #[error("Rate limit reached: {} requests per minute. Please try again in {} ms.", .state.limit_rpm, .retry_after.as_millis())]
    RateLimitExceeded {
        /// The limit, and what the `x-ratelimit-*` headers say.
        state: RateState,
        /// When the next request will be let through.
        retry_after: Duration,
    },
    /// The key's budget does not allow the request.
    #[error("{}", match reason {
        QuotaReason::Exhausted => "You exceeded the budget of this API key.",
        QuotaReason::NoPrice => "This model has no price, and an API key with a budget can only use models that have one.",
    })]
    InsufficientQuota {
        /// Why.
        reason: QuotaReason,
    },
    /// The answer would be below the policy of the API key, which withholds such answers.
    #[error("The answer would be below the policy of this API key, which withholds it: {clause}.")]
    BelowPolicy {
        /// The first clause that would not hold.
        clause: String,
    },
    /// A bound of the process is reached; the same request may succeed later.
    #[error("The server is at its limit ({}), try again later.", .by.name())]
    Overloaded {
        /// Which bound.
        by: OverloadedBy,
        /// When to come back, seconds.
        retry_after_s: u32,
    },
    /// A model of this node's own cannot do what was asked for. The caller is at fault.
    #[error("{message}")]
    NotExecutable {
        /// The stable code.
        code: &'static str,
        /// The parameter at fault, if it is one.
        param: Option<String>,
        /// In words, without contents.
        message: String,
    },
    /// The engine of a model of this node's own did not come to the end.
    #[error("The model of this node failed.")]
    EngineFailed,
    /// No upstream that serves the model could be reached.
    #[error("The upstream '{upstream}' cannot be reached.")]
    UpstreamUnreachable {
        /// Its name in the configuration.
        upstream: String,
    },
    /// The upstream did not answer, or fell silent, for longer than its timeout.
    #[error("The upstream '{upstream}' did not answer in time.")]
    UpstreamTimeout {
        /// Its name in the configuration.
        upstream: String,
    },
    /// The upstream's answer is not one of the API, or is too long.
    #[error("The upstream '{upstream}' sent an answer that cannot be read.")]
    UpstreamMalformed {
        /// Its name in the configuration.
        upstream: String,
    },
    /// The upstream does not accept the operator's key. Its own answer is not passed on: a caller would take it for a verdict on the
    /// caller's key, and it may show a part of the operator's.
    #[error("The upstream '{upstream}' does not accept this server's credentials.")]
    UpstreamUnauthorized {
        /// Its name in the configuration.
        upstream: String,
    },
    /// The receipt could not be made durable, or the store cannot be read. An answer without its receipt is withheld.
    #[error("The receipt store is not available.")]
    ReceiptUnavailable,
    /// An answer whose receipt does not meet the requirement; only of `proofmark proxy`.
    #[error("The receipt of the answer was not accepted ({code}).")]
    ReceiptRejected {
        /// The verifier's code, such as `receipt.signature.invalid`.
        code: Cow<'static, str>,
    },
    /// No such path.
    #[error("Not found.")]
    NotFound,
    /// The path exists, with other methods.
    #[error("Method not allowed.")]
    MethodNotAllowed {
        /// Value of the `Allow` header.
        allow: &'static str,
    },
}

impl GatewayError {
    /// Every code that [`GatewayError::code`] returns, in the order of specs/03-http.md §5.
    pub const CODES: [&'static str; 31] = [
        "invalid_json",
        "duplicate_member",
        "missing_member",
        "invalid_type",
        "invalid_value",
        "invalid_header",
        "incomplete_body",
        "request_timeout",
        "request_too_large",
        "model_not_found",
        "unknown_receipt",
        "erased",
        "audit_deadline",
        "not_provable",
        "unknown_proof",
        "invalid_api_key",
        "rate_limit_exceeded",
        "insufficient_quota",
        "below_policy",
        "overloaded",
        "unsupported_parameter",
        "context_length_exceeded",
        "engine_failed",
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_malformed",
        "upstream_unauthorized",
        "receipt_unavailable",
        "receipt_rejected",
        "not_found",
        "method_not_allowed",
    ];

    /// The stable code of specs/03-http.md §5.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(error) => request_code(error),
            Self::InvalidHeader { .. } => "invalid_header",
            Self::InvalidQuery { .. } => "invalid_value",
            Self::IncompleteBody => "incomplete_body",
            Self::RequestTimeout => "request_timeout",
            Self::RequestTooLarge { .. } => "request_too_large",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::UnknownReceipt | Self::UnknownPrevious => "unknown_receipt",
            Self::Erased => "erased",
            Self::AuditDeadline { .. } => "audit_deadline",
            Self::NotProvable { .. } => "not_provable",
            Self::UnknownProof => "unknown_proof",
            Self::InvalidApiKey => "invalid_api_key",
            Self::RateLimitExceeded { .. } => "rate_limit_exceeded",
            Self::InsufficientQuota { .. } => "insufficient_quota",
            Self::BelowPolicy { .. } => "below_policy",
            Self::Overloaded { .. } => "overloaded",
            Self::NotExecutable { code, .. } => code,
            Self::EngineFailed => "engine_failed",
            Self::UpstreamUnreachable { .. } => "upstream_unreachable",
            Self::UpstreamTimeout { .. } => "upstream_timeout",
            Self::UpstreamMalformed { .. } => "upstream_malformed",
            Self::UpstreamUnauthorized { .. } => "upstream_unauthorized",
            Self::ReceiptUnavailable => "receipt_unavailable",
            Self::ReceiptRejected { .. } => "receipt_rejected",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Request(_)
            | Self::InvalidHeader { .. }
            | Self::InvalidQuery { .. }
            | Self::NotExecutable { .. }
            | Self::IncompleteBody
            | Self::UnknownPrevious => StatusCode::BAD_REQUEST,
            Self::EngineFailed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::RequestTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ModelNotFound { .. }
            | Self::UnknownReceipt
            | Self::UnknownProof
            | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Erased => StatusCode::GONE,
            Self::AuditDeadline { .. } | Self::NotProvable { .. } => StatusCode::CONFLICT,
            Self::InvalidApiKey => StatusCode::UNAUTHORIZED,
            Self::BelowPolicy { .. } => StatusCode::FORBIDDEN,
            Self::RateLimitExceeded { .. } | Self::InsufficientQuota { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Overloaded { .. } | Self::ReceiptUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamUnreachable { .. }
            | Self::UpstreamMalformed { .. }
            | Self::UpstreamUnauthorized { .. }
            | Self::ReceiptRejected { .. } => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// Member `type` of the error object, in the words of OpenAI's server.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RateLimitExceeded { .. } => "requests",
            Self::InsufficientQuota { .. } => "insufficient_quota",
            _ if self.status().is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// Member `param` of the error object.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Request(error) => error.param(),
            Self::InvalidHeader { name, .. } => Some(name),
            Self::InvalidQuery { param, .. } => Some(param),
            Self::NotExecutable { param, .. } => param.as_deref(),
            Self::ModelNotFound { .. } => Some("model"),
            _ => None,
        }
    }

    /// Value of the `Retry-After` header, at least 1.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::RateLimitExceeded { retry_after, .. } => {
                let up = u64::from(retry_after.subsec_nanos() > 0);
                Some(retry_after.as_secs().saturating_add(up).max(1))
            }
            Self::Overloaded { retry_after_s, .. } => Some(u64::from(*retry_after_s).max(1)),
            Self::ReceiptUnavailable => Some(1),
            _ => None,
        }
    }

    /// The OpenAI error object.
    #[must_use]
    pub fn to_api_error(&self) -> ApiError {
        let error = ApiError::new(self.kind(), &self.to_string()).with_code(self.code());
        match self.param() {
            Some(param) => error.with_param(param),
            None => error,
        }
    }

    /// The headers that go with it, but for those of the body's type.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::RateLimitExceeded { state, .. } = self {
            headers.extend(state.headers());
        }
        if let Self::MethodNotAllowed { allow } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        headers
    }
}

fn request_code(error: &OpenAiError) -> &'static str {
    match error {
        OpenAiError::Json(JsonError::DuplicateMember { .. }) => "duplicate_member",
        OpenAiError::MissingParameter { .. } => "missing_member",
        OpenAiError::InvalidType { .. } => "invalid_type",
        OpenAiError::InvalidValue { .. } | OpenAiError::EmptyArray { .. } => "invalid_value",
        _ => "invalid_json",
    }
}

impl IntoResponse for GatewayError {
    fn into_response(self) -> Response {
        let mut headers = self.headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (self.status(), headers, self.to_api_error().to_json()).into_response()
    }
}

#[cfg(test)]
mod tests;
