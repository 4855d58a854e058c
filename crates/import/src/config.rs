//! The shape of a decoder, whatever family it is of, and `config.json` as `transformers` writes it.
//!
//! A key that is not known could change what is computed, so it is refused by name unless it is null, false or empty.

mod parse;

pub(crate) use parse::check as check_config;
pub use parse::parse_config;

/// Families that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Llama 1 to 3.x and what has their form.
    Llama,
    /// Llama's form with a sliding window.
    Mistral,
    /// Llama's form with biases of query, key and value.
    Qwen2,
    /// Llama's form with norms of query and key.
    Qwen3,
    /// `LayerNorm`, learned positions, GELU.
    Gpt2,
}

impl Family {
    /// As it is called in `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gpt2 => "gpt2",
        }
    }
}

/// Function between the matrices of the feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x), multiplied with a second product ("gated").
    GatedSilu,
    /// GELU by tanh.
    GeluTanh,
    /// GELU by the error function.
    GeluErf,
    /// max(x, 0).
    Relu,
}

impl Activation {
    /// The function of one number; for the gated kind, that of the gate.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::GatedSilu => x / (1.0 + (-x).exp()),
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::GeluErf => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Relu => x.max(0.0),
        }
    }
}

/// The error function: its Maclaurin series near zero, its continued fraction (Lentz) elsewhere. Absolute error below 1e-12.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    let value = if a < 2.5 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term.abs() > 1e-17 * sum {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let mut fraction = a;
        for n in (1..=60).rev() {
            fraction = a + f64::from(n) / 2.0 / fraction;
        }
        1.0 - (-a * a).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

/// How frequencies of rotary positions are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All divided by the factor.
    Linear {
        /// Factor.
        factor: f64,
    },
    /// Low ones divided, high ones kept, those between blended, as Llama 3.1 does.
    Llama3 {
        /// Factor of the low ones.
        factor: f64,
        /// Wavelengths longer than the original length divided by this are divided.
        low_frequency: f64,
        /// Wavelengths shorter than the original length divided by this are kept.
        high_frequency: f64,
        /// The length before stretching.
        original_positions: f64,
    },
    /// Each of the head's frequencies divided by its own factor (GGUF files state Llama 3.x so).
    Factors,
}

/// Rotary positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Dimensions of a head that are turned.
    pub dimensions: usize,
    /// Stretching.
    pub scaling: RopeScaling,
    /// For [`RopeScaling::Factors`]: a divisor for each frequency.
    pub factors: Vec<f64>,
}

impl Rope {
    /// Angles per position of each pair of dimensions, radians.
    pub fn frequencies(&self) -> Vec<f64> {
        let half = self.dimensions / 2;
        (0..half)
            .map(|i| {
                let frequency = self.theta.powf(-2.0 * i as f64 / self.dimensions as f64);
                match self.scaling {
                    RopeScaling::None => frequency,
                    RopeScaling::Linear { factor } => frequency / factor,
                    RopeScaling::Factors => frequency / self.factors.get(i).copied().unwrap_or(1.0),
                    RopeScaling::Llama3 {
                        factor,
                        low_frequency,
                        high_frequency,
                        original_positions,
                    } => {
                        // Turns within the original length.
                        let turns = original_positions * frequency / (2.0 * std::f64::consts::PI);
                        let blend = ((turns - low_frequency) / (high_frequency - low_frequency))
                            .clamp(0.0, 1.0);
                        frequency * (blend + (1.0 - blend) / factor)
                    }
                }
            })
            .collect()
    }
}

/// The shape of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Family.
    pub family: Family,
    /// Ids are below this.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Dimensions of a head.
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub intermediate: usize,
    /// Longest sequence.
    pub max_positions: usize,
    /// Added to the mean square in norms.
    pub norm_eps: f64,
    /// Rotary positions; none where positions are learned.
    pub rope: Option<Rope>,
    /// Positions that each layer's rows see, themselves included; 0 is all.
    pub windows: Vec<usize>,
    /// Whether the embedding is also the head.
    pub tied: bool,
    /// Biases of query, key and value.
    pub qkv_bias: bool,
    /// Bias of the attention's output.
    pub output_bias: bool,
    /// Biases in the feed-forward part.
    pub mlp_bias: bool,
    /// Norms of query and key per head.
    pub qk_norm: bool,
    /// Function of the feed-forward part.
    pub activation: Activation,
    /// Scores are multiplied with this.
    pub score_scale: f64,
}

impl DecoderConfig {
    /// Whether norms subtract the mean and have biases.
    pub fn layer_norm(&self) -> bool {
        self.family == Family::Gpt2
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u64 {
        let (d, h, g, e) = (
            self.hidden as u64,
            self.heads as u64,
            self.kv_heads as u64,
            self.head_dim as u64,
        );
        let gate = if self.activation == Activation::GatedSilu {
            3
        } else {
            2
        };
        let layer = d * e * (2 * h + 2 * g) + gate * d * self.intermediate as u64 + 2 * d;
        let embedding = self.vocabulary as u64 * d;
        layer * self.layers as u64 + embedding * if self.tied { 1 } else { 2 } + d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_has_the_values_of_the_tables() {
        // Abramowitz and Stegun, table 7.1.
        for (x, value) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (2.0, 0.995_322_265_0),
            (2.6, 0.999_763_965_6),
            (-1.0, -0.842_700_792_9),
        ] {
            assert!((erf(x) - value).abs() < 1e-10, "{x}: {}", erf(x));
        }
    }
}
