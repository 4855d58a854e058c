//! Streamed answers: chunks, and the answer that they add up to.

use crate::answer::{Answer, Folding, Form, Parts};
use crate::api_error::ApiError;
use crate::error::AnswerError;
use crate::json::RawJson;
use crate::members::Members;
use crate::request::Operation;

/// The data of the event that ends a stream.
pub const DONE: &str = "[DONE]";

/// One chunk of a streamed answer.
#[derive(Debug, Clone)]
pub struct Chunk<'a> {
    members: Members<'a>,
}

impl<'a> Chunk<'a> {
    /// Reads the data of an event that is not [`DONE`].
    ///
    /// # Errors
    /// [`AnswerError::Json`].
    pub fn parse(data: &'a [u8]) -> Result<Self, AnswerError> {
        Ok(Self {
            members: Members::parse_answer(data)?,
        })
    }

    /// The chunk's members, for [`Rewrite`](crate::Rewrite).
    pub fn members(&self) -> &Members<'a> {
        &self.members
    }

    /// The error object, if the chunk is one.
    pub fn error(&self) -> Option<ApiError> {
        ApiError::of(&self.members)
    }

    /// Whether a choice ends with this chunk: one has a finish reason that is not null.
    pub fn has_finish_reason(&self) -> bool {
        self.choices().any(|choice| {
            choice
                .member("finish_reason")
                .is_some_and(|reason| !reason.is_null())
        })
    }

    /// Whether it is the chunk that `stream_options.include_usage` asks for: no choice, but usage.
    pub fn is_usage_only(&self) -> bool {
        self.members.get_non_null("usage").is_some() && self.choices().next().is_none()
    }

    fn choices(&self) -> impl Iterator<Item = RawJson<'a>> {
        self.members
            .get("choices")
            .and_then(RawJson::elements)
            .into_iter()
            .flatten()
    }
}

/// Puts chunks together to the answer that the server would have given without streaming.
///
/// ```
/// use proofmark_openai::{Answer, Assembler, Chunk, Operation};
///
/// let mut assembler = Assembler::new(Operation::ChatCompletions, 1 << 20);
/// for data in [
///     r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}"#,
///     r#"{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}"#,
/// ] {
///     assembler.push(&Chunk::parse(data.as_bytes())?)?;
/// }
/// let whole = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}"#;
/// assert_eq!(assembler.finish(), Answer::parse(Operation::ChatCompletions, whole.as_bytes())?);
/// # Ok::<(), proofmark_openai::AnswerError>(())
/// ```
#[derive(Debug)]
pub struct Assembler {
    operation: Operation,
    parts: Parts,
    folding: Folding,
}

impl Assembler {
    /// Nothing yet. `limit` bounds the memory that it may take, in bytes.
    pub fn new(operation: Operation, limit: usize) -> Self {
        Self {
            operation,
            parts: Parts::default(),
            folding: Folding::new(limit),
        }
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// [`AnswerError::Upstream`] if the chunk is an error object, [`AnswerError::TooLarge`] at the limit,
    /// [`AnswerError::Shape`] if it is no chunk. What was added before stays.
    pub fn push(&mut self, chunk: &Chunk<'_>) -> Result<(), AnswerError> {
        self.parts.fold(
            self.operation,
            Form::Delta,
            &chunk.members,
            &mut self.folding,
        )
    }

    /// Bytes taken so far, as counted against the limit.
    pub fn memory_used(&self) -> usize {
        self.folding.used()
    }

    /// Whether there is a choice and every choice so far has its finish reason.
    pub fn is_finished(&self) -> bool {
        self.parts.is_finished()
    }

    /// The answer as far as it came.
    pub fn finish(self) -> Answer {
        self.parts.finish(self.operation)
    }
}

#[cfg(test)]
mod tests;
