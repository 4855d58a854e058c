//! GGUF files, versions 2 and 3: a bounded reader, and what their metadata says of a decoder and its tokenizer.

mod blocks;
mod metadata;
mod reader;
mod tokenizer;

use std::path::Path;

use crate::ImportError;
use crate::config::{Activation, DecoderConfig, Family, Rope, RopeScaling, check_config};
use crate::decoder::{DecoderSource, Names};
use crate::source::{FloatModel, TextFiles};
use crate::tensors::TensorStore as _;
use metadata::Metadata;
use reader::GgufFile;

pub(crate) const FORMAT: &str = "GGUF";

/// Opens a GGUF file. Weights are read when they are asked for.
///
/// # Errors
/// It is malformed or says something that is not supported.
pub fn open_gguf(path: &Path) -> Result<FloatModel, ImportError> {
    let (file, metadata) = GgufFile::open(path)?;
    let config = config(&file, &metadata)?;
    let (tokenizer, tokenizer_missing) = match tokenizer::convert(&metadata) {
        Ok(tokenizer) => (Some(tokenizer), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let id = |key: &str| metadata.integer(key).and_then(|id| u32::try_from(id).ok());
    let end_keys = [
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.eom_token_id",
    ];
    let mut end_ids: Vec<u32> = end_keys.into_iter().filter_map(id).collect();
    end_ids.sort_unstable();
    end_ids.dedup();
    let tokens = metadata.texts("tokenizer.ggml.tokens");
    let special = [
        ("bos_token", "tokenizer.ggml.bos_token_id"),
        ("eos_token", "tokenizer.ggml.eos_token_id"),
    ]
    .into_iter()
    .filter_map(|(name, key)| {
        let text = tokens?.get(id(key)? as usize)?;
        Some((name.to_owned(), text.clone()))
    })
    .collect();
    let text = TextFiles {
        tokenizer,
        tokenizer_missing,
        chat_template: metadata.text("tokenizer.chat_template").map(str::to_owned),
        end_ids,
        begin_id: id("tokenizer.ggml.bos_token_id"),
        sampling: std::collections::BTreeMap::new(),
        special,
    };
    Ok(FloatModel {
        format: "gguf",
        decoder: DecoderSource::open(config, Box::new(file), Names::Gguf)?,
        text,
        files: vec![path.to_owned()],
    })
}

/// Keys of an architecture that are read, or that say nothing about what is computed.
const KNOWN: [&str; 22] = [
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "rope.scale_linear",
    "vocab_size",
    "expert_count",
    "expert_used_count",
    "use_parallel_residual",
];

fn config(file: &GgufFile, metadata: &Metadata) -> Result<DecoderConfig, ImportError> {
    let architecture = metadata
        .text("general.architecture")
        .ok_or_else(|| ImportError::missing("key general.architecture", FORMAT))?;
    let family = match architecture {
        "llama" => Family::Llama,
        "qwen2" => Family::Qwen2,
        "qwen3" => Family::Qwen3,
        "gpt2" => Family::Gpt2,
        other => {
            return Err(ImportError::unsupported(
                format!("architecture {other}"),
                "general.architecture of the GGUF file",
            ));
        }
    };
    let keys = Keys {
        metadata,
        architecture,
    };
    keys.check_known()?;
    let hidden = keys.required("embedding_length")?;
    let heads = keys.required("attention.head_count")?;
    let layers = keys.required("block_count")?;
    let kv_heads = keys.size("attention.head_count_kv")?.unwrap_or(heads);
    let head_dim = keys.size("attention.key_length")?.unwrap_or(hidden / heads);
    if keys
        .size("attention.value_length")?
        .is_some_and(|value| value != head_dim)
    {
        return Err(ImportError::unsupported(
            "values of another width than keys",
            FORMAT,
        ));
    }
    let gpt2 = family == Family::Gpt2;
    let eps_key = if gpt2 {
        "attention.layer_norm_epsilon"
    } else {
        "attention.layer_norm_rms_epsilon"
    };
    let embedding = file
        .shape("token_embd.weight")
        .ok_or_else(|| ImportError::missing("tensor token_embd.weight", FORMAT))?;
    let window = keys.size("attention.sliding_window")?.unwrap_or(0);
    let there = |name: &str| file.shape(name).is_some();
    let config = DecoderConfig {
        family,
        vocabulary: embedding
            .first()
            .and_then(|v| usize::try_from(*v).ok())
            .unwrap_or(0),
        hidden,
        layers,
        heads,
        kv_heads,
        head_dim,
        intermediate: keys.required("feed_forward_length")?,
        max_positions: keys.required("context_length")?,
        norm_eps: keys.number(eps_key).unwrap_or(1e-5),
        rope: if gpt2 {
            None
        } else {
            Some(rope(file, &keys, head_dim)?)
        },
        windows: vec![window; layers.min(1024)],
        tied: !there("output.weight"),
        qkv_bias: gpt2 || there("blk.0.attn_q.bias"),
        output_bias: gpt2 || there("blk.0.attn_output.bias"),
        mlp_bias: gpt2 || there("blk.0.ffn_up.bias"),
        qk_norm: family == Family::Qwen3,
        activation: if gpt2 {
            Activation::GeluTanh
        } else {
            Activation::GatedSilu
        },
        score_scale: 1.0 / (head_dim.max(1) as f64).sqrt(),
    };
    if !(config.norm_eps.is_finite() && config.norm_eps > 0.0) {
        return Err(ImportError::malformed(
            FORMAT,
            "eps is not a positive number",
            eps_key,
        ));
    }
    check_config(config)
}

fn rope(file: &GgufFile, keys: &Keys<'_>, head_dim: usize) -> Result<Rope, ImportError> {
    let theta = keys.number("rope.freq_base").unwrap_or(10_000.0);
    let factor = keys
        .number("rope.scaling.factor")
        .or_else(|| keys.number("rope.scale_linear"));
    let mut scaling = match (keys.text("rope.scaling.type"), factor) {
        (None | Some("none"), None) | (Some("none"), Some(_)) => RopeScaling::None,
        (None | Some("linear"), Some(factor)) => RopeScaling::Linear { factor },
        (Some(other), _) => {
            return Err(ImportError::unsupported(
                format!("rotary scaling {other}"),
                "rope.scaling.type of the GGUF file",
            ));
        }
    };
    let mut factors = Vec::new();
    if let Some(tensor) = file.tensor("rope_freqs.weight")? {
        if scaling != RopeScaling::None {
            return Err(ImportError::unsupported(
                "two kinds of rotary scaling",
                FORMAT,
            ));
        }
        scaling = RopeScaling::Factors;
        factors = tensor.data.iter().map(|f| f64::from(*f)).collect();
    }
    let dimensions = keys.size("rope.dimension_count")?.unwrap_or(head_dim);
    let fine = |x: f64| x.is_finite() && x > 0.0;
    if !fine(theta) || !factors.iter().all(|f| fine(*f)) || !fine(factor.unwrap_or(1.0)) {
        return Err(ImportError::malformed(
            FORMAT,
            "not a positive number",
            "rope",
        ));
    }
    if dimensions > head_dim || !dimensions.is_multiple_of(2) {
        return Err(ImportError::malformed(
            FORMAT,
            "dimensions beyond a head",
            "rope.dimension_count",
        ));
    }
    if dimensions != head_dim {
        return Err(ImportError::unsupported(
            "rotary positions of a part of a head",
            FORMAT,
        ));
    }
    Ok(Rope {
        theta,
        dimensions,
        scaling,
        factors,
    })
}

/// Keys that begin with the architecture's name.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl Keys<'_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn check_known(&self) -> Result<(), ImportError> {
        let prefix = self.key("");
        for key in self.metadata.keys() {
            let Some(own) = key.strip_prefix(&prefix) else {
                continue;
            };
            if !KNOWN.contains(&own) && !self.metadata.is_off(key) {
                return Err(ImportError::unsupported(format!("setting {key}"), FORMAT));
            }
        }
        if self
            .metadata
            .integer(&self.key("expert_count"))
            .is_some_and(|n| n > 0)
        {
            return Err(ImportError::unsupported(
                "mixture of experts",
                self.key("expert_count"),
            ));
        }
        Ok(())
    }

    fn size(&self, key: &str) -> Result<Option<usize>, ImportError> {
        let key = self.key(key);
        if !self.metadata.keys().any(|other| *other == key) {
            return Ok(None);
        }
        let number = self
            .metadata
            .integer(&key)
            .filter(|n| (0..=1 << 24).contains(n));
        match number.and_then(|n| usize::try_from(n).ok()) {
            None => Err(ImportError::malformed(FORMAT, "not a size", key)),
            some => Ok(some),
        }
    }

    fn required(&self, key: &str) -> Result<usize, ImportError> {
        self.size(key)?
            .filter(|n| *n > 0)
            .ok_or_else(|| ImportError::missing(format!("key {}", self.key(key)), FORMAT))
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.metadata.number(&self.key(key))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.metadata.text(&self.key(key))
    }
}
