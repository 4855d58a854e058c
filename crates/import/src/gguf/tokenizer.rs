//! A `tokenizer.json` from what a GGUF file says of its tokenizer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::FORMAT;
use super::metadata::Metadata;
use crate::ImportError;

/// Kinds of tokens in a GGUF vocabulary.
const KIND_UNKNOWN: i64 = 2;
const KIND_CONTROL: i64 = 3;
const KIND_USER: i64 = 4;

/// Pre-tokenizer of Llama 3 and its kind: runs of letters, up to three digits, punctuation, white space.
const SPLIT_LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// That of Qwen 2 and 3: digits one by one.
const SPLIT_QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Longest piece of which all splits are looked at; longer ones are whole lines of white space and the like.
const PIECE_MAX_CHARS: usize = 64;

/// Makes a `tokenizer.json`, or says what cannot be converted.
pub(crate) fn convert(metadata: &Metadata) -> Result<Vec<u8>, ImportError> {
    let model = metadata
        .text("tokenizer.ggml.model")
        .ok_or_else(|| ImportError::missing("key tokenizer.ggml.model", FORMAT))?;
    let tokens = metadata
        .texts("tokenizer.ggml.tokens")
        .ok_or_else(|| ImportError::missing("list tokenizer.ggml.tokens", FORMAT))?;
    let kinds = metadata.integers("tokenizer.ggml.token_type");
    let kind = |id: usize| kinds.and_then(|kinds| kinds.get(id)).copied().unwrap_or(1);
    let added: Vec<Value> = tokens
        .iter()
        .enumerate()
        .filter(|(id, _)| matches!(kind(*id), KIND_UNKNOWN | KIND_CONTROL | KIND_USER))
        .map(|(id, text)| {
            json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": kind(id) != KIND_USER})
        })
        .collect();
    let mut vocabulary = BTreeMap::new();
    for (id, text) in tokens.iter().enumerate() {
        vocabulary.entry(text.as_str()).or_insert(id);
    }
    let parts = match model {
        "gpt2" => byte_level(metadata)?,
        "llama" => sentencepiece(metadata, tokens, &vocabulary, &kind)?,
        other => {
            return Err(ImportError::unsupported(
                format!("tokenizer {other}"),
                "tokenizer.ggml.model",
            ));
        }
    };
    let begins = metadata
        .flag("tokenizer.ggml.add_bos_token")
        .unwrap_or(model == "llama");
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": parts.normalizer, "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": if begins { template(metadata, tokens) } else { Value::Null },
        "decoder": parts.decoder,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": parts.unknown, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": parts.byte_fallback, "byte_fallback": parts.byte_fallback,
            "ignore_merges": parts.ignore_merges, "vocab": vocabulary, "merges": parts.merges,
        },
    });
    Ok(file.to_string().into_bytes())
}

struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    unknown: Option<String>,
    byte_fallback: bool,
    ignore_merges: bool,
    merges: Vec<[String; 2]>,
}

/// Puts the beginning-of-sequence token before a text.
fn template(metadata: &Metadata, tokens: &[String]) -> Value {
    let id = metadata.integer("tokenizer.ggml.bos_token_id");
    let id = id.and_then(|id| usize::try_from(id).ok());
    let Some((id, text)) = id.and_then(|id| Some((id, tokens.get(id)?))) else {
        return Value::Null;
    };
    let special = json!({"SpecialToken": {"id": text, "type_id": 0}});
    let first = json!({"Sequence": {"id": "A", "type_id": 0}});
    let second = json!({"Sequence": {"id": "B", "type_id": 1}});
    json!({"type": "TemplateProcessing", "single": [special, first], "pair": [special, first, special, second],
           "special_tokens": {text: {"id": text, "ids": [id], "tokens": [text]}}})
}

fn byte_level(metadata: &Metadata) -> Result<Parts, ImportError> {
    let bytes = |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
    let split = |pattern: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false}, bytes(false)]})
    };
    let digits = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": true}, bytes(true)]});
    let pre = metadata.text("tokenizer.ggml.pre").unwrap_or("default");
    let (pre_tokenizer, normalizer) = match pre {
        "gpt-2" | "default" => (bytes(true), Value::Null),
        "llama-bpe" | "llama3" | "llama-v3" => (split(SPLIT_LLAMA3), Value::Null),
        "qwen2" => (split(SPLIT_QWEN2), json!({"type": "NFC"})),
        "smollm" => (digits, Value::Null),
        other => {
            return Err(ImportError::unsupported(
                format!("pre-tokenizer {other}"),
                "tokenizer.ggml.pre",
            ));
        }
    };
    let merges = metadata
        .texts("tokenizer.ggml.merges")
        .ok_or_else(|| ImportError::missing("list tokenizer.ggml.merges", FORMAT))?;
    let merges = merges
        .iter()
        .map(|merge| {
            let (left, right) = merge
                .split_once(' ')
                .ok_or_else(|| ImportError::malformed(FORMAT, "a merge of one part", merge))?;
            Ok([left.to_owned(), right.to_owned()])
        })
        .collect::<Result<_, ImportError>>()?;
    Ok(Parts {
        normalizer,
        pre_tokenizer,
        decoder: bytes(true),
        unknown: None,
        byte_fallback: false,
        ignore_merges: matches!(pre, "llama-bpe" | "llama3" | "llama-v3"),
        merges,
    })
}

/// SentencePiece's BPE: a pair is merged the sooner the higher its result's score is.
fn sentencepiece(
    metadata: &Metadata,
    tokens: &[String],
    vocabulary: &BTreeMap<&str, usize>,
    kind: &dyn Fn(usize) -> i64,
) -> Result<Parts, ImportError> {
    let scores = metadata
        .numbers("tokenizer.ggml.scores")
        .filter(|scores| scores.len() == tokens.len() && scores.iter().all(|s| s.is_finite()))
        .ok_or_else(|| ImportError::missing("scores of all tokens", "tokenizer.ggml.scores"))?;
    let mut merges: Vec<(f32, usize, usize, usize)> = Vec::new();
    for (id, (text, score)) in tokens.iter().zip(scores).enumerate() {
        if kind(id) != 1 || text.chars().count() > PIECE_MAX_CHARS {
            continue;
        }
        for (at, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(at);
            if let (Some(left), Some(right)) = (vocabulary.get(left), vocabulary.get(right)) {
                merges.push((*score, id, *left, *right));
            }
        }
    }
    merges.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then((a.1, a.2, a.3).cmp(&(b.1, b.2, b.3)))
    });
    let text = |id: usize| tokens.get(id).cloned().unwrap_or_default();
    let unknown = (0..tokens.len())
        .find(|id| kind(*id) == KIND_UNKNOWN)
        .map(text);
    let prefix = metadata
        .flag("tokenizer.ggml.add_space_prefix")
        .unwrap_or(true);
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
    let normalizer = if prefix {
        json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u{2581}"}, replace]})
    } else {
        replace
    };
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    Ok(Parts {
        normalizer,
        pre_tokenizer: Value::Null,
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        unknown,
        byte_fallback: true,
        ignore_merges: false,
        merges: merges
            .into_iter()
            .map(|(_, _, l, r)| [text(l), text(r)])
            .collect(),
    })
}
