//! The program of a decoder.

use std::collections::BTreeMap;

use proofmark_program::{ConstantId, Interface, NodeId, NodeType, Operator};

use super::attention::Attention;
use super::matrix::{
    QuantizedMatrix, largest_result, multipliers, power, quantize_matrix, quantize_table, round,
};
use super::plan::{Plan, Wanted, plan};
use super::statistics::Statistics;
use super::tables::{ARGUMENT_REACH, ActivationTable, rotary};
use crate::config::{Activation, DecoderConfig};
use crate::decoder::{DecoderSource, LayerWeights, Matrix, Norm};
use crate::float::Site;
use crate::{Builder, Built, Elements, ImportError};

/// Fractional bits of normalized rows.
const NORM_BITS: u8 = 24;
/// Reach of int16 activations.
pub(crate) const REACH: i32 = 32_767;
/// The residual stream has room for this many times what the calibration saw.
const RESIDUAL_ROOM: f64 = 4.0;
/// Other activations have room for this many times what the calibration saw.
pub(crate) const ROOM: f64 = 1.25;
/// Fractional bits of logits (§5.1).
const LOGIT_BITS: i32 = 16;
/// Reach of logits.
const LOGIT_REACH: i32 = 1 << 30;

/// Choices of a quantization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantizeOptions {
    /// Longest sequence of the program; at most the model's.
    pub max_positions: usize,
    /// Whether a tied embedding is stored once, as int8, for both of its uses. Otherwise embeddings are int16.
    pub share_embedding: bool,
}

/// Makes the program of a decoder.
///
/// # Errors
/// The weights cannot be read, or no scales fit.
pub fn quantize_decoder(
    source: &DecoderSource,
    statistics: &Statistics,
    options: QuantizeOptions,
) -> Result<Built, ImportError> {
    let config = &source.config;
    let positions = options.max_positions.min(config.max_positions);
    let mut q = Quantizer::new(config, statistics);
    if let Some(rope) = &config.rope {
        q.rotary = Some(rotary(&mut q.builder, rope, positions)?);
    }
    let embedding = source.embedding()?;
    let shared = config.tied && options.share_embedding;
    let head = source.head()?;
    let final_norm = source.final_norm()?;
    let quantized_head =
        q.quantize_head(&final_norm, head.as_ref().unwrap_or(&embedding), shared)?;
    let mut x = q.embed(&embedding, shared.then_some(&quantized_head))?;
    if let Some(table) = source.positions()? {
        x = q.add_positions(x, table, positions)?;
    }
    drop((embedding, head));
    for layer in 0..config.layers {
        let weights = source.layer(layer)?;
        x = q.attention(x, layer, &weights)?;
        x = q.feed_forward(x, layer, &weights)?;
    }
    let (hidden, logits) = q.finish(x, &final_norm, quantized_head)?;
    let interface = Interface::Decoder {
        vocabulary: size(config.vocabulary),
        max_positions: size(positions),
        logits,
        hidden: Some(hidden),
    };
    Ok(q.builder.finish(interface))
}

pub(crate) fn size(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(crate) fn by_position(shape: &[u32], reach: i32) -> NodeType {
    NodeType {
        by_position: true,
        shape: shape.to_vec(),
        lo: -reach,
        hi: reach,
    }
}

/// The head with the scales of its input.
struct Head {
    matrix: QuantizedMatrix,
    plan: Plan,
    norm_multipliers: Vec<i32>,
    norm_shift: u8,
}

pub(crate) struct Quantizer<'a> {
    pub(crate) config: &'a DecoderConfig,
    pub(crate) statistics: &'a Statistics,
    pub(crate) builder: Builder,
    pub(crate) rotary: Option<[ConstantId; 2]>,
    activations: BTreeMap<ActivationTable, ConstantId>,
    /// The embedding's weights, where the head reads them too.
    shared: Option<ConstantId>,
    /// What one unit of the residual stream is worth.
    residual: f64,
    /// Reach of the residual stream.
    residual_reach: i32,
}

impl<'a> Quantizer<'a> {
    fn new(config: &'a DecoderConfig, statistics: &'a Statistics) -> Self {
        // The sum of squares of a row, with eps, is below 2^62; a mean that is taken off doubles a magnitude at most.
        let reach = (power(61) / config.hidden as f64)
            .sqrt()
            .floor()
            .min(power(29));
        let reach = if config.layer_norm() {
            reach / 2.0
        } else {
            reach
        };
        let mut largest = statistics.largest(0, Site::Embedded);
        let mut sum = largest;
        for layer in 0..config.layers {
            let seen = |site| statistics.largest(layer, site);
            largest = largest.max(seen(Site::Middle)).max(seen(Site::Residual));
            sum += seen(Site::AttentionOut) + seen(Site::MlpOut);
        }
        // With room for the sum no clamp is needed; where that costs too many bits, clamps it is.
        let room = RESIDUAL_ROOM * sum.clamp(largest, 16.0 * largest).max(1e-6);
        Self {
            config,
            statistics,
            builder: Builder::new(),
            rotary: None,
            activations: BTreeMap::new(),
            shared: None,
            residual: room / reach,
            residual_reach: reach as i32,
        }
    }

    fn quantize_head(&self, norm: &Norm, head: &Matrix, shared: bool) -> Result<Head, ImportError> {
        let c = self.config;
        let bias = folded_bias(head, &norm.bias);
        let with_bias = Matrix {
            bias: bias.iter().map(|b| *b as f32).collect(),
            ..head.clone()
        };
        let seen = self.statistics.at(c.layers, Site::FinalNormed, c.hidden);
        let mut plan = plan(Wanted {
            max: &roomy(&seen.max, ROOM),
            rms: &seen.rms(),
            consumers: &[&with_bias],
            balanced: !shared,
            reach: REACH,
            levels: REACH,
        });
        let uniform = plan.scales.clone();
        let (norm_multipliers, norm_shift) = self.norm_multipliers(norm, &mut plan, "head.norm")?;
        if shared {
            // One table serves two uses: rounding of the multipliers is left as an error of the head.
            plan.scales = uniform;
        }
        let outputs = vec![power(-LOGIT_BITS); head.rows];
        let matrix = quantize_matrix(head, &bias, &plan.scales, plan.reach, &outputs, "head")?;
        Ok(Head {
            matrix,
            plan,
            norm_multipliers,
            norm_shift,
        })
    }

    /// Multipliers after a norm, and the plan with the scales that they stand for.
    pub(crate) fn norm_multipliers(
        &self,
        norm: &Norm,
        plan: &mut Plan,
        at: &str,
    ) -> Result<(Vec<i32>, u8), ImportError> {
        let width = (norm.gain.len() as f64).sqrt() * power(-i32::from(NORM_BITS));
        let worth = |gain: &f32| width * f64::from(*gain);
        let ratios: Vec<f64> = norm
            .gain
            .iter()
            .zip(&plan.scales)
            .map(|(gain, scale)| worth(gain) / scale)
            .collect();
        let (multipliers, shift) = multipliers(&ratios, at)?;
        for ((scale, multiplier), gain) in plan.scales.iter_mut().zip(&multipliers).zip(&norm.gain)
        {
            if *multiplier != 0 {
                *scale = worth(gain) * power(i32::from(shift)) / f64::from(*multiplier);
            }
        }
        Ok((multipliers, shift))
    }

    /// The norm of rows of which one unit is worth `scale`.
    pub(crate) fn norm_node(
        &mut self,
        name: &str,
        x: NodeId,
        width: usize,
        scale: f64,
        mean: bool,
    ) -> NodeId {
        // Below 2^61, as the scale is not smaller than the room of a calibration by its reach.
        let eps = (width as f64 * self.config.norm_eps / (scale * scale))
            .round()
            .clamp(1.0, power(60)) as u64;
        let fraction = NORM_BITS;
        let operator = if mean {
            Operator::LayerNorm { eps, fraction }
        } else {
            Operator::RmsNorm { eps, fraction }
        };
        let result = NodeType {
            lo: -(1 << NORM_BITS),
            hi: 1 << NORM_BITS,
            ..self.builder.result(x)
        };
        self.builder.node(name, operator, &[x], result)
    }

    fn residual_norm(&mut self, name: &str, x: NodeId) -> NodeId {
        self.norm_node(
            name,
            x,
            self.config.hidden,
            self.residual,
            self.config.layer_norm(),
        )
    }

    fn embed(&mut self, embedding: &Matrix, head: Option<&Head>) -> Result<NodeId, ImportError> {
        let c = self.config;
        let result = NodeType {
            by_position: true,
            shape: Vec::new(),
            lo: 0,
            hi: i32::try_from(c.vocabulary.saturating_sub(1)).unwrap_or(i32::MAX),
        };
        let ids = self.builder.node("tokens", Operator::Tokens, &[], result);
        let Some(head) = head else {
            return self.embed_table("embedding", ids, embedding);
        };
        // Of W ≈ weight · unit / scale the weight is stored; the rest is the multiplier.
        let scale = head.plan.scales.first().copied().unwrap_or(1.0);
        let ratios: Vec<f64> = head
            .matrix
            .units
            .iter()
            .map(|unit| unit / scale / self.residual)
            .collect();
        let (multipliers, shift) = multipliers(&ratios, "embedding")?;
        let values: Vec<i32> = head.matrix.weight.iter().map(|w| i32::from(*w)).collect();
        let reach = largest_result(&values, c.hidden, &multipliers, shift);
        let table = self.builder.constant(
            "head.weight",
            &[size(c.vocabulary), size(c.hidden)],
            Elements::I8(head.matrix.weight.clone()),
        )?;
        self.shared = Some(table);
        let multipliers = self.builder.constant(
            "embedding.multipliers",
            &[size(c.vocabulary)],
            Elements::I32(multipliers),
        )?;
        let operator = Operator::Embed {
            table,
            multipliers,
            shift,
        };
        Ok(self.builder.node(
            "embedding",
            operator,
            &[ids],
            by_position(&[size(c.hidden)], reach),
        ))
    }

    /// An int16 table.
    fn embed_table(
        &mut self,
        name: &str,
        ids: NodeId,
        table: &Matrix,
    ) -> Result<NodeId, ImportError> {
        let quantized = quantize_table(table, REACH, self.residual, name)?;
        let values = quantized
            .values
            .iter()
            .map(|v| round(f64::from(*v), REACH) as i16)
            .collect();
        let shape = [size(table.rows), size(table.columns)];
        let stored =
            self.builder
                .constant(format!("{name}.table"), &shape, Elements::I16(values))?;
        let multipliers = self.builder.constant(
            format!("{name}.multipliers"),
            &[size(table.rows)],
            Elements::I32(quantized.multipliers),
        )?;
        let operator = Operator::Embed {
            table: stored,
            multipliers,
            shift: quantized.shift,
        };
        let result = by_position(&[size(table.columns)], quantized.largest);
        Ok(self.builder.node(name, operator, &[ids], result))
    }

    fn add_positions(
        &mut self,
        x: NodeId,
        mut table: Matrix,
        positions: usize,
    ) -> Result<NodeId, ImportError> {
        table.weight.truncate(positions * table.columns);
        table.rows = positions;
        let result = NodeType {
            by_position: true,
            shape: Vec::new(),
            lo: 0,
            hi: i32::try_from(positions.saturating_sub(1)).unwrap_or(i32::MAX),
        };
        let ids = self
            .builder
            .node("positions", Operator::Positions, &[], result);
        let rows = self.embed_table("positions.embedding", ids, &table)?;
        Ok(self.residual_add("positions.add", x, rows))
    }

    /// Adds to the residual stream, and clamps where its reach could be left.
    pub(crate) fn residual_add(&mut self, name: &str, x: NodeId, y: NodeId) -> NodeId {
        let sum = self.builder.add(name, x, y);
        let reach = self.residual_reach;
        self.builder
            .clamp(&format!("{name}.clamp"), sum, [-reach, reach])
    }

    /// A norm and its requantization: the input of matrices.
    pub(crate) fn normed(
        &mut self,
        name: &str,
        x: NodeId,
        norm: &Norm,
        plan: &mut Plan,
    ) -> Result<NodeId, ImportError> {
        let normed = self.residual_norm(name, x);
        let scaled = format!("{name}.scaled");
        let (multipliers, shift) = self.norm_multipliers(norm, plan, &scaled)?;
        let range = [-plan.reach, plan.reach];
        self.builder
            .requantize(&scaled, normed, multipliers, shift, range)
    }

    /// A matrix and its requantization to `outputs` within ± `reach`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another thing, and a struct would be named once"
    )]
    pub(crate) fn linear(
        &mut self,
        name: &str,
        x: NodeId,
        matrix: &Matrix,
        norm_bias: &[f32],
        plan: &Plan,
        outputs: &[f64],
        reach: i32,
    ) -> Result<NodeId, ImportError> {
        let bias = folded_bias(matrix, norm_bias);
        let quantized = quantize_matrix(matrix, &bias, &plan.scales, plan.reach, outputs, name)?;
        self.linear_node(name, x, quantized, reach)
    }

    fn linear_node(
        &mut self,
        name: &str,
        x: NodeId,
        matrix: QuantizedMatrix,
        reach: i32,
    ) -> Result<NodeId, ImportError> {
        let shape = [matrix.rows, matrix.columns];
        let product = self
            .builder
            .linear(name, x, shape, matrix.weight, matrix.bias)?;
        let scaled = format!("{name}.scaled");
        self.builder.requantize(
            &scaled,
            product,
            matrix.multipliers,
            matrix.shift,
            [-reach, reach],
        )
    }

    /// A matrix whose result goes into the residual stream.
    pub(crate) fn residual_matrix(
        &mut self,
        name: &str,
        x: NodeId,
        matrix: &Matrix,
        plan: &Plan,
        largest: f64,
    ) -> Result<NodeId, ImportError> {
        let reach = (RESIDUAL_ROOM * largest / self.residual).ceil().max(1.0);
        let reach = (reach as i32).min(self.residual_reach);
        let outputs = vec![self.residual; matrix.rows];
        self.linear(name, x, matrix, &[], plan, &outputs, reach)
    }

    fn attention(
        &mut self,
        x: NodeId,
        layer: usize,
        weights: &LayerWeights,
    ) -> Result<NodeId, ImportError> {
        Attention::new(self, layer, weights).build(x)
    }

    fn feed_forward(
        &mut self,
        x: NodeId,
        layer: usize,
        w: &LayerWeights,
    ) -> Result<NodeId, ImportError> {
        let c = self.config;
        let at = |part: &str| format!("layers.{layer}.mlp.{part}");
        let norm = &w.mlp_norm;
        let seen = self.statistics.at(layer, Site::MlpNormed, c.hidden);
        let first: Vec<Matrix> = w
            .gate
            .iter()
            .chain([&w.up])
            .map(|m| with_folded_bias(m, &norm.bias))
            .collect();
        let mut input = plan(Wanted {
            max: &roomy(&seen.max, ROOM),
            rms: &seen.rms(),
            consumers: &first.iter().collect::<Vec<_>>(),
            balanced: true,
            reach: REACH,
            levels: REACH,
        });
        drop(first);
        let normed = self.normed(&at("norm"), x, norm, &mut input)?;
        let (inner, plan) = match &w.gate {
            Some(gate) => self.gated(layer, normed, &input, gate, w)?,
            None => self.plain(layer, normed, &input, w)?,
        };
        let largest = self.statistics.largest(layer, Site::MlpOut);
        let out = self.residual_matrix(&at("down"), inner, &w.down, &plan, largest)?;
        Ok(self.residual_add(&at("add"), x, out))
    }

    /// `activation(gate) · up`.
    fn gated(
        &mut self,
        layer: usize,
        x: NodeId,
        input: &Plan,
        gate: &Matrix,
        w: &LayerWeights,
    ) -> Result<(NodeId, Plan), ImportError> {
        let c = self.config;
        let at = |part: &str| format!("layers.{layer}.mlp.{part}");
        let bias = &w.mlp_norm.bias;
        let largest = ROOM
            * self
                .statistics
                .at(layer, Site::Gate, c.intermediate)
                .largest();
        let table = ActivationTable::new(largest, REACH);
        let outputs = vec![power(-table.argument_bits); gate.rows];
        let gate = self.linear(&at("gate"), x, gate, bias, input, &outputs, ARGUMENT_REACH)?;
        let activated = self.activate(&at("activation"), gate, table)?;

        let seen = self.statistics.at(layer, Site::Inner, c.intermediate);
        let mut plan = plan(Wanted {
            max: &roomy(&seen.max, ROOM),
            rms: &seen.rms(),
            consumers: &[&w.down],
            balanced: true,
            reach: REACH,
            levels: REACH,
        });
        let up_seen = self.statistics.at(layer, Site::Up, c.intermediate);
        let unit = power(-table.result_bits);
        let shift = product_shift(&mut plan.scales, &roomy(&up_seen.max, ROOM), unit);
        let outputs: Vec<f64> = plan
            .scales
            .iter()
            .map(|scale| scale / (unit * power(i32::from(shift))))
            .collect();
        let up = self.linear(&at("up"), x, &w.up, bias, input, &outputs, REACH)?;
        let result = by_position(&[size(c.intermediate)], plan.reach);
        let inner = self.builder.node(
            at("product"),
            Operator::Multiply { shift },
            &[activated, up],
            result,
        );
        Ok((inner, plan))
    }

    /// `activation(up)`.
    fn plain(
        &mut self,
        layer: usize,
        x: NodeId,
        input: &Plan,
        w: &LayerWeights,
    ) -> Result<(NodeId, Plan), ImportError> {
        let c = self.config;
        let at = |part: &str| format!("layers.{layer}.mlp.{part}");
        let seen = self.statistics.at(layer, Site::Inner, c.intermediate);
        let max = vec![ROOM * seen.largest(); c.intermediate];
        let wished = plan(Wanted {
            max: &max,
            rms: &seen.rms(),
            consumers: &[&w.down],
            balanced: false,
            reach: REACH,
            levels: REACH,
        });
        let largest = ROOM
            * self
                .statistics
                .at(layer, Site::Gate, c.intermediate)
                .largest();
        let table = ActivationTable::new(largest, wished.reach);
        let outputs = vec![power(-table.argument_bits); w.up.rows];
        let up = self.linear(
            &at("up"),
            x,
            &w.up,
            &w.mlp_norm.bias,
            input,
            &outputs,
            ARGUMENT_REACH,
        )?;
        let activated = self.activate(&at("activation"), up, table)?;
        let plan = Plan {
            scales: vec![power(-table.result_bits); c.intermediate],
            reach: wished.reach,
        };
        Ok((activated, plan))
    }

    fn activate(
        &mut self,
        name: &str,
        x: NodeId,
        table: ActivationTable,
    ) -> Result<NodeId, ImportError> {
        let activation: Activation = self.config.activation;
        let constant = match self.activations.get(&table) {
            Some(constant) => *constant,
            None => {
                let values = table.values(activation);
                let shape = [size(values.len())];
                let constant =
                    self.builder
                        .constant(table.name(), &shape, Elements::I16(values))?;
                self.activations.insert(table, constant);
                constant
            }
        };
        let result = NodeType {
            lo: -table.reach,
            hi: table.reach,
            ..self.builder.result(x)
        };
        Ok(self
            .builder
            .node(name, Operator::Table { table: constant }, &[x], result))
    }

    /// Embeddings (the last norm in one scale) and logits.
    fn finish(
        &mut self,
        x: NodeId,
        norm: &Norm,
        head: Head,
    ) -> Result<(NodeId, NodeId), ImportError> {
        let normed = self.residual_norm("head.norm", x);
        let range = [-head.plan.reach, head.plan.reach];
        let scaled = self.builder.requantize(
            "head.norm.scaled",
            normed,
            head.norm_multipliers,
            head.norm_shift,
            range,
        )?;
        let hidden = self.hidden(normed, norm)?;
        let name = "head";
        let matrix = head.matrix;
        let logits = if let Some(weight) = self.shared {
            let product = self
                .builder
                .linear_shared(name, scaled, weight, matrix.bias)?;
            self.builder.requantize(
                "head.scaled",
                product,
                matrix.multipliers,
                matrix.shift,
                [-LOGIT_REACH, LOGIT_REACH],
            )?
        } else {
            self.linear_node(name, scaled, matrix, LOGIT_REACH)?
        };
        Ok((hidden, logits))
    }

    fn hidden(&mut self, normed: NodeId, norm: &Norm) -> Result<NodeId, ImportError> {
        let c = self.config;
        let seen = self.statistics.at(c.layers, Site::FinalNormed, c.hidden);
        let scale = 2.0 * ROOM * seen.largest().max(1e-6) / f64::from(REACH);
        let mut plan = Plan {
            scales: vec![scale; c.hidden],
            reach: REACH,
        };
        let (multipliers, shift) = self.norm_multipliers(norm, &mut plan, "hidden")?;
        let hidden =
            self.builder
                .requantize("hidden", normed, multipliers, shift, [-REACH, REACH])?;
        if norm.bias.is_empty() {
            return Ok(hidden);
        }
        let bias: Vec<i32> = norm
            .bias
            .iter()
            .map(|b| round(f64::from(*b) / scale, REACH))
            .collect();
        let shape = [size(bias.len())];
        let (lo, hi) = (
            bias.iter().copied().min().unwrap_or(0).min(0),
            bias.iter().copied().max().unwrap_or(0).max(0),
        );
        let value = self
            .builder
            .constant("hidden.bias", &shape, Elements::I32(bias))?;
        let result = NodeType {
            by_position: false,
            shape: shape.to_vec(),
            lo,
            hi,
        };
        let bias = self
            .builder
            .node("hidden.bias", Operator::Constant { value }, &[], result);
        Ok(self.builder.add("hidden.sum", hidden, bias))
    }
}

/// The shift of a product with a factor of which one unit is worth `unit`, so that most channels of the other factor use its reach;
/// the scales of the rest are made coarser until they fit.
fn product_shift(scales: &mut [f64], max: &[f64], unit: f64) -> u8 {
    let reach = f64::from(REACH);
    let mut room: Vec<f64> = scales
        .iter()
        .zip(max)
        .map(|(scale, max)| reach * scale / (max.max(1e-9) * unit))
        .collect();
    room.sort_by(f64::total_cmp);
    let most = room.get(room.len() / 20).copied().unwrap_or(1.0);
    let shift = (most.log2().floor() as i32).clamp(0, 30);
    for (scale, max) in scales.iter_mut().zip(max) {
        *scale = scale.max(max * unit * power(shift) / reach);
    }
    // From 0 to 30.
    shift as u8
}

/// A matrix's bias with that of the norm before it multiplied in: `W (x + n) + b = W x + (W n + b)`.
pub(crate) fn folded_bias(matrix: &Matrix, norm_bias: &[f32]) -> Vec<f64> {
    let mut bias: Vec<f64> = matrix.bias.iter().map(|b| f64::from(*b)).collect();
    if norm_bias.is_empty() {
        return bias;
    }
    bias.resize(matrix.rows, 0.0);
    for (b, row) in bias
        .iter_mut()
        .zip(matrix.weight.chunks_exact(matrix.columns.max(1)))
    {
        *b += row
            .iter()
            .zip(norm_bias)
            .map(|(w, n)| f64::from(*w) * f64::from(*n))
            .sum::<f64>();
    }
    bias
}

/// The matrix with [`folded_bias`].
pub(crate) fn with_folded_bias(matrix: &Matrix, norm_bias: &[f32]) -> Matrix {
    Matrix {
        bias: folded_bias(matrix, norm_bias)
            .iter()
            .map(|b| *b as f32)
            .collect(),
        ..matrix.clone()
    }
}

pub(crate) fn roomy(max: &[f64], room: f64) -> Vec<f64> {
    max.iter().map(|max| max * room).collect()
}
