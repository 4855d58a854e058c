//! Which members the API defines for an operation, and of which type each is.

use alloc::format;
use alloc::string::String;

use super::{Operation, type_error};
use crate::error::OpenAiError;
use crate::json::{JsonKind, RawJson};

/// The type that the API gives to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    Uint,
    Integer,
    Number,
    String,
    Object,
    StreamOptions,
    Objects,
    Messages,
    StringOrStrings,
    StringOrObject,
    /// Text, texts, token ids or lists of token ids.
    Input,
    /// Defined, and passed on without a look inside.
    Opaque,
}

const CHAT: &[(&str, Shape)] = &[
    ("audio", Shape::Object),
    ("frequency_penalty", Shape::Number),
    ("function_call", Shape::StringOrObject),
    ("functions", Shape::Objects),
    ("logit_bias", Shape::Object),
    ("logprobs", Shape::Bool),
    ("max_completion_tokens", Shape::Uint),
    ("max_tokens", Shape::Uint),
    ("messages", Shape::Messages),
    ("metadata", Shape::Object),
    ("modalities", Shape::StringOrStrings),
    ("model", Shape::String),
    ("moderation", Shape::Opaque),
    ("n", Shape::Uint),
    ("parallel_tool_calls", Shape::Bool),
    ("prediction", Shape::Object),
    ("presence_penalty", Shape::Number),
    ("prompt_cache_key", Shape::String),
    ("prompt_cache_retention", Shape::Opaque),
    ("reasoning_effort", Shape::String),
    ("response_format", Shape::Object),
    ("safety_identifier", Shape::String),
    ("seed", Shape::Integer),
    ("service_tier", Shape::String),
    ("stop", Shape::StringOrStrings),
    ("store", Shape::Bool),
    ("stream", Shape::Bool),
    ("stream_options", Shape::StreamOptions),
    ("temperature", Shape::Number),
    ("tool_choice", Shape::StringOrObject),
    ("tools", Shape::Objects),
    ("top_logprobs", Shape::Uint),
    ("top_p", Shape::Number),
    ("user", Shape::String),
    ("verbosity", Shape::String),
    ("web_search_options", Shape::Object),
];

const COMPLETIONS: &[(&str, Shape)] = &[
    ("best_of", Shape::Uint),
    ("echo", Shape::Bool),
    ("frequency_penalty", Shape::Number),
    ("logit_bias", Shape::Object),
    ("logprobs", Shape::Uint),
    ("max_tokens", Shape::Uint),
    ("model", Shape::String),
    ("n", Shape::Uint),
    ("presence_penalty", Shape::Number),
    ("prompt", Shape::Input),
    ("seed", Shape::Integer),
    ("stop", Shape::StringOrStrings),
    ("stream", Shape::Bool),
    ("stream_options", Shape::StreamOptions),
    ("suffix", Shape::String),
    ("temperature", Shape::Number),
    ("top_p", Shape::Number),
    ("user", Shape::String),
];

const EMBEDDINGS: &[(&str, Shape)] = &[
    ("dimensions", Shape::Uint),
    ("encoding_format", Shape::String),
    ("input", Shape::Input),
    ("model", Shape::String),
    ("user", Shape::String),
];

const INFER: &[(&str, Shape)] = &[("inputs", Shape::Object), ("model", Shape::String)];

/// The shape of a member; `None` if the API does not define it.
pub(super) fn of(operation: Operation, name: &str) -> Option<Shape> {
    let table = match operation {
        Operation::ChatCompletions => CHAT,
        Operation::Completions => COMPLETIONS,
        Operation::Embeddings => EMBEDDINGS,
        Operation::Infer => INFER,
    };
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, shape)| *shape)
}

impl Shape {
    /// Checks a value that is not null.
    pub(super) fn check(self, name: &str, value: RawJson<'_>) -> Result<(), OpenAiError> {
        let kind = value.kind();
        let (fits, expected) = match self {
            Self::Bool => (kind == JsonKind::Bool, "a boolean"),
            Self::Uint => (kind == JsonKind::Integer, "an integer"),
            Self::Integer => (kind == JsonKind::Integer, "an integer"),
            Self::Number => (
                matches!(kind, JsonKind::Integer | JsonKind::Decimal),
                "a decimal",
            ),
            Self::String => (kind == JsonKind::String, "a string"),
            Self::Object | Self::StreamOptions => (kind == JsonKind::Object, "an object"),
            Self::Objects => (kind == JsonKind::Array, "an array of objects"),
            Self::Messages => (kind == JsonKind::Array, "an array of objects"),
            Self::StringOrStrings => (
                matches!(kind, JsonKind::String | JsonKind::Array),
                "a string or an array of strings",
            ),
            Self::StringOrObject => (
                matches!(kind, JsonKind::String | JsonKind::Object),
                "a string or an object",
            ),
            Self::Input => (
                matches!(kind, JsonKind::String | JsonKind::Array),
                "a string or an array",
            ),
            Self::Opaque => return Ok(()),
        };
        if !fits {
            return Err(type_error(name, expected, kind));
        }
        match self {
            Self::Uint if value.as_u64().is_none() => Err(OpenAiError::InvalidValue {
                param: name.into(),
                expected: "expected an integer from 0 to 2^64 - 1",
            }),
            Self::Integer if value.as_i64().is_none() => Err(OpenAiError::InvalidValue {
                param: name.into(),
                expected: "expected an integer of 64 bits",
            }),
            Self::StreamOptions => check_stream_options(value),
            Self::Objects => check_elements(name, value, &[JsonKind::Object], "an object"),
            Self::StringOrStrings => check_elements(name, value, &[JsonKind::String], "a string"),
            Self::Messages => check_messages(value),
            Self::Input => check_input(name, value),
            _ => Ok(()),
        }
    }
}

fn check_elements(
    name: &str,
    value: RawJson<'_>,
    kinds: &[JsonKind],
    expected: &'static str,
) -> Result<(), OpenAiError> {
    for (index, element) in value.elements().into_iter().flatten().enumerate() {
        if !kinds.contains(&element.kind()) {
            return Err(type_error(
                &format!("{name}[{index}]"),
                expected,
                element.kind(),
            ));
        }
    }
    Ok(())
}

fn check_stream_options(options: RawJson<'_>) -> Result<(), OpenAiError> {
    for name in ["include_usage", "include_obfuscation"] {
        match options.member(name).map(RawJson::kind) {
            None | Some(JsonKind::Null | JsonKind::Bool) => {}
            Some(got) => {
                return Err(type_error(
                    &format!("stream_options.{name}"),
                    "a boolean",
                    got,
                ));
            }
        }
    }
    Ok(())
}

fn check_messages(messages: RawJson<'_>) -> Result<(), OpenAiError> {
    let mut empty = true;
    for (index, message) in messages.elements().into_iter().flatten().enumerate() {
        empty = false;
        check_message(message, || format!("messages[{index}]"))?;
    }
    if empty {
        Err(OpenAiError::EmptyArray { param: "messages" })
    } else {
        Ok(())
    }
}

fn check_message(message: RawJson<'_>, path: impl Fn() -> String) -> Result<(), OpenAiError> {
    let Some(entries) = message.entries() else {
        return Err(type_error(&path(), "an object", message.kind()));
    };
    let mut has_role = false;
    for (name, value) in entries {
        match (name.as_ref(), value.kind()) {
            ("role", JsonKind::String) => has_role = true,
            ("role", got) => return Err(type_error(&format!("{}.role", path()), "a string", got)),
            ("content", JsonKind::Array) => {
                check_elements(
                    &format!("{}.content", path()),
                    value,
                    &[JsonKind::Object],
                    "an object",
                )?;
            }
            ("content", JsonKind::String | JsonKind::Null) => {}
            ("content", got) => {
                return Err(type_error(
                    &format!("{}.content", path()),
                    "a string or an array of objects",
                    got,
                ));
            }
            ("tool_calls", JsonKind::Null) => {}
            ("tool_calls", JsonKind::Array) => {
                check_elements(
                    &format!("{}.tool_calls", path()),
                    value,
                    &[JsonKind::Object],
                    "an object",
                )?;
            }
            ("tool_calls", got) => {
                return Err(type_error(
                    &format!("{}.tool_calls", path()),
                    "an array of objects",
                    got,
                ));
            }
            _ => {}
        }
    }
    if has_role {
        Ok(())
    } else {
        Err(OpenAiError::InvalidValue {
            param: format!("{}.role", path()),
            expected: "a message must have a role",
        })
    }
}

fn check_input(name: &str, value: RawJson<'_>) -> Result<(), OpenAiError> {
    let kinds = [JsonKind::String, JsonKind::Integer, JsonKind::Array];
    check_elements(
        name,
        value,
        &kinds,
        "a string, an integer or an array of integers",
    )?;
    for (index, element) in value.elements().into_iter().flatten().enumerate() {
        check_elements(
            &format!("{name}[{index}]"),
            element,
            &[JsonKind::Integer],
            "an integer",
        )?;
    }
    if value
        .elements()
        .is_some_and(|mut elements| elements.next().is_none())
    {
        let param = if name == "prompt" { "prompt" } else { "input" };
        return Err(OpenAiError::EmptyArray { param });
    }
    Ok(())
}
