//! Tokens to calibrate on and to compare on: of given text, or of a text of ours with random tokens beside it.

use tokenizers::Tokenizer;

use crate::{ImportError, TokenData};

/// Sentences in several languages, tables and code.
const BUILT_IN: &str = include_str!("data/calibration.txt");
/// Tokens of a sequence.
const WINDOW: usize = 256;
/// Most tokens that ranges are taken from, and as many again to compare on.
const TOKENS_MAX: usize = 8192;
/// Sequences of random tokens: ranges for text that is like nothing seen.
const RANDOM_SEQUENCES: usize = 2;
const RANDOM_LENGTH: usize = 64;

/// Reads a `tokenizer.json`.
///
/// # Errors
/// It is malformed.
pub(crate) fn tokenizer(json: &[u8]) -> Result<Tokenizer, ImportError> {
    Tokenizer::from_bytes(json).map_err(|error| {
        ImportError::malformed("tokenizer.json", error.to_string(), "tokenizer.json")
    })
}

/// Documents of a text: the `text` members of JSON lines, or the text whole.
pub fn documents(text: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        value.get("text")?.as_str().map(str::to_owned)
    };
    let lines: Option<Vec<String>> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(of_line)
        .collect();
    match lines {
        Some(lines) if !lines.is_empty() => lines,
        _ => vec![text.to_owned()],
    }
}

/// Ids of a text, control tokens in it being what they say.
///
/// # Errors
/// The tokenizer fails.
pub fn encode(json: &[u8], text: &str) -> Result<Vec<u32>, ImportError> {
    ids_of(&tokenizer(json)?, text, false)
}

fn ids_of(tokenizer: &Tokenizer, text: &str, add_special: bool) -> Result<Vec<u32>, ImportError> {
    let encoding = tokenizer.encode(text, add_special).map_err(|error| {
        ImportError::malformed(
            "tokenizer.json",
            error.to_string(),
            "a text to calibrate on",
        )
    })?;
    Ok(encoding.get_ids().to_vec())
}

impl TokenData {
    /// Of documents: every fourth window is held out. With one window only, it is used for both.
    ///
    /// # Errors
    /// The tokenizer is malformed or fails.
    pub fn of_documents(
        json: &[u8],
        documents: &[String],
        vocabulary: usize,
        label: &str,
    ) -> Result<Self, ImportError> {
        let tokenizer = tokenizer(json)?;
        let marked = documents
            .iter()
            .any(|text| text.starts_with("<|") || text.starts_with("<s>"));
        let mut windows: Vec<Vec<u32>> = Vec::new();
        let mut total = 0;
        for document in documents {
            let ids = ids_of(&tokenizer, document, !marked)?;
            total += ids.len();
            windows.extend(
                ids.chunks(WINDOW)
                    .filter(|ids| ids.len() > 1)
                    .map(<[u32]>::to_vec),
            );
            if total >= 2 * TOKENS_MAX {
                break;
            }
        }
        if windows
            .iter()
            .flatten()
            .any(|id| *id as usize >= vocabulary)
        {
            return Err(ImportError::malformed(
                "tokenizer.json",
                format!("an id beyond the vocabulary of {vocabulary}"),
                "tokenizer.json",
            ));
        }
        if windows.is_empty() {
            return Err(ImportError::missing("text of two tokens or more", label));
        }
        let mut data = Self {
            label: label.to_owned(),
            ..Self::default()
        };
        let single = windows.len() == 1;
        for (at, window) in windows.into_iter().enumerate() {
            if single {
                data.calibration.push(window.clone());
            }
            if at % 4 == 3 || single {
                data.held_out.push(window);
            } else {
                data.calibration.push(window);
            }
        }
        if data.held_out.is_empty() {
            data.held_out.extend(data.calibration.last().cloned());
        }
        data.calibration.extend(random_sequences(vocabulary));
        Ok(data)
    }

    /// Of the text that comes with the importer.
    ///
    /// # Errors
    /// As [`TokenData::of_documents`].
    pub fn built_in(json: &[u8], vocabulary: usize) -> Result<Self, ImportError> {
        let paragraphs: Vec<String> = BUILT_IN.split("\n\n").map(str::to_owned).collect();
        Self::of_documents(
            json,
            &paragraphs,
            vocabulary,
            "built-in text and random tokens",
        )
    }

    /// Keeps sequences within `max_positions`.
    pub fn cut(&mut self, max_positions: usize) {
        for ids in self.calibration.iter_mut().chain(&mut self.held_out) {
            ids.truncate(max_positions);
        }
    }
}

/// The same for every import (SplitMix64 from 1).
fn random_sequences(vocabulary: usize) -> Vec<Vec<u32>> {
    let mut state: u64 = 1;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Below the vocabulary, which is below 2^24.
        ((z ^ (z >> 31)) % vocabulary.max(1) as u64) as u32
    };
    (0..RANDOM_SEQUENCES)
        .map(|_| (0..RANDOM_LENGTH).map(|_| next()).collect())
        .collect()
}
