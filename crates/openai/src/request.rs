//! Requests: what a relay must understand of them, with everything else kept.

mod fields;
mod parameters;
mod shape;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::error::OpenAiError;
use crate::json::{JsonKind, RawJson};
use crate::members::Members;

pub(crate) use fields::push_escaped;
pub use fields::{Field, Fields};
pub use parameters::{Parameters, ResponseFormat};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/infer`: Proofmark's own, for tensor programs. It is never relayed; its answers are read by `proofmark-tensors`.
    Infer,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Infer,
    ];

    /// The name in receipts (specs/01-receipt.md §4.2, claim 6).
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat.completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Infer => "infer",
        }
    }

    /// The path behind the base URL, which itself ends with `/v1`.
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Infer => "/infer",
        }
    }

    /// The member with what is asked, which every request has.
    pub fn input_member(self) -> &'static str {
        match self {
            Self::ChatCompletions => "messages",
            Self::Completions => "prompt",
            Self::Embeddings => "input",
            Self::Infer => "inputs",
        }
    }
}

/// A request whose body was read and checked as far as a relay must understand it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    operation: Operation,
    members: Members<'a>,
    model: Cow<'a, str>,
    stream: bool,
    include_usage: bool,
    parameters: Parameters<'a>,
}

impl<'a> Request<'a> {
    /// Reads a body. Members that the API defines must have the types that it gives them; ranges are the upstream's
    /// affair. Members that it does not define are kept ([`Request::unknown_members`]).
    ///
    /// # Errors
    /// [`OpenAiError`], which names the parameter at fault.
    pub fn open(operation: Operation, body: &'a [u8]) -> Result<Self, OpenAiError> {
        let members = Members::parse(body)?;
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(shape) = shape::of(operation, name) {
                shape.check(name, value)?;
            }
        }
        let model = members
            .get_non_null("model")
            .and_then(RawJson::as_str)
            .ok_or(OpenAiError::MissingParameter { param: "model" })?;
        let required = operation.input_member();
        if members.get_non_null(required).is_none() {
            return Err(OpenAiError::MissingParameter { param: required });
        }
        let flag = |value: Option<RawJson<'a>>| value.and_then(RawJson::as_bool).unwrap_or(false);
        let stream = flag(members.get("stream"));
        let include_usage = flag(
            members
                .get("stream_options")
                .and_then(|options| options.member("include_usage")),
        );
        let parameters = Parameters::read(operation, &members)?;
        Ok(Self {
            operation,
            model,
            stream,
            include_usage,
            parameters,
            members,
        })
    }

    /// What it asks for.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The body's members.
    pub fn members(&self) -> &Members<'a> {
        &self.members
    }

    /// The model asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the answer is to be streamed.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the stream is to end with a chunk that has the usage (`stream_options.include_usage`).
    pub fn include_usage(&self) -> bool {
        self.include_usage
    }

    /// The typed parameters.
    pub fn parameters(&self) -> &Parameters<'a> {
        &self.parameters
    }

    /// The messages of a chat; nothing for other operations.
    pub fn messages(&self) -> impl Iterator<Item = RawJson<'a>> {
        self.array("messages")
    }

    /// The tools that the model may call.
    pub fn tools(&self) -> impl Iterator<Item = RawJson<'a>> {
        self.array("tools")
    }

    /// Decoded names of the members that the API does not define for this operation, in received order.
    pub fn unknown_members(&self) -> Vec<&str> {
        let names = self.members.iter().map(|(name, _)| name.as_ref());
        names
            .filter(|name| shape::of(self.operation, name).is_none())
            .collect()
    }

    /// The fields that a receipt commits to (specs/01-receipt.md §4.4).
    pub fn fields(&self) -> Fields<'_, 'a> {
        Fields::of(&self.members)
    }

    fn array(&self, name: &str) -> impl Iterator<Item = RawJson<'a>> + use<'a> {
        self.members
            .get(name)
            .and_then(RawJson::elements)
            .into_iter()
            .flatten()
    }
}

/// A type error in the words of OpenAI's server.
fn type_error(param: &str, expected: &'static str, got: JsonKind) -> OpenAiError {
    OpenAiError::InvalidType {
        param: param.into(),
        expected,
        got: got.describe(),
    }
}

#[cfg(test)]
mod tests;
