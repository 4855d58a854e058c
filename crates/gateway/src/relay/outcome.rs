//! How a request ended, in the classes of specs/01-receipt.md §4.2, claim 16.

use proofmark_openai::{Answer, ApiError, Choice};
use proofmark_receipt::{Outcome, Status};

use crate::error::GatewayError;

/// The class of an answer that came to its end.
pub(super) fn class(answer: &Answer) -> Status {
    let finished = |reason: &str| {
        answer
            .choices
            .iter()
            .any(|choice| choice.finish_reason.as_deref() == Some(reason))
    };
    let refused = |choice: &Choice| {
        choice
            .field("refusal")
            .is_some_and(|refusal| !refusal.is_empty())
    };
    if finished("content_filter") {
        Status::ContentFilter
    } else if finished("length") {
        Status::Length
    } else if answer.choices.iter().any(refused) {
        Status::Refused
    } else {
        Status::Completed
    }
}

/// Whether a receipt has room for the answer: no more choices than can be asked for, with indices that a claim can hold.
pub(super) fn fits(answer: &Answer) -> bool {
    answer.choices.len() <= super::MAX_PARTS
        && answer
            .choices
            .iter()
            .all(|choice| u32::try_from(choice.index).is_ok())
}

/// The outcome of an error of the gateway's own; `http_status` is what the client got.
pub(super) fn failed(error: &GatewayError, http_status: u16) -> Outcome {
    let status = match error {
        GatewayError::UpstreamUnreachable { .. }
        | GatewayError::UpstreamTimeout { .. }
        | GatewayError::UpstreamMalformed { .. } => Status::ProviderError,
        _ => Status::NodeError,
    };
    Outcome {
        status,
        http_status,
        code: Some(error.code().to_owned()),
    }
}

/// The outcome of an error that the provider sent.
pub(super) fn provider_error(error: Option<&ApiError>, http_status: u16) -> Outcome {
    let code = error.and_then(|error| error.code.clone()).map(|mut code| {
        code.truncate(code.floor_char_boundary(MAX_CODE_BYTES));
        code
    });
    Outcome {
        status: Status::ProviderError,
        http_status,
        code,
    }
}

/// Most bytes of a provider's error code that go into a receipt.
const MAX_CODE_BYTES: usize = 128;
