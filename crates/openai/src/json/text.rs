//! JSON values that we write.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;

use super::{JsonError, RawJson, string};

/// The text of one JSON value that we made ourselves or that was checked.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(String);

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw().fmt(f)
    }
}

impl JsonText {
    /// A string.
    pub fn string(value: &str) -> Self {
        let mut out = String::with_capacity(value.len().saturating_add(2));
        string::write_literal(value, &mut out);
        Self(out)
    }

    /// An integer.
    pub fn uint(value: u64) -> Self {
        Self(value.to_string())
    }

    /// `true` or `false`.
    pub fn bool(value: bool) -> Self {
        Self(value.to_string())
    }

    /// `null`.
    pub fn null() -> Self {
        Self("null".to_owned())
    }

    /// An object with these members, in this order. The caller sees to it that no name comes twice.
    pub fn object<'n>(members: impl IntoIterator<Item = (&'n str, JsonText)>) -> Self {
        let mut out = String::from("{");
        for (name, value) in members {
            if out.len() > 1 {
                out.push(',');
            }
            string::write_literal(name, &mut out);
            out.push(':');
            out.push_str(&value.0);
        }
        out.push('}');
        Self(out)
    }

    /// An array of these values.
    pub fn array(values: impl IntoIterator<Item = JsonText>) -> Self {
        let mut out = String::from("[");
        for value in values {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&value.0);
        }
        out.push(']');
        Self(out)
    }

    /// Takes text that somebody else wrote.
    ///
    /// # Errors
    /// [`JsonError`] if it is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        RawJson::parse(text.as_bytes()).map(Self::from)
    }

    /// The value, borrowed.
    pub fn raw(&self) -> RawJson<'_> {
        RawJson::from_checked(&self.0)
    }

    /// The text.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    pub fn into_json(self) -> String {
        self.0
    }
}

impl From<RawJson<'_>> for JsonText {
    fn from(raw: RawJson<'_>) -> Self {
        Self(raw.as_json().to_owned())
    }
}
