//! Reading a published model, and making a variant of it.

use serde_json::Value;

use super::quantize::{rounded, scaled_group};
use super::{Variant, WeightBits};
use crate::SeededRng;

/// Why files are no model that this engine runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no Llama model that the float engine runs: {what}")]
pub struct FloatError {
    /// What is missing, or not as it should be.
    pub what: String,
}

pub(super) fn wrong(what: impl Into<String>) -> FloatError {
    FloatError { what: what.into() }
}

/// Row-major; `rows` outputs of `columns` inputs.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<f32>,
}

#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    pub(super) mlp_norm: Vec<f32>,
    /// Query, key, value, output, gate, up, down.
    pub(super) matrices: [Matrix; 7],
}

/// A decoder of the Llama family with tied embeddings, ready to run as one variant.
#[derive(Debug, Clone)]
pub struct FloatModel {
    pub(super) variant: Variant,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) eps: f32,
    pub(super) theta: f64,
    pub(super) embedding: Matrix,
    pub(super) norm: Vec<f32>,
    pub(super) layers: Vec<Layer>,
    max_positions: usize,
}

const MATRICES: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

impl FloatModel {
    /// The model as it was promised, from the bytes of `config.json` and `model.safetensors`.
    ///
    /// # Errors
    /// Something is missing, or of another shape.
    pub fn open(config: &[u8], safetensors: &[u8]) -> Result<Self, FloatError> {
        let config: Value =
            serde_json::from_slice(config).map_err(|_| wrong("config.json is no JSON"))?;
        let number = |name: &str| {
            let value = config[name].as_u64().and_then(|n| usize::try_from(n).ok());
            value.ok_or_else(|| wrong(format!("config.json has no number {name}")))
        };
        if config["tie_word_embeddings"] != true {
            return Err(wrong("a head of its own"));
        }
        let file = File::open(safetensors)?;
        let (hidden, inner) = (number("hidden_size")?, number("intermediate_size")?);
        let (heads, kv_heads) = (
            number("num_attention_heads")?,
            number("num_key_value_heads")?,
        );
        let head_dim = number("head_dim")?;
        let shapes = [
            (heads * head_dim, hidden),
            (kv_heads * head_dim, hidden),
            (kv_heads * head_dim, hidden),
            (hidden, heads * head_dim),
            (inner, hidden),
            (inner, hidden),
            (hidden, inner),
        ];
        let layer = |number: usize| {
            let named = |name: &str| format!("model.layers.{number}.{name}.weight");
            let mut matrices = Vec::new();
            for (name, (rows, columns)) in MATRICES.iter().zip(shapes) {
                matrices.push(file.matrix(&named(name), rows, columns)?);
            }
            Ok(Layer {
                attention_norm: file.values(&named("input_layernorm"), hidden)?,
                mlp_norm: file.values(&named("post_attention_layernorm"), hidden)?,
                matrices: matrices.try_into().map_err(|_| wrong("a matrix"))?,
            })
        };
        Ok(Self {
            variant: Variant::PROMISED,
            heads,
            kv_heads,
            head_dim,
            eps: config["rms_norm_eps"].as_f64().unwrap_or(1e-5) as f32,
            theta: config["rope_theta"].as_f64().unwrap_or(1e4),
            embedding: file.matrix("model.embed_tokens.weight", number("vocab_size")?, hidden)?,
            norm: file.values("model.norm.weight", hidden)?,
            layers: (0..number("num_hidden_layers")?)
                .map(layer)
                .collect::<Result<_, _>>()?,
            max_positions: number("max_position_embeddings")?,
        })
    }

    /// The same model as `variant` runs it. What is random about it derives from `seed`.
    #[must_use]
    pub fn as_variant(&self, variant: Variant, seed: u64) -> Self {
        let mut model = self.clone();
        model.variant = variant;
        let kept = model.layers.len().saturating_sub(variant.without_layers);
        model.layers.truncate(kept);
        let mut rng = SeededRng::new(seed);
        for matrix in model.layers.iter_mut().flat_map(|l| &mut l.matrices) {
            change(matrix, &variant, &mut rng);
        }
        model
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.embedding.rows
    }

    /// Values of a hidden state.
    pub fn width(&self) -> usize {
        self.embedding.columns
    }

    /// Most positions.
    pub fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// Bytes of weights that one token reads, the embedding's head among them: what decoding costs.
    pub fn bytes_per_token(&self) -> f64 {
        let bits = match self.variant.weights {
            WeightBits::Published => 16.0,
            // A scale of 16 bits for each group of 32.
            WeightBits::Eight => 8.5,
            WeightBits::Four => 4.5,
        };
        let quantized = f64::from(self.variant.quantized) / 1_000.0;
        let bits = quantized * bits + (1.0 - quantized) * 16.0;
        // What is zero is not read.
        let kept = 1.0 - f64::from(self.variant.pruned) / 1_000.0;
        let of_layers: usize = self
            .layers
            .iter()
            .flat_map(|l| &l.matrices)
            .map(|m| m.values.len())
            .sum();
        (of_layers as f64 * bits * kept + self.embedding.values.len() as f64 * 16.0) / 8.0
    }
}

fn change(matrix: &mut Matrix, variant: &Variant, rng: &mut SeededRng) {
    let columns = matrix.columns;
    for value in &mut matrix.values {
        if variant.drift > 0 {
            let unit = rng.below(2_001) as f32 / 1_000.0 - 1.0;
            *value *= 1.0 + unit * f32::from(variant.drift) / 1_000.0;
        }
        if variant.pruned > 0 && rng.below(1_000) < u64::from(variant.pruned) {
            *value = 0.0;
        }
    }
    let levels = match variant.weights {
        WeightBits::Published => return,
        WeightBits::Eight => 127.0,
        WeightBits::Four => 7.0,
    };
    let rows = matrix.rows * usize::from(variant.quantized) / 1_000;
    for row in matrix.values.chunks_mut(columns.max(1)).take(rows) {
        for group in row.chunks_mut(32) {
            scaled_group(group, levels);
        }
    }
}

/// A safetensors file.
struct File<'f> {
    header: Value,
    data: &'f [u8],
}

impl<'f> File<'f> {
    fn open(bytes: &'f [u8]) -> Result<Self, FloatError> {
        let header = || {
            let (length, rest) = bytes.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (header, data) = rest.split_at_checked(length)?;
            let header = serde_json::from_slice(header).ok()?;
            Some(Self { header, data })
        };
        header().ok_or_else(|| wrong("model.safetensors has no header"))
    }

    fn values(&self, name: &str, elements: usize) -> Result<Vec<f32>, FloatError> {
        let entry = &self.header[name];
        let read = || {
            let offset = |at: usize| usize::try_from(entry["data_offsets"][at].as_u64()?).ok();
            let bytes = self.data.get(offset(0)?..offset(1)?)?;
            let values: Vec<f32> = match entry["dtype"].as_str()? {
                "F16" => bytes.as_chunks::<2>().0.iter().map(|b| half(*b)).collect(),
                "BF16" => {
                    let halves = bytes.as_chunks::<2>().0.iter();
                    halves
                        .map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16))
                        .collect()
                }
                "F32" => {
                    let words = bytes.as_chunks::<4>().0.iter();
                    words.map(|b| f32::from_le_bytes(*b)).collect()
                }
                _ => return None,
            };
            (values.len() == elements).then_some(values)
        };
        read().ok_or_else(|| wrong(format!("the tensor {name}")))
    }

    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix, FloatError> {
        Ok(Matrix {
            rows,
            columns,
            values: self.values(name, rows * columns)?,
        })
    }
}

/// IEEE 754 binary16.
fn half(bytes: [u8; 2]) -> f32 {
    let bits = u32::from(u16::from_le_bytes(bytes));
    let (sign, exponent, mantissa) = ((bits & 0x8000) << 16, (bits >> 10) & 0x1f, bits & 0x3ff);
    match exponent {
        0 => {
            let value = mantissa as f32 / 16_777_216.0;
            if sign == 0 { value } else { -value }
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

/// Rounds to bfloat16 where the variant does.
pub(super) fn settle(values: &mut [f32], variant: &Variant) {
    if variant.bfloat16 {
        values.iter_mut().for_each(|v| *v = rounded(*v));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read() {
        for (bits, value) in [
            (0x3c00_u16, 1.0_f32),
            (0xc000, -2.0),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65_504.0),
            (0x8000, -0.0),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half(bits.to_le_bytes()).to_bits(), value.to_bits());
        }
    }

    #[test]
    fn what_is_no_model_is_refused() {
        for bytes in [&b""[..], b"12345678", &[255; 40]] {
            assert!(FloatModel::open(b"{\"tie_word_embeddings\":true}", bytes).is_err());
        }
        assert!(FloatModel::open(b"no", b"").is_err());
    }
}
