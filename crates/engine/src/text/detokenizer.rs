//! Text of an answer while its ids arrive.

use super::tokenizer::Tokenizer;
use crate::error::RequestError;

/// Turns ids into pieces of text that are never broken characters, and together are the text of all ids.
///
/// A piece is given out when no further id can change it: not while it ends in an unfinished character, and, where a vocabulary falls back
/// to bytes, not while a run of byte tokens goes on (such a run is decoded as a whole).
#[derive(Debug, Clone, Default)]
pub struct Detokenizer {
    /// Ids of `context` and of what was not given out yet.
    window: Vec<u32>,
    /// How many ids of the window were given out; their text is the context that the next is decoded in.
    given: usize,
    /// Bytes of the text of the first `given` ids.
    given_bytes: usize,
}

impl Detokenizer {
    /// Takes the next id, gives out what is certain now.
    ///
    /// # Errors
    /// [`RequestError::Tokenizer`].
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String, RequestError> {
        if tokenizer.is_special(id) {
            return Ok(String::new());
        }
        self.window.push(id);
        if tokenizer.has_byte_fallback() && tokenizer.is_byte(id) {
            return Ok(String::new());
        }
        let text = tokenizer.decode_shown(&self.window)?;
        if text.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        let Some(new) = text.get(self.given_bytes..).filter(|new| !new.is_empty()) else {
            return Ok(String::new());
        };
        let new = new.to_owned();
        self.advance(tokenizer, text.len())?;
        Ok(new)
    }

    /// Everything that was held back, when no id follows any more.
    ///
    /// # Errors
    /// [`RequestError::Tokenizer`].
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, RequestError> {
        let text = tokenizer.decode_shown(&self.window)?;
        let rest = text.get(self.given_bytes..).unwrap_or_default().to_owned();
        *self = Self::default();
        Ok(rest)
    }

    /// Keeps of the window what was new, as the context of what comes; more if that has no text of its own.
    fn advance(&mut self, tokenizer: &Tokenizer, all_bytes: usize) -> Result<(), RequestError> {
        let context = tokenizer.decode_shown(&self.window[self.given..])?;
        if context.trim().is_empty() || context.ends_with('\u{fffd}') {
            self.given_bytes = all_bytes;
        } else {
            self.window.drain(..self.given);
            self.given_bytes = context.len();
        }
        self.given = self.window.len();
        Ok(())
    }
}
