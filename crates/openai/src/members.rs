//! A JSON object as the ordered list of its top-level members.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::error::{AnswerError, OpenAiError};
use crate::json::{JsonError, Member, RawJson, Surrogates, scan_object};

/// The top-level members of a JSON object in received order, each value exactly as received.
///
/// No name comes twice, at any depth: a body that two parsers would read differently never gets this far.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    input: &'a [u8],
    list: Vec<Member<'a>>,
}

impl<'a> Members<'a> {
    /// Reads the body of a request: one JSON object and nothing after it. One pass, no copies of values.
    ///
    /// # Errors
    /// [`OpenAiError::Json`], with codes such as `request.duplicate-member`.
    pub fn parse(input: &'a [u8]) -> Result<Self, OpenAiError> {
        Ok(Self::scan(input, Surrogates::Refused)?)
    }

    /// Reads an answer. Differs from [`Members::parse`] in one thing: string values may hold half of a surrogate
    /// pair, because some servers cut their chunks there.
    ///
    /// # Errors
    /// [`AnswerError::Json`], with codes such as `answer.duplicate-member`.
    pub fn parse_answer(input: &'a [u8]) -> Result<Self, AnswerError> {
        Ok(Self::scan(input, Surrogates::Allowed)?)
    }

    /// The members of an object inside another document; `None` if the value is not an object.
    pub fn of(value: RawJson<'a>) -> Option<Self> {
        Self::scan(value.as_bytes(), Surrogates::Allowed).ok()
    }

    fn scan(input: &'a [u8], surrogates: Surrogates) -> Result<Self, JsonError> {
        Ok(Self {
            input,
            list: scan_object(input, surrogates)?,
        })
    }

    /// The whole input.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.input
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the object is `{}`.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The value of the member with this (decoded) name.
    pub fn get(&self, name: &str) -> Option<RawJson<'a>> {
        self.list
            .iter()
            .find(|member| member.name == name)
            .map(|member| member.value)
    }

    /// As [`Members::get`], with `null` read as absent, which is what OpenAI's API does with optional parameters.
    pub fn get_non_null(&self, name: &str) -> Option<RawJson<'a>> {
        self.get(name).filter(|value| !value.is_null())
    }

    /// Where the value of the member begins in the input.
    pub fn offset(&self, name: &str) -> Option<usize> {
        self.list
            .iter()
            .find(|member| member.name == name)
            .map(|member| member.value_at)
    }

    /// Decoded name and value of each member, in received order.
    pub fn iter(&self) -> impl Iterator<Item = (&Cow<'a, str>, RawJson<'a>)> {
        self.list.iter().map(|member| (&member.name, member.value))
    }

    pub(crate) fn list(&self) -> &[Member<'a>] {
        &self.list
    }
}

#[cfg(test)]
mod tests;
