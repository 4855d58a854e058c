//! Text to ids and back, by a `tokenizer.json`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{AddedToken, Encoding, Token};

use super::control::{ControlToken, ControlTokens, Piece};
use crate::error::{ModelError, RequestError};

/// Longest text that is encoded, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// A tokenizer, with control tokens under our own rule.
///
/// A **control token** is an added token that is special, or whose text is more than white space (so `<think>` is one, and runs of spaces
/// that some vocabularies add are not). The library cuts added tokens out of any text; here they are cut out only of text that may hold
/// them, see [`Tokenizer::encode_trusted`].
pub struct Tokenizer {
    library: tokenizers::Tokenizer,
    /// For text that follows a control token, where the library treats the beginning of a text differently.
    inner: Option<tokenizers::Tokenizer>,
    control: ControlTokens,
    byte_fallback: bool,
}

impl core::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. Its truncation and padding are switched off: nothing is ever cut off silently.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] for anything that the library cannot read, panics of the library included.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ModelError> {
        guarded(|| Self::read(bytes))
            .flatten()
            .map_err(|reason| ModelError::malformed("tokenizer.json", reason))
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut library = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| e.to_string())?;
        library.with_truncation(None).map_err(|e| e.to_string())?;
        library.with_padding(None);
        let mut added: Vec<(u32, AddedToken)> =
            library.get_added_tokens_decoder().into_iter().collect();
        added.retain(|(_, token)| token.special || !token.content.trim().is_empty());
        added.sort_unstable_by_key(|(id, _)| *id);
        let control = added.iter().map(|(id, token)| ControlToken {
            text: token.content.clone(),
            id: *id,
            special: token.special,
            strips_before: token.lstrip,
            strips_after: token.rstrip,
            single_word: token.single_word,
        });
        let control = ControlTokens::new(control.collect());
        // All control tokens are special to the library, which is told to leave special tokens in texts alone.
        library
            .add_special_tokens(added.into_iter().map(|(_, token)| token.special(true)))
            .map_err(|e| e.to_string())?;
        library.set_encode_special_tokens(true);
        let byte_fallback = library
            .get_decoder()
            .and_then(|decoder| serde_json::to_string(decoder).ok())
            .is_some_and(|json| json.contains("\"ByteFallback\""));
        Ok(Self {
            inner: without_first_space(&library),
            library,
            control,
            byte_fallback,
        })
    }

    /// Ids that the tokenizer knows are below this.
    pub fn vocabulary(&self) -> u32 {
        let added = self.control.iter().map(|token| token.id.saturating_add(1));
        let model = u32::try_from(self.library.get_vocab_size(true)).unwrap_or(u32::MAX);
        added.max().unwrap_or(0).max(model)
    }

    /// The id of a control token or of an entry of the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.library.token_to_id(token)
    }

    /// The entry of the vocabulary with this id, as the vocabulary spells it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.library.id_to_token(id)
    }

    /// Whether the id is a special token's, which has no text in an answer.
    pub fn is_special(&self, id: u32) -> bool {
        self.control.special(id) == Some(true)
    }

    /// Encodes a text whose control tokens take effect: the caller wrote the whole prompt.
    ///
    /// # Errors
    /// [`RequestError::Tokenizer`].
    pub fn encode_trusted(&self, text: &str, add_special: bool) -> Result<Vec<u32>, RequestError> {
        let ids = self.encode_pieces(self.control.split(text), str::to_owned)?;
        if add_special {
            return self.with_special(ids);
        }
        Ok(ids)
    }

    /// Encodes a text of which no character is a control token's.
    ///
    /// # Errors
    /// [`RequestError::Tokenizer`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, RequestError> {
        self.encode_pieces(vec![Piece::Text(text)], str::to_owned)
    }

    /// Encodes a text in which characters that must not be part of a control token were replaced: control tokens are cut out first, and
    /// `restore` turns what is between them into the text that is meant.
    ///
    /// # Errors
    /// [`RequestError::Tokenizer`].
    pub(crate) fn encode_marked(
        &self,
        marked: &str,
        restore: impl Fn(&str) -> String,
    ) -> Result<Vec<u32>, RequestError> {
        self.encode_pieces(self.control.split(marked), restore)
    }

    pub(crate) fn control(&self) -> &ControlTokens {
        &self.control
    }

    fn encode_pieces(
        &self,
        pieces: Vec<Piece<'_>>,
        restore: impl Fn(&str) -> String,
    ) -> Result<Vec<u32>, RequestError> {
        let mut ids = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            match piece {
                Piece::Control(id) => ids.push(id),
                Piece::Text(text) => {
                    let library = match &self.inner {
                        Some(inner) if index > 0 => inner,
                        _ => &self.library,
                    };
                    self.encode_text(library, &restore(text), &mut ids)?;
                }
            }
        }
        Ok(ids)
    }

    /// Appends the ids of a text, none of them a control token's.
    fn encode_text(
        &self,
        library: &tokenizers::Tokenizer,
        text: &str,
        ids: &mut Vec<u32>,
    ) -> Result<(), RequestError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(tokenizer_error(format!(
                "the text has {} bytes, at most {MAX_TEXT_BYTES} are encoded",
                text.len()
            )));
        }
        let encoding = encode(library, text)?;
        // Some models have control tokens in their ordinary vocabulary and find them there: then the text is cut inside of each.
        let Some(at) = encoding
            .get_ids()
            .iter()
            .position(|id| self.control.special(*id).is_some())
        else {
            ids.extend_from_slice(encoding.get_ids());
            return Ok(());
        };
        let (begin, end) = encoding
            .get_offsets()
            .get(at)
            .copied()
            .unwrap_or((0, text.len()));
        let cut = (begin + 1..end).find(|&cut| text.is_char_boundary(cut));
        match cut.and_then(|cut| text.split_at_checked(cut)) {
            Some((left, right)) if !left.is_empty() && !right.is_empty() => {
                self.encode_text(library, left, ids)?;
                self.encode_text(self.inner.as_ref().unwrap_or(library), right, ids)
            }
            _ => Err(RequestError::ControlToken {
                token: text.get(begin..end).unwrap_or(text).to_owned(),
            }),
        }
    }

    /// Adds what the post-processor adds, such as a token at the beginning.
    fn with_special(&self, ids: Vec<u32>) -> Result<Vec<u32>, RequestError> {
        let tokens = ids
            .into_iter()
            .map(|id| Token::new(id, String::new(), (0, 0)))
            .collect();
        let encoding = Encoding::from_tokens(tokens, 0);
        guarded(|| self.library.post_process(encoding, None, true))
            .map_err(tokenizer_error)?
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|e| tokenizer_error(e.to_string()))
    }

    /// The text of ids; special tokens have none.
    ///
    /// # Errors
    /// [`RequestError::Tokenizer`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, RequestError> {
        let shown: Vec<u32> = ids
            .iter()
            .copied()
            .filter(|id| !self.is_special(*id))
            .collect();
        self.decode_shown(&shown)
    }

    /// The text of ids, none of them special.
    pub(crate) fn decode_shown(&self, ids: &[u32]) -> Result<String, RequestError> {
        guarded(|| self.library.decode(ids, false))
            .map_err(tokenizer_error)?
            .map_err(|e| tokenizer_error(e.to_string()))
    }

    /// Whether runs of byte tokens are decoded as a whole.
    pub(crate) fn has_byte_fallback(&self) -> bool {
        self.byte_fallback
    }

    /// Whether the id is one of 256 that stand for a byte.
    pub(crate) fn is_byte(&self, id: u32) -> bool {
        self.library.id_to_token(id).is_some_and(|token| {
            token.len() == 6 && token.starts_with("<0x") && token.ends_with('>')
        })
    }
}

fn encode(library: &tokenizers::Tokenizer, text: &str) -> Result<Encoding, RequestError> {
    guarded(|| library.encode(text, false))
        .map_err(tokenizer_error)?
        .map_err(|e| tokenizer_error(e.to_string()))
}

fn tokenizer_error(message: String) -> RequestError {
    RequestError::Tokenizer { message }
}

/// A tokenizer that never adds a space at the beginning, where this one adds it at the beginning of a text only.
fn without_first_space(library: &tokenizers::Tokenizer) -> Option<tokenizers::Tokenizer> {
    let mut changed = false;
    let mut pre = library.get_pre_tokenizer()?.clone();
    never_prepend(&mut pre, &mut changed);
    if !changed {
        return None;
    }
    let mut inner = library.clone();
    inner.with_pre_tokenizer(Some(pre));
    Some(inner)
}

fn never_prepend(pre: &mut PreTokenizerWrapper, changed: &mut bool) {
    match pre {
        PreTokenizerWrapper::Metaspace(space) if space.prepend_scheme == PrependScheme::First => {
            space.prepend_scheme = PrependScheme::Never;
            *changed = true;
        }
        PreTokenizerWrapper::Sequence(sequence) => {
            for pre in sequence.as_mut() {
                never_prepend(pre, changed);
            }
        }
        _ => {}
    }
}

/// The library panics on some malformed files; that is an error of the file, not of this process.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        format!(
            "the tokenizer library gave up: {}",
            text.unwrap_or("no reason given")
        )
    })
}
