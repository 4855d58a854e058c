//! One pass over JSON text that checks the grammar, depth and names, and notes where the top-level members stand.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::string::decode;
use super::{JsonError, MAX_DEPTH, MAX_MEMBERS, MAX_NAME_BYTES, MAX_OPEN_NAMES, RawJson};

/// What to do with half of a surrogate pair in a string value; in a name it is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surrogates {
    /// Refuse it: requests, which others read after us.
    Refused,
    /// Let it pass: answers, which some servers cut in the middle of a pair.
    Allowed,
}

/// A top-level member and where it stands in the input.
#[derive(Debug, Clone)]
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    /// Offset of the name's opening quote.
    pub(crate) name_at: usize,
    pub(crate) value: RawJson<'a>,
    /// Offset of the value's first byte.
    pub(crate) value_at: usize,
}

impl Member<'_> {
    pub(crate) fn end(&self) -> usize {
        self.value_at.saturating_add(self.value.as_bytes().len())
    }
}

/// Reads a whole document that holds one value.
pub(crate) fn scan_document(
    input: &[u8],
    surrogates: Surrogates,
) -> Result<RawJson<'_>, JsonError> {
    let mut scanner = Scanner::new(input, surrogates)?;
    scanner.white_space();
    let start = scanner.at;
    scanner.value(1)?;
    let end = scanner.at;
    scanner.end()?;
    scanner
        .text
        .get(start..end)
        .map(RawJson)
        .ok_or(JsonError::Syntax { at: start })
}

/// Reads a whole document that holds one object; gives its members in order.
pub(crate) fn scan_object(
    input: &[u8],
    surrogates: Surrogates,
) -> Result<Vec<Member<'_>>, JsonError> {
    let mut scanner = Scanner::new(input, surrogates)?;
    let mut members = Vec::new();
    scanner.white_space();
    match scanner.peek() {
        Some(b'{') => scanner.object(1, Some(&mut members))?,
        Some(_) => {
            scanner.value(1)?;
            scanner.end()?;
            return Err(JsonError::NotAnObject);
        }
        None => return Err(scanner.syntax()),
    }
    scanner.end()?;
    Ok(members)
}

struct Name<'a> {
    text: Cow<'a, str>,
    at: usize,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    surrogates: Surrogates,
    /// The names of all objects that are open; each object's stand behind those of the object around it.
    names: Vec<Name<'a>>,
}

impl<'a> Scanner<'a> {
    fn new(input: &'a [u8], surrogates: Surrogates) -> Result<Self, JsonError> {
        let text = core::str::from_utf8(input).map_err(|error| JsonError::Utf8 {
            at: error.valid_up_to(),
        })?;
        Ok(Self {
            text,
            at: 0,
            surrogates,
            names: Vec::new(),
        })
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    fn syntax(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.advance(1);
        }
    }

    fn end(&mut self) -> Result<(), JsonError> {
        self.white_space();
        if self.peek().is_some() {
            Err(JsonError::TrailingBytes { at: self.at })
        } else {
            Ok(())
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{') => self.object(depth, None),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(self.surrogates).map(drop),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax()),
        }
    }

    fn literal(&mut self, expected: &[u8]) -> Result<(), JsonError> {
        if !self.rest().starts_with(expected) {
            return Err(self.syntax());
        }
        self.advance(expected.len());
        Ok(())
    }

    // RFC 8259 §6
    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.advance(1);
        }
        if self.peek() == Some(b'0') {
            self.advance(1);
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.advance(1);
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.advance(1);
            if let Some(b'+' | b'-') = self.peek() {
                self.advance(1);
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            return Err(self.syntax());
        }
        self.advance(count);
        Ok(())
    }

    /// Reads a string from its opening quote; tells whether it has an escape.
    fn string(&mut self, surrogates: Surrogates) -> Result<bool, JsonError> {
        self.advance(1);
        let mut escaped = false;
        loop {
            self.advance(plain_run(self.rest()));
            match self.peek() {
                Some(b'"') => {
                    self.advance(1);
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape(surrogates)?;
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn escape(&mut self, surrogates: Surrogates) -> Result<(), JsonError> {
        let start = self.at;
        match self.rest().get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.advance(2);
                return Ok(());
            }
            Some(b'u') => {}
            _ => return Err(self.syntax()),
        }
        let unit = unicode_escape(self.rest()).ok_or(JsonError::Syntax { at: start })?;
        self.advance(6);
        let paired = match unit {
            0xD800..=0xDBFF => match unicode_escape(self.rest()) {
                Some(0xDC00..=0xDFFF) => {
                    self.advance(6);
                    true
                }
                _ => false,
            },
            0xDC00..=0xDFFF => false,
            _ => true,
        };
        if !paired && surrogates == Surrogates::Refused {
            return Err(JsonError::LoneSurrogate { at: start });
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep { at: self.at });
        }
        self.advance(1);
        self.white_space();
        if self.peek() == Some(b']') {
            self.advance(1);
            return Ok(());
        }
        loop {
            self.white_space();
            self.value(depth.saturating_add(1))?;
            self.white_space();
            match self.peek() {
                Some(b',') => self.advance(1),
                Some(b']') => {
                    self.advance(1);
                    return Ok(());
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn object(
        &mut self,
        depth: usize,
        mut members: Option<&mut Vec<Member<'a>>>,
    ) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep { at: self.at });
        }
        let first_name = self.names.len();
        self.advance(1);
        self.white_space();
        if self.peek() == Some(b'}') {
            self.advance(1);
            return Ok(());
        }
        loop {
            self.white_space();
            let name = self.name()?;
            self.white_space();
            self.literal(b":")?;
            self.white_space();
            let value_at = self.at;
            self.value(depth.saturating_add(1))?;
            if let Some(members) = members.as_deref_mut() {
                let value = self
                    .text
                    .get(value_at..self.at)
                    .map(RawJson)
                    .ok_or(JsonError::Syntax { at: value_at })?;
                push_member(
                    members,
                    Member {
                        name: name.text.clone(),
                        name_at: name.at,
                        value,
                        value_at,
                    },
                )?;
            }
            if self.names.len() >= MAX_OPEN_NAMES {
                return Err(JsonError::TooManyMembers { at: name.at });
            }
            self.names.push(name);
            self.white_space();
            match self.peek() {
                Some(b',') => self.advance(1),
                Some(b'}') => {
                    self.advance(1);
                    self.check_names(first_name)?;
                    self.names.truncate(first_name);
                    return Ok(());
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn name(&mut self) -> Result<Name<'a>, JsonError> {
        let at = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.syntax());
        }
        let escaped = self.string(Surrogates::Refused)?;
        let body = self
            .text
            .get(at..self.at)
            .and_then(|quoted| RawJson(quoted).string_body())
            .unwrap_or_default();
        Ok(Name {
            text: if escaped {
                decode(body)
            } else {
                Cow::Borrowed(body)
            },
            at,
        })
    }

    /// Refuses a repeated name among those from `first` on, in O(n log n), whoever chose the names.
    fn check_names(&mut self, first: usize) -> Result<(), JsonError> {
        const FEW: usize = 12;
        let names = self.names.get_mut(first..).unwrap_or_default();
        if names.len() > FEW {
            names.sort_unstable_by(|a, b| a.text.cmp(&b.text).then(a.at.cmp(&b.at)));
            let repeated = names
                .iter()
                .zip(names.iter().skip(1))
                .filter(|(a, b)| a.text == b.text);
            return match repeated.map(|(_, second)| second.at).min() {
                Some(at) => Err(JsonError::DuplicateMember { at }),
                None => Ok(()),
            };
        }
        for (index, name) in names.iter().enumerate() {
            if names
                .iter()
                .take(index)
                .any(|earlier| earlier.text == name.text)
            {
                return Err(JsonError::DuplicateMember { at: name.at });
            }
        }
        Ok(())
    }
}

fn push_member<'a>(members: &mut Vec<Member<'a>>, member: Member<'a>) -> Result<(), JsonError> {
    if members.len() >= MAX_MEMBERS {
        return Err(JsonError::TooManyMembers { at: member.name_at });
    }
    if member.name.len() > MAX_NAME_BYTES {
        return Err(JsonError::NameTooLong { at: member.name_at });
    }
    members.push(member);
    Ok(())
}

/// The code unit of the `\uXXXX` that `bytes` begins with.
pub(super) fn unicode_escape(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0u16, |unit, digit| {
        let nibble = (*digit as char).to_digit(16)?;
        Some(unit.wrapping_shl(4) | u16::try_from(nibble).ok()?)
    })
}

/// The number of leading bytes that stand for themselves in a string: no quote, no backslash, no control character.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The lowest flagged byte is exact; borrows can only flag bytes above it.
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut run = 0usize;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word;
        let quote = zero_bytes(word ^ ONES.wrapping_mul(0x22));
        let backslash = zero_bytes(word ^ ONES.wrapping_mul(0x5c));
        let special = (control | quote | backslash) & HIGHS;
        if special != 0 {
            let offset = usize::try_from(special.trailing_zeros() / 8).unwrap_or_default();
            return run.saturating_add(offset);
        }
        run = run.saturating_add(8);
    }
    let plain = tail
        .iter()
        .take_while(|byte| **byte >= 0x20 && !matches!(byte, b'"' | b'\\'))
        .count();
    run.saturating_add(plain)
}

/// Drops white space, commas and colons. In checked text they are only ever what the grammar asks for.
pub(super) fn skip_separators(text: &str) -> &str {
    text.trim_start_matches([' ', '\n', '\r', '\t', ',', ':'])
}

/// Splits checked text after its first value; `None` at a closing bracket.
pub(super) fn split_value(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let end = match bytes.first()? {
        b']' | b'}' => return None,
        b'"' => string_end(bytes)?,
        b'{' | b'[' => container_end(bytes)?,
        _ => bytes
            .iter()
            .position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t'))
            .unwrap_or(bytes.len()),
    };
    text.split_at_checked(end)
}

/// The length of the string that checked text begins with, quotes included.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1usize;
    loop {
        at = at.checked_add(plain_run(bytes.get(at..)?))?;
        match bytes.get(at)? {
            b'"' => return at.checked_add(1),
            _ => at = at.checked_add(2)?,
        }
    }
}

/// The length of the object or array that checked text begins with, brackets included.
fn container_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    let mut open = 0usize;
    loop {
        let step = match bytes.get(at)? {
            b'"' => string_end(bytes.get(at..)?)?,
            b'{' | b'[' => {
                open = open.checked_add(1)?;
                1
            }
            b'}' | b']' => {
                open = open.checked_sub(1)?;
                1
            }
            _ => 1,
        };
        at = at.checked_add(step)?;
        if open == 0 {
            return Some(at);
        }
    }
}
