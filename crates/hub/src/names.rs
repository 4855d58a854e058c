//! Names of models.

use std::fmt;

use crate::HubError;

/// Longest name in bytes.
const MAX_BYTES: usize = 64;

/// A name that is a plain file name on every system, and no digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(String);

impl ModelName {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, longer than 64 bytes, has other than letters, digits, dots, underscores and hyphens, does not begin with a letter or
    /// a digit, ends with a dot, or could be a digest.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let begins = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        let fits = text.len() <= MAX_BYTES && text.bytes().all(allowed) && !text.ends_with('.');
        if begins && fits && digest_of(text).is_none() {
            return Ok(Self(text.to_owned()));
        }
        Err(HubError::Name { got: text.into() })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of 64 lowercase hexadecimal digits.
pub(crate) fn digest_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_file_names() {
        for name in ["fable", "Qwen3-0.6B", "a", "tiny_1.0"] {
            assert!(ModelName::parse(name).is_ok(), "{name}");
        }
        let digest = "0a".repeat(32);
        let long = "a".repeat(65);
        for name in [
            "", ".", "..", ".hidden", "a/b", "../a", "a b", "a\0", "é", "a.", "-a", &digest, &long,
        ] {
            assert!(ModelName::parse(name).is_err(), "{name:?}");
        }
    }
}
