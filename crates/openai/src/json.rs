//! JSON text (RFC 8259) as slices of the input: checked once, never rebuilt.

mod scan;
mod string;
mod text;

use alloc::borrow::Cow;
use core::fmt;

pub(crate) use scan::{Member, Surrogates, scan_document, scan_object};
pub(crate) use string::TextBuffer;
pub use text::JsonText;

/// Deepest nesting of objects and arrays that is read; the top-level value is at depth 1.
pub const MAX_DEPTH: usize = 128;

/// Largest number of members of one top-level object.
pub const MAX_MEMBERS: usize = 1024;

/// Largest number of names that are compared at one time: those of an object and of the objects around it.
pub const MAX_OPEN_NAMES: usize = 65_536;

/// Longest name of a top-level member, in bytes of its decoded form.
pub const MAX_NAME_BYTES: usize = 1024;

/// Why bytes are not JSON that two readers are sure to understand alike.
///
/// Every variant is the sender's fault. `at` is the offset of the offending byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not UTF-8 (RFC 8259 §8.1).
    #[error("not UTF-8 at byte {at}")]
    Utf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Not in the grammar, or the input ends too early.
    #[error("not JSON at byte {at}")]
    Syntax {
        /// Offset of the first byte that does not fit.
        at: usize,
    },
    /// Bytes after the value.
    #[error("bytes after the JSON value at byte {at}")]
    TrailingBytes {
        /// Offset of the first one.
        at: usize,
    },
    /// The top-level value is not an object.
    #[error("the JSON value is not an object")]
    NotAnObject,
    /// An object has two members of the same name after decoding escapes: readers differ in which one they take.
    #[error("the object repeats a member name at byte {at}")]
    DuplicateMember {
        /// Offset of the second name.
        at: usize,
    },
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} at byte {at}")]
    TooDeep {
        /// Offset of the bracket that is too deep.
        at: usize,
    },
    /// Half of a surrogate pair (RFC 8259 §8.2, RFC 7493 §2.1): readers differ in what they make of it.
    #[error("unpaired surrogate at byte {at}")]
    LoneSurrogate {
        /// Offset of the escape.
        at: usize,
    },
    /// More than [`MAX_MEMBERS`] top-level members, or more than [`MAX_OPEN_NAMES`] names in one place.
    #[error("too many members at byte {at}")]
    TooManyMembers {
        /// Offset of the first one that is too many.
        at: usize,
    },
    /// A top-level name longer than [`MAX_NAME_BYTES`].
    #[error("member name longer than {MAX_NAME_BYTES} bytes at byte {at}")]
    NameTooLong {
        /// Offset of the name.
        at: usize,
    },
}

impl JsonError {
    /// The stable code where the bytes are a request.
    pub fn request_code(self) -> &'static str {
        match self {
            Self::Utf8 { .. } => "request.not-utf8",
            Self::Syntax { .. } => "request.not-json",
            Self::TrailingBytes { .. } => "request.trailing-bytes",
            Self::NotAnObject => "request.not-an-object",
            Self::DuplicateMember { .. } => "request.duplicate-member",
            Self::TooDeep { .. } => "request.too-deep",
            Self::LoneSurrogate { .. } => "request.lone-surrogate",
            Self::TooManyMembers { .. } => "request.too-many-members",
            Self::NameTooLong { .. } => "request.name-too-long",
        }
    }

    /// The stable code where the bytes are an answer.
    pub fn answer_code(self) -> &'static str {
        match self {
            Self::Utf8 { .. } => "answer.not-utf8",
            Self::Syntax { .. } => "answer.not-json",
            Self::TrailingBytes { .. } => "answer.trailing-bytes",
            Self::NotAnObject => "answer.not-an-object",
            Self::DuplicateMember { .. } => "answer.duplicate-member",
            Self::TooDeep { .. } => "answer.too-deep",
            Self::LoneSurrogate { .. } => "answer.lone-surrogate",
            Self::TooManyMembers { .. } => "answer.too-many-members",
            Self::NameTooLong { .. } => "answer.name-too-long",
        }
    }
}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number without fraction and exponent
    Integer,
    /// Any other number
    Decimal,
    /// A string
    String,
    /// An array
    Array,
    /// An object
    Object,
}

impl JsonKind {
    /// The type with its article, as OpenAI's error messages put it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Integer => "an integer",
            Self::Decimal => "a decimal",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// The text of one JSON value exactly as it stands in the input, without surrounding white space.
///
/// Only made from text that was checked, so walking it cannot fail. A number is never converted unless asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawJson<'a>(&'a str);

impl fmt::Debug for RawJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}

impl<'a> RawJson<'a> {
    /// Reads one JSON value of any type, with the same strictness as a request body.
    ///
    /// # Errors
    /// [`JsonError`], but for the bounds on top-level members.
    pub fn parse(input: &'a [u8]) -> Result<Self, JsonError> {
        scan_document(input, Surrogates::Refused)
    }

    pub(crate) fn from_checked(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_json(self) -> &'a str {
        self.0
    }

    /// The bytes of the text.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// The type of the value.
    pub fn kind(self) -> JsonKind {
        match self.0.as_bytes().first() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') | None => JsonKind::Null,
            Some(_)
                if self
                    .0
                    .bytes()
                    .any(|byte| matches!(byte, b'.' | b'e' | b'E')) =>
            {
                JsonKind::Decimal
            }
            Some(_) => JsonKind::Integer,
        }
    }

    /// Whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// The decoded string; an unpaired surrogate becomes U+FFFD. Borrowed if the string has no escape.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let body = self.string_body()?;
        Some(string::decode(body))
    }

    /// What stands between the quotes of a string, escapes not decoded.
    pub(crate) fn string_body(self) -> Option<&'a str> {
        self.0.strip_prefix('"')?.strip_suffix('"')
    }

    /// The Boolean.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The integer, if it is written without fraction and exponent and fits.
    pub fn as_u64(self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The integer, if it is written without fraction and exponent and fits.
    pub fn as_i64(self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest double of a number; infinite where the number is out of range.
    pub fn as_f64(self) -> Option<f64> {
        matches!(self.kind(), JsonKind::Integer | JsonKind::Decimal).then(|| self.0.parse().ok())?
    }

    /// The elements of an array, in order; `None` if it is not an array.
    pub fn elements(self) -> Option<Elements<'a>> {
        let rest = self.0.strip_prefix('[')?;
        Some(Elements { rest })
    }

    /// The members of an object, in order; `None` if it is not an object.
    pub fn entries(self) -> Option<Entries<'a>> {
        let rest = self.0.strip_prefix('{')?;
        Some(Entries { rest })
    }

    /// The member of an object with this name, if it is there. Takes time in proportion to the object's length.
    pub fn member(self, name: &str) -> Option<RawJson<'a>> {
        self.entries()?
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

/// The elements of an array, from [`RawJson::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = RawJson<'a>;

    fn next(&mut self) -> Option<RawJson<'a>> {
        let (value, rest) = scan::split_value(scan::skip_separators(self.rest))?;
        self.rest = rest;
        Some(RawJson(value))
    }
}

/// The members of an object, from [`RawJson::entries`]: decoded name and value.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Cow<'a, str>, RawJson<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = scan::split_value(scan::skip_separators(self.rest))?;
        let (value, rest) = scan::split_value(scan::skip_separators(rest))?;
        self.rest = rest;
        Some((RawJson(key).as_str()?, RawJson(value)))
    }
}

#[cfg(test)]
mod tests;
