//! Strings: decoding escapes, joining pieces of text, writing literals.

use alloc::borrow::Cow;
use alloc::string::String;

use super::scan::{plain_run, unicode_escape};

/// Decodes what stands between the quotes of a checked string.
pub(super) fn decode(body: &str) -> Cow<'_, str> {
    if !body.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(body);
    }
    let mut text = TextBuffer::default();
    text.push_body(body);
    Cow::Owned(text.into_string())
}

/// Text that grows by pieces of string literals. A surrogate pair that two pieces share is joined; an unpaired
/// surrogate becomes U+FFFD.
#[derive(Debug, Default, Clone)]
pub(crate) struct TextBuffer {
    text: String,
    /// A high surrogate that still waits for its other half.
    high: Option<u16>,
}

impl TextBuffer {
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text so far, without half of a pair that is still open.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends what stands between the quotes of a checked string.
    pub(crate) fn push_body(&mut self, body: &str) {
        let mut rest = body;
        while !rest.is_empty() {
            let (plain, tail) = rest
                .split_at_checked(plain_run(rest.as_bytes()))
                .unwrap_or((rest, ""));
            self.push_str(plain);
            rest = self.push_escape(tail);
        }
    }

    pub(crate) fn into_string(mut self) -> String {
        self.release();
        self.text
    }

    fn push_str(&mut self, plain: &str) {
        if !plain.is_empty() {
            self.release();
            self.text.push_str(plain);
        }
    }

    /// Appends the escape that `tail` begins with, and gives what follows it.
    fn push_escape<'a>(&mut self, tail: &'a str) -> &'a str {
        if let Some(unit) = unicode_escape(tail.as_bytes()) {
            self.push_unit(unit);
            return tail.get(6..).unwrap_or_default();
        }
        let plain = match tail.as_bytes().get(1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(other) => *other as char,
            None => return "",
        };
        self.release();
        self.text.push(plain);
        tail.get(2..).unwrap_or_default()
    }

    fn push_unit(&mut self, unit: u16) {
        match (self.high.take(), unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                self.text.extend(char::decode_utf16([high, unit]).flatten());
            }
            (pending, _) => {
                self.high = pending;
                self.release();
                match char::from_u32(u32::from(unit)) {
                    Some(plain) => self.text.push(plain),
                    None if unit < 0xDC00 => self.high = Some(unit),
                    None => self.text.push(char::REPLACEMENT_CHARACTER),
                }
            }
        }
    }

    /// Gives up on the other half of a pair.
    fn release(&mut self) {
        if self.high.take().is_some() {
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Appends `text` as a JSON string literal with the fewest escapes.
pub(super) fn write_literal(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, tail) = rest
            .split_at_checked(plain_run(rest.as_bytes()))
            .unwrap_or((rest, ""));
        out.push_str(plain);
        let mut chars = tail.chars();
        if let Some(special) = chars.next() {
            write_escape(special, out);
        }
        rest = chars.as_str();
    }
    out.push('"');
}

fn write_escape(special: char, out: &mut String) {
    match special {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        control => {
            out.push_str("\\u00");
            for shift in [4, 0] {
                let nibble = u32::from(control).wrapping_shr(shift) & 0xf;
                out.push(char::from_digit(nibble, 16).unwrap_or('0'));
            }
        }
    }
}
