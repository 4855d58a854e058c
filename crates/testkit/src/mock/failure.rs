//! Refusals in the words of OpenAI's server.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::body::AnswerBody;

/// An answer that is an error object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: u16,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
}

impl Failure {
    pub(super) fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            kind,
            param: None,
            code: None,
        }
    }

    pub(super) fn invalid(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        let param = Some(param.to_owned());
        Self {
            param,
            code: Some(code),
            ..Self::new(400, "invalid_request_error", message)
        }
    }

    pub(super) fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The error that comes with a status.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::wrong_key("sk-mock"),
            403 => Self::new(
                status,
                "invalid_request_error",
                "You are not allowed to sample from this model",
            )
            .with_code("unsupported_country_region_territory"),
            404 => Self::no_such_model("mock-error-404"),
            408 => Self::new(status, "timeout", "Request timed out."),
            429 => Self::new(
                status,
                "requests",
                "Rate limit reached for mock on requests per min (RPM): Limit 3, Used 3.",
            )
            .with_code("rate_limit_exceeded"),
            503 => Self::new(
                status,
                "server_error",
                "The engine is currently overloaded, please try again later",
            ),
            500..=599 => Self::new(
                status,
                "server_error",
                "The server had an error while processing your request. Sorry about that!",
            ),
            _ => Self::new(status, "invalid_request_error", "The request was refused."),
        }
    }

    pub(super) fn no_key() -> Self {
        Self::new(
            401,
            "invalid_request_error",
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
             auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    }

    /// As OpenAI's server, it shows only the ends of the key.
    pub(super) fn wrong_key(key: &str) -> Self {
        let chars: Vec<char> = key.chars().collect();
        let shown: String = match chars.as_slice() {
            [a, b, c, .., x, y, z] if chars.len() > 12 => {
                [a, b, c, &'*', &'*', &'*', x, y, z].into_iter().collect()
            }
            _ => "***".to_owned(),
        };
        Self::new(
            401,
            "invalid_request_error",
            format!("Incorrect API key provided: {shown}."),
        )
        .with_code("invalid_api_key")
    }

    pub(super) fn no_such_model(model: &str) -> Self {
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(404, "invalid_request_error", message).with_code("model_not_found")
    }

    pub(super) fn not_json() -> Self {
        Self::new(
            400,
            "invalid_request_error",
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
             library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        )
    }

    pub(super) fn context_overflow(tokens: usize) -> Self {
        let message = format!(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in {} tokens. Please \
             reduce the length of the messages.",
            8192 + tokens
        );
        Self::invalid("messages", "context_length_exceeded", message)
    }

    pub(super) fn body(&self) -> Bytes {
        let error = json!({"message": self.message, "type": self.kind, "param": self.param, "code": self.code});
        Bytes::from(json!({ "error": error }).to_string())
    }

    pub(super) fn into_response(
        self,
        answer: impl FnOnce(Bytes) -> AnswerBody,
    ) -> Response<AnswerBody> {
        let mut response = Response::new(answer(self.body()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == 429 {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            headers.insert("x-ratelimit-limit-requests", HeaderValue::from_static("3"));
            headers.insert(
                "x-ratelimit-remaining-requests",
                HeaderValue::from_static("0"),
            );
            headers.insert("x-ratelimit-reset-requests", HeaderValue::from_static("1s"));
        }
        response
    }
}
