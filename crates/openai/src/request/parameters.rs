//! The parameters of a request as numbers and names.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use super::Operation;
use crate::error::OpenAiError;
use crate::json::{JsonKind, RawJson};
use crate::members::Members;

/// What `response_format.type` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseFormat<'a> {
    /// `text`
    Text,
    /// `json_object`
    JsonObject,
    /// `json_schema`, with the schema
    JsonSchema(RawJson<'a>),
    /// Another type, which the upstream may know
    Other(RawJson<'a>),
}

/// Sampling and output parameters; absent and null ones are `None` or the API's default.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters<'a> {
    /// How many answers; default 1.
    pub n: u64,
    /// Texts at which generation stops.
    pub stop: Vec<Cow<'a, str>>,
    /// The caller's seed.
    pub seed: Option<i64>,
    /// `max_completion_tokens`, else `max_tokens`.
    pub max_tokens: Option<u64>,
    /// `temperature`
    pub temperature: Option<f64>,
    /// `top_p`
    pub top_p: Option<f64>,
    /// `presence_penalty`
    pub presence_penalty: Option<f64>,
    /// `frequency_penalty`
    pub frequency_penalty: Option<f64>,
    /// Whether log probabilities are asked for, and of how many alternatives per token.
    pub logprobs: Option<u64>,
    /// `tool_choice` as it stands in the body.
    pub tool_choice: Option<RawJson<'a>>,
    /// `parallel_tool_calls`; default true.
    pub parallel_tool_calls: bool,
    /// `response_format`
    pub response_format: ResponseFormat<'a>,
}

impl<'a> Parameters<'a> {
    /// Reads them from members whose types were checked.
    pub(super) fn read(operation: Operation, members: &Members<'a>) -> Result<Self, OpenAiError> {
        let number = |name| members.get(name).and_then(RawJson::as_f64);
        let uint = |name| members.get(name).and_then(RawJson::as_u64);
        let n = uint("n").unwrap_or(1);
        if n == 0 {
            return Err(OpenAiError::InvalidValue {
                param: "n".into(),
                expected: "expected a value of at least 1",
            });
        }
        let logprobs = match operation {
            Operation::ChatCompletions => members
                .get("logprobs")
                .and_then(RawJson::as_bool)
                .unwrap_or(false)
                .then(|| uint("top_logprobs").unwrap_or(0)),
            Operation::Completions => uint("logprobs"),
            Operation::Embeddings | Operation::Infer => None,
        };
        Ok(Self {
            n,
            stop: members.get_non_null("stop").map(texts).unwrap_or_default(),
            seed: members.get("seed").and_then(RawJson::as_i64),
            max_tokens: uint("max_completion_tokens").or_else(|| uint("max_tokens")),
            temperature: number("temperature"),
            top_p: number("top_p"),
            presence_penalty: number("presence_penalty"),
            frequency_penalty: number("frequency_penalty"),
            logprobs,
            tool_choice: members.get_non_null("tool_choice"),
            parallel_tool_calls: members
                .get("parallel_tool_calls")
                .and_then(RawJson::as_bool)
                .unwrap_or(true),
            response_format: response_format(members)?,
        })
    }
}

fn texts(value: RawJson<'_>) -> Vec<Cow<'_, str>> {
    match value.as_str() {
        Some(one) => vec![one],
        None => value
            .elements()
            .into_iter()
            .flatten()
            .filter_map(RawJson::as_str)
            .collect(),
    }
}

fn response_format<'a>(members: &Members<'a>) -> Result<ResponseFormat<'a>, OpenAiError> {
    let Some(format) = members.get_non_null("response_format") else {
        return Ok(ResponseFormat::Text);
    };
    let Some(kind) = format.member("type") else {
        return Err(OpenAiError::MissingParameter {
            param: "response_format.type",
        });
    };
    let Some(name) = kind.as_str() else {
        return Err(super::type_error(
            "response_format.type",
            "a string",
            kind.kind(),
        ));
    };
    match name.as_ref() {
        "text" => Ok(ResponseFormat::Text),
        "json_object" => Ok(ResponseFormat::JsonObject),
        "json_schema" => match format.member("json_schema") {
            Some(schema) if schema.kind() == JsonKind::Object => {
                Ok(ResponseFormat::JsonSchema(schema))
            }
            _ => Err(OpenAiError::MissingParameter {
                param: "response_format.json_schema",
            }),
        },
        _ => Ok(ResponseFormat::Other(format)),
    }
}
