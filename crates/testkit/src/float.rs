//! A float decoder that stands for a provider whose engine is not exact: Llama in f32, with the differences that machines have and
//! those that cheats make.
//!
//! It shares no code with the crates that it tests. It reads `config.json` and `model.safetensors` as they are published.

mod forward;
mod quantize;
mod weights;

pub use forward::{Cache, Rows};
pub use weights::{FloatError, FloatModel};

/// How many bits the weights of the layers keep. Groups of 32 share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightBits {
    /// As they were published.
    Published,
    /// 8 bits.
    Eight,
    /// 4 bits.
    Four,
}

/// In which order products are summed: the same number in exact arithmetic, another in floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summation {
    /// 16 lanes, then the lanes from the first.
    Lanes,
    /// The same from the end.
    Reversed,
    /// One after the other.
    Sequential,
    /// Four lanes, the halves of a row apart.
    Halves,
}

/// Everything in which a run may differ from the model as it was promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    /// Whether every intermediate value is rounded to bfloat16.
    pub bfloat16: bool,
    /// Order of sums.
    pub summation: Summation,
    /// Bits of the weights, for the first [`Self::quantized`] of a thousand rows of each matrix.
    pub weights: WeightBits,
    /// Rows of each matrix that are quantized, of a thousand.
    pub quantized: u16,
    /// Bits of keys and values; none: as computed.
    pub cache_bits: Option<u8>,
    /// Layers that are left out at the end.
    pub without_layers: usize,
    /// Weights that are dropped at random, of a thousand.
    pub pruned: u16,
    /// Relative size of a change of every weight, in thousandths: a relative of the model.
    pub drift: u16,
}

impl Variant {
    /// The model as it was promised, in the number format in which models are served.
    pub const PROMISED: Self = Self {
        bfloat16: true,
        summation: Summation::Lanes,
        weights: WeightBits::Published,
        quantized: 1_000,
        cache_bits: None,
        without_layers: 0,
        pruned: 0,
        drift: 0,
    };

    /// The same with sums in another order.
    pub const fn summed(summation: Summation) -> Self {
        Self {
            summation,
            ..Self::PROMISED
        }
    }

    /// The same with weights of fewer bits, on a machine of the provider's own.
    pub const fn quantized(weights: WeightBits) -> Self {
        Self {
            weights,
            ..Self::summed(Summation::Reversed)
        }
    }
}
