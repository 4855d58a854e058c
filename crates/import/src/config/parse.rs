//! `config.json`.

use serde_json::{Map, Value};

use super::{Activation, DecoderConfig, Family, Rope, RopeScaling};
use crate::ImportError;

const FORMAT: &str = "config.json";

/// Keys that say nothing about what is computed, or that other files decide.
const HARMLESS: [&str; 37] = [
    "_name_or_path",
    "_attn_implementation",
    "architectures",
    "attention_dropout",
    "attn_pdrop",
    "bos_token_id",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "id2label",
    "initializer_range",
    "keys_to_ignore_at_inference",
    "label2id",
    "max_length",
    "model_type",
    "n_ctx",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "resid_pdrop",
    "return_dict",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
    "finetuning_task",
];

/// Largest value of a size.
const SIZE_MAX: u64 = 1 << 24;
const LAYERS_MAX: u64 = 1024;

/// Values of the object, with the memory of which keys were asked for.
struct Keys {
    values: Map<String, Value>,
}

impl Keys {
    /// The value, taken out; null is as good as not there.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.values.remove(key).filter(|value| !value.is_null())
    }

    fn size(&mut self, key: &'static str) -> Result<Option<usize>, ImportError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let number = value
            .as_u64()
            .filter(|number| (1..=SIZE_MAX).contains(number))
            .ok_or_else(|| malformed(key, format!("{value} is not a size from 1 to {SIZE_MAX}")))?;
        Ok(usize::try_from(number).ok())
    }

    fn required(&mut self, key: &'static str) -> Result<usize, ImportError> {
        self.size(key)?
            .ok_or_else(|| ImportError::missing(format!("key {key}"), FORMAT))
    }

    /// The number of layers, bounded before anything is made for each of them.
    fn layers(&mut self, key: &'static str) -> Result<usize, ImportError> {
        let layers = self.required(key)?;
        check_layers(layers)?;
        Ok(layers)
    }

    fn number(&mut self, key: &'static str, otherwise: f64) -> Result<f64, ImportError> {
        match self.take(key) {
            None => Ok(otherwise),
            Some(value) => positive(&value, key),
        }
    }

    fn flag(&mut self, key: &'static str, otherwise: bool) -> Result<bool, ImportError> {
        match self.take(key) {
            None => Ok(otherwise),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(value) => Err(malformed(key, format!("{value} is neither true nor false"))),
        }
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, ImportError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(malformed(key, format!("{value} is not a text"))),
        }
    }

    /// Nothing may be left that could change what is computed.
    fn finish(self) -> Result<(), ImportError> {
        for (key, value) in &self.values {
            let empty = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(list) => list.is_empty(),
                Value::Object(object) => object.is_empty(),
                _ => false,
            };
            if !empty && !HARMLESS.contains(&key.as_str()) {
                return Err(ImportError::unsupported(format!("setting {key}"), FORMAT));
            }
        }
        Ok(())
    }
}

fn malformed(key: &str, what: String) -> ImportError {
    ImportError::malformed(FORMAT, what, key)
}

fn positive(value: &Value, key: &str) -> Result<f64, ImportError> {
    value
        .as_f64()
        .filter(|number| number.is_finite() && *number > 0.0)
        .ok_or_else(|| malformed(key, format!("{value} is not a positive number")))
}

/// Reads `config.json`.
///
/// # Errors
/// It is malformed, of a family that is not read, or has a setting that is not supported; the setting is named.
pub fn parse_config(bytes: &[u8]) -> Result<DecoderConfig, ImportError> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ImportError::malformed(FORMAT, error.to_string(), FORMAT))?;
    let Value::Object(values) = value else {
        return Err(malformed("the file", "not an object".into()));
    };
    let mut keys = Keys { values };
    if let Some(quantization) = keys.take("quantization_config") {
        let method = quantization["quant_method"].as_str().unwrap_or("unnamed");
        return Err(ImportError::unsupported(
            format!("quantization {method}"),
            FORMAT,
        ));
    }
    let family = family(&mut keys)?;
    let config = if family == Family::Gpt2 {
        gpt2(&mut keys)?
    } else {
        llama(&mut keys, family)?
    };
    keys.finish()?;
    check(config)
}

fn family(keys: &mut Keys) -> Result<Family, ImportError> {
    let name = keys
        .text("model_type")?
        .ok_or_else(|| ImportError::missing("key model_type", FORMAT))?;
    Ok(match name.as_str() {
        "llama" => Family::Llama,
        "mistral" => Family::Mistral,
        "qwen2" => Family::Qwen2,
        "qwen3" => Family::Qwen3,
        "gpt2" => Family::Gpt2,
        other => {
            return Err(ImportError::unsupported(
                format!("architecture {other}"),
                "model_type of config.json",
            ));
        }
    })
}

fn activation(name: Option<&str>, family: Family) -> Result<Activation, ImportError> {
    let gated = family != Family::Gpt2;
    Ok(match (gated, name) {
        (true, None | Some("silu" | "swish")) => Activation::GatedSilu,
        (false, None | Some("gelu_new" | "gelu_pytorch_tanh")) => Activation::GeluTanh,
        (false, Some("gelu")) => Activation::GeluErf,
        (false, Some("relu")) => Activation::Relu,
        (_, Some(other)) => {
            return Err(ImportError::unsupported(
                format!("activation {other}"),
                FORMAT,
            ));
        }
    })
}

fn llama(keys: &mut Keys, family: Family) -> Result<DecoderConfig, ImportError> {
    let hidden = keys.required("hidden_size")?;
    let heads = keys.required("num_attention_heads")?;
    let layers = keys.layers("num_hidden_layers")?;
    let head_dim = match keys.size("head_dim")? {
        Some(head_dim) => head_dim,
        // The default of `transformers` for Qwen3.
        None if family == Family::Qwen3 => 128,
        None => hidden / heads,
    };
    if keys.size("pretraining_tp")?.is_some_and(|parts| parts != 1) {
        return Err(ImportError::unsupported("setting pretraining_tp", FORMAT));
    }
    let max_positions = keys.required("max_position_embeddings")?;
    let attention_bias = keys.flag("attention_bias", false)?;
    let (qkv_bias, output_bias) = match family {
        Family::Qwen2 => (true, false),
        _ => (attention_bias, attention_bias),
    };
    Ok(DecoderConfig {
        family,
        vocabulary: keys.required("vocab_size")?,
        hidden,
        layers,
        heads,
        kv_heads: keys.size("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        intermediate: keys.required("intermediate_size")?,
        max_positions,
        norm_eps: keys.number("rms_norm_eps", 1e-6)?,
        rope: Some(rope(keys, head_dim, max_positions)?),
        windows: windows(keys, family, layers)?,
        tied: keys.flag("tie_word_embeddings", false)?,
        qkv_bias,
        output_bias,
        mlp_bias: keys.flag("mlp_bias", false)?,
        qk_norm: family == Family::Qwen3,
        activation: activation(keys.text("hidden_act")?.as_deref(), family)?,
        score_scale: 1.0 / (head_dim as f64).sqrt(),
    })
}

fn windows(keys: &mut Keys, family: Family, layers: usize) -> Result<Vec<usize>, ImportError> {
    let window = keys.size("sliding_window")?;
    let used = keys.flag("use_sliding_window", false)?;
    // 0 is allowed here: then every layer slides.
    let full_layers = keys
        .take("max_window_layers")
        .and_then(|value| value.as_u64());
    let types = keys.take("layer_types");
    let sliding = |layer: usize| match family {
        Family::Mistral => true,
        Family::Qwen2 | Family::Qwen3 => {
            used && layer as u64 >= full_layers.unwrap_or(layers as u64)
        }
        _ => false,
    };
    let Some(Value::Array(types)) = types else {
        return Ok((0..layers)
            .map(|layer| window.filter(|_| sliding(layer)).unwrap_or(0))
            .collect());
    };
    if types.len() != layers {
        return Err(malformed(
            "layer_types",
            format!("{} entries for {layers} layers", types.len()),
        ));
    }
    types
        .iter()
        .map(|kind| match kind.as_str() {
            Some("full_attention") => Ok(0),
            Some("sliding_attention") => {
                window.ok_or_else(|| ImportError::missing("key sliding_window", FORMAT))
            }
            _ => Err(ImportError::unsupported(
                format!("layer type {kind}"),
                "layer_types of config.json",
            )),
        })
        .collect()
}

fn rope(keys: &mut Keys, head_dim: usize, max_positions: usize) -> Result<Rope, ImportError> {
    let theta = keys.number("rope_theta", 10_000.0)?;
    let partial = keys.number("partial_rotary_factor", 1.0)?;
    let scaling = keys.take("rope_scaling");
    let parameters = keys.take("rope_parameters");
    let mut rope = Rope {
        theta,
        dimensions: head_dim,
        scaling: RopeScaling::None,
        factors: Vec::new(),
    };
    if partial != 1.0 {
        return Err(ImportError::unsupported(
            "setting partial_rotary_factor",
            FORMAT,
        ));
    }
    let Some(value) = parameters.or(scaling) else {
        return Ok(rope);
    };
    let Value::Object(values) = value else {
        return Err(malformed("rope_scaling", "not an object".into()));
    };
    let mut inner = Keys { values };
    rope.theta = inner.number("rope_theta", theta)?;
    let old_kind = inner.text("type")?;
    let kind = inner.text("rope_type")?.or(old_kind);
    rope.scaling = match kind.as_deref() {
        None | Some("default") => RopeScaling::None,
        Some("linear") => RopeScaling::Linear {
            factor: inner.number("factor", 1.0)?,
        },
        Some("llama3") => RopeScaling::Llama3 {
            factor: inner.number("factor", 1.0)?,
            low_frequency: inner.number("low_freq_factor", 1.0)?,
            high_frequency: inner.number("high_freq_factor", 4.0)?,
            original_positions: inner
                .number("original_max_position_embeddings", max_positions as f64)?,
        },
        Some(other) => {
            return Err(ImportError::unsupported(
                format!("rotary scaling {other}"),
                "rope_scaling of config.json",
            ));
        }
    };
    if let RopeScaling::Llama3 {
        low_frequency,
        high_frequency,
        ..
    } = rope.scaling
        && low_frequency >= high_frequency
    {
        return Err(malformed(
            "rope_scaling",
            "low_freq_factor is not below high_freq_factor".into(),
        ));
    }
    inner.finish()?;
    Ok(rope)
}

fn gpt2(keys: &mut Keys) -> Result<DecoderConfig, ImportError> {
    let hidden = keys.required("n_embd")?;
    let heads = keys.required("n_head")?;
    let layers = keys.layers("n_layer")?;
    let head_dim = hidden / heads;
    let scaled = keys.flag("scale_attn_weights", true)?;
    for key in ["scale_attn_by_inverse_layer_idx", "add_cross_attention"] {
        if keys.flag(key, false)? {
            return Err(ImportError::unsupported(format!("setting {key}"), FORMAT));
        }
    }
    // Affects rounding of the float model only.
    keys.flag("reorder_and_upcast_attn", false)?;
    Ok(DecoderConfig {
        family: Family::Gpt2,
        vocabulary: keys.required("vocab_size")?,
        hidden,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        intermediate: keys.size("n_inner")?.unwrap_or(4 * hidden),
        max_positions: keys.size("n_positions")?.unwrap_or(1024),
        norm_eps: keys.number("layer_norm_epsilon", 1e-5)?,
        rope: None,
        windows: vec![0; layers],
        tied: keys.flag("tie_word_embeddings", true)?,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        qk_norm: false,
        activation: activation(keys.text("activation_function")?.as_deref(), Family::Gpt2)?,
        score_scale: if scaled {
            1.0 / (head_dim as f64).sqrt()
        } else {
            1.0
        },
    })
}

fn check_layers(layers: usize) -> Result<(), ImportError> {
    if layers as u64 <= LAYERS_MAX {
        return Ok(());
    }
    Err(ImportError::TooLarge {
        what: "layers",
        at: FORMAT.into(),
        got: layers as u64,
        limit: LAYERS_MAX,
    })
}

/// Sizes that fit each other.
pub(crate) fn check(config: DecoderConfig) -> Result<DecoderConfig, ImportError> {
    let fault = |what: &str| Err(malformed("sizes", what.to_owned()));
    check_layers(config.layers)?;
    if config.head_dim == 0 || config.heads > 1024 || config.head_dim > 4096 {
        return fault("a head has 1 to 4096 dimensions, a layer at most 1024 heads");
    }
    if config.kv_heads > config.heads || !config.heads.is_multiple_of(config.kv_heads) {
        return fault("the number of key/value heads does not divide that of heads");
    }
    if config.rope.is_some() && !config.head_dim.is_multiple_of(2) {
        return fault("rotary positions need an even number of dimensions");
    }
    Ok(config)
}

#[cfg(test)]
mod tests;
