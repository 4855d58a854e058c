//! Names of note keys.

use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use crate::note::NoteError;

/// Longest name in bytes (tlog-cosignature gives names one length byte).
const MAX_NAME_BYTES: usize = 255;

/// Name of a note key: non-empty, at most 255 bytes, without Unicode spaces, ASCII control
/// characters and `+`.
///
/// It should be a URL without scheme, such as `log.example.com/receipts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyName(String);

impl NoteKeyName {
    /// Takes a name that follows the rules of signed-note.
    pub fn parse(name: &str) -> Result<Self, NoteError> {
        let allowed = |c: char| !c.is_whitespace() && c >= ' ' && c != '+';
        let fits = !name.is_empty() && name.len() <= MAX_NAME_BYTES;
        if fits && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(NoteError::Name)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NoteKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
