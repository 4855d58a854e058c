//! Answers: what a receipt commits to, independent of how the answer was framed.

mod fold;
mod parts;

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::AnswerError;
use crate::json::{JsonText, RawJson};
use crate::members::Members;
use crate::request::Operation;

pub(crate) use fold::{Folding, Form};
pub(crate) use parts::Parts;

/// Token counts as the upstream states them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The object as received.
    pub raw: JsonText,
    /// `prompt_tokens`
    pub input_tokens: u64,
    /// `completion_tokens`; 0 for embeddings.
    pub output_tokens: u64,
}

impl Usage {
    fn of(raw: RawJson<'_>) -> Option<Self> {
        raw.entries()?;
        let count = |name: &str| raw.member(name).and_then(RawJson::as_u64).unwrap_or(0);
        Some(Self {
            raw: raw.into(),
            input_tokens: count("prompt_tokens"),
            output_tokens: count("completion_tokens"),
        })
    }
}

/// One assembled member of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerField {
    /// Path such as `tool_calls/0/function/arguments`.
    pub name: String,
    /// A string as its UTF-8 bytes, any other value as its JSON text.
    pub value: Vec<u8>,
}

/// One of the answers or texts, or all the embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Member `index`.
    pub index: u64,
    /// Member `finish_reason`, if it is not null.
    pub finish_reason: Option<String>,
    /// `content` of a chat message, `text` of a completion; empty where it is null or absent.
    pub text: String,
    /// All other members, sorted bytewise by name. Nulls, empty arrays and empty objects have no field.
    pub fields: Vec<AnswerField>,
}

impl Choice {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value.as_slice())
    }
}

/// An answer to one of the operations.
///
/// # How members become fields
/// Objects are walked into, names are joined with `/` (with `~0` and `~1` as in RFC 6901). `tool_calls` is walked by
/// index; other arrays have one field per element; elements and everything deeper than 4 names are JSON text. Members
/// of the message stand under their own name. `logprobs` of the choice does too; other members of the choice stand
/// under `choice/`. A member of the message that is called `logprobs`, `choice` or `message` stands under `message/`,
/// so that no two members share a name. Embeddings are one choice together: the members of the item with the index `i`
/// stand under `data/<i>/`.
///
/// # How chunks become an answer
/// Strings of the message are concatenated, but for `role`, `id`, `type` and `name`, where the last one that is not
/// empty counts. Arrays are appended, `tool_calls` merged by `index`. Of anything else the last value that is not null
/// counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Member `id`.
    pub id: Option<String>,
    /// Member `model`: what the upstream says it served.
    pub model: Option<String>,
    /// Member `system_fingerprint`.
    pub system_fingerprint: Option<String>,
    /// Member `service_tier`.
    pub service_tier: Option<String>,
    /// Member `created`, Unix seconds.
    pub created: Option<u64>,
    /// Member `usage`.
    pub usage: Option<Usage>,
    /// The choices, sorted by index.
    pub choices: Vec<Choice>,
}

/// Memory that an answer in one piece may take beside twice its length.
const WHOLE_SLACK_BYTES: usize = 16 << 20;

impl Answer {
    /// Reads an answer that came in one piece. Takes at most twice its length and 16 MiB of memory: a long list of
    /// tiny members would take far more.
    ///
    /// # Errors
    /// [`AnswerError::Upstream`] if it is an error object, [`AnswerError::TooLarge`] if it would take too much memory,
    /// otherwise [`AnswerError::Json`] or [`AnswerError::Shape`].
    pub fn parse(operation: Operation, body: &[u8]) -> Result<Self, AnswerError> {
        Self::of(operation, &Members::parse_answer(body)?)
    }

    /// As [`Answer::parse`], for a body that was read already.
    ///
    /// # Errors
    /// As [`Answer::parse`].
    pub fn of(operation: Operation, members: &Members<'_>) -> Result<Self, AnswerError> {
        let length = members.as_bytes().len();
        let mut folding = Folding::new(length.saturating_mul(2).saturating_add(WHOLE_SLACK_BYTES));
        let mut parts = Parts::default();
        parts.fold(operation, Form::Whole, members, &mut folding)?;
        Ok(parts.finish(operation))
    }
}

#[cfg(test)]
mod tests;
