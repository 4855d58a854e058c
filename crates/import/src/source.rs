//! A float model, opened: configuration, weights on demand, and the text files that go with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::decoder::DecoderSource;
use crate::{ImportError, gguf, huggingface};

/// A float decoder that was opened.
#[derive(Debug)]
pub struct FloatModel {
    /// `safetensors` or `gguf`.
    pub format: &'static str,
    /// Configuration and weights.
    pub decoder: DecoderSource,
    /// Tokenizer and what goes with it.
    pub text: TextFiles,
    /// The files that were read, ascending.
    pub files: Vec<PathBuf>,
}

/// What turns text to ids and back.
#[derive(Debug, Clone, Default)]
pub struct TextFiles {
    /// `tokenizer.json`.
    pub tokenizer: Option<Vec<u8>>,
    /// Why there is no tokenizer, if the source has one that could not be converted.
    pub tokenizer_missing: Option<String>,
    /// A Jinja template.
    pub chat_template: Option<String>,
    /// Ids that end a generation.
    pub end_ids: Vec<u32>,
    /// Id that begins a sequence.
    pub begin_id: Option<u32>,
    /// Recommended sampling settings.
    pub sampling: BTreeMap<String, f64>,
    /// Texts of special tokens by the names that templates use.
    pub special: BTreeMap<String, String>,
}

/// Opens a directory of the Hugging Face layout or a GGUF file.
///
/// # Errors
/// A file is missing, malformed or says something that is not supported.
pub fn open_source(path: &Path) -> Result<FloatModel, ImportError> {
    if path.is_dir() {
        return huggingface::open_directory(path);
    }
    gguf::open_gguf(path)
}
