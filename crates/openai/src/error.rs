//! What can be wrong with a request, and what with an answer.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use crate::api_error::ApiError;
use crate::json::JsonError;

/// A request that is refused. The caller is at fault; [`OpenAiError::to_api_error`] tells him as OpenAI's server would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAiError {
    /// The body is not JSON that all readers understand alike.
    #[error("the request body is refused: {0}")]
    Json(#[from] JsonError),
    /// A required parameter is absent or null.
    #[error("Missing required parameter: '{param}'.")]
    MissingParameter {
        /// Name or path of the parameter.
        param: &'static str,
    },
    /// A parameter has another type than the API gives it.
    #[error("Invalid type for '{param}': expected {expected}, but got {got} instead.")]
    InvalidType {
        /// Path of the parameter, such as `messages[0].role`.
        param: String,
        /// The type that it should have.
        expected: &'static str,
        /// The type that it has.
        got: &'static str,
    },
    /// A parameter has the right type and a value that the API does not have.
    #[error("Invalid value for '{param}': {expected}.")]
    InvalidValue {
        /// Path of the parameter.
        param: String,
        /// What is expected.
        expected: &'static str,
    },
    /// An array that must have elements has none.
    #[error(
        "Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    )]
    EmptyArray {
        /// Name of the parameter.
        param: &'static str,
    },
}

impl OpenAiError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(error) => error.request_code(),
            Self::MissingParameter { .. } => "request.missing-parameter",
            Self::InvalidType { .. } => "request.invalid-type",
            Self::InvalidValue { .. } => "request.invalid-value",
            Self::EmptyArray { .. } => "request.empty-array",
        }
    }

    /// The path of the parameter that is wrong, if it is one.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Json(_) => None,
            Self::MissingParameter { param } | Self::EmptyArray { param } => Some(param),
            Self::InvalidType { param, .. } | Self::InvalidValue { param, .. } => Some(param),
        }
    }

    /// The body of the 400 answer, with the codes of specs/03-http.md §5.
    pub fn to_api_error(&self) -> ApiError {
        let code = match self {
            Self::Json(JsonError::DuplicateMember { .. }) => "duplicate_member",
            Self::Json(_) => "invalid_json",
            Self::MissingParameter { .. } => "missing_member",
            Self::InvalidType { .. } => "invalid_type",
            Self::InvalidValue { .. } | Self::EmptyArray { .. } => "invalid_value",
        };
        ApiError {
            message: self.to_string(),
            kind: "invalid_request_error".to_owned(),
            param: self.param().map(ToOwned::to_owned),
            code: Some(code.to_owned()),
        }
    }
}

/// An answer that cannot be assembled. The upstream is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The body or chunk is not JSON that all readers understand alike.
    #[error("the answer is refused: {0}")]
    Json(#[from] JsonError),
    /// A member that the operation's answer must have is absent or of another type.
    #[error("the answer has no usable '{member}'")]
    Shape {
        /// Name of the member.
        member: &'static str,
    },
    /// The upstream sent an OpenAI error object instead of an answer, or in the middle of a stream.
    #[error("the upstream answered with an error: {}", .0.message)]
    Upstream(ApiError),
    /// Assembling would take more memory than allowed, or an event is too long.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// A server-sent event whose data is not UTF-8.
    #[error("a server-sent event is not UTF-8")]
    EventNotUtf8,
}

impl AnswerError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(error) => error.answer_code(),
            Self::Shape { .. } => "answer.shape",
            Self::Upstream(_) => "answer.upstream-error",
            Self::TooLarge { .. } => "answer.too-large",
            Self::EventNotUtf8 => "answer.event-not-utf8",
        }
    }
}

/// An attachment whose bytes cannot be read. The caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// Not Base64 of RFC 4648 §4 with padding, canonical in its last character; or a percent escape that is none.
    #[error("the attachment is not valid base64")]
    Encoding,
    /// More decoded bytes than allowed.
    #[error("the attachment has {got} bytes, allowed are {limit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// Bytes that it would have.
        got: usize,
    },
}

impl AttachmentError {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Encoding => "request.attachment.encoding",
            Self::TooLarge { .. } => "request.attachment.too-large",
        }
    }
}
