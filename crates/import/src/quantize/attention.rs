//! The attention part of a layer.

use proofmark_program::{NodeId, NodeType, Operator};

use super::decoder::{Quantizer, REACH, ROOM, by_position, roomy, size, with_folded_bias};
use super::matrix::{power, shift_for};
use super::plan::{Plan, Wanted, plan};
use crate::ImportError;
use crate::decoder::{LayerWeights, Matrix, Norm};
use crate::float::Site;

/// Reach of values: 64 of them, weighted with up to 2^14, stay below 2^31.
const VALUE_REACH: i32 = 2047;
/// Bits that an attention's result has beyond its values.
const OUTPUT_BITS_MAX: u8 = 4;
/// Most that queries and keys reach.
const SCORE_REACH: f64 = 4095.0;
/// Reach of queries and keys before their norms.
const RAW_REACH: i32 = 1 << 20;
/// Units of a score: 1024 for each factor of two (§1.4).
const SCORE_UNITS: f64 = 1024.0 * std::f64::consts::LOG2_E;

pub(crate) struct Attention<'q, 'a> {
    quantizer: &'q mut Quantizer<'a>,
    layer: usize,
    weights: &'q LayerWeights,
}

/// Scales of queries and keys in the scores.
struct Scores {
    /// Of each channel of the queries.
    query: Vec<f64>,
    /// Of each channel of the keys.
    key: Vec<f64>,
    /// Product of a query's and a key's unit.
    unit: f64,
    reach: i32,
}

impl<'q, 'a> Attention<'q, 'a> {
    pub(crate) fn new(
        quantizer: &'q mut Quantizer<'a>,
        layer: usize,
        weights: &'q LayerWeights,
    ) -> Self {
        Self {
            quantizer,
            layer,
            weights,
        }
    }

    fn at(&self, part: &str) -> String {
        format!("layers.{}.attention.{part}", self.layer)
    }

    pub(crate) fn build(mut self, x: NodeId) -> Result<NodeId, ImportError> {
        let c = self.quantizer.config;
        let w = self.weights;
        let norm = &w.attention_norm;
        let seen = self
            .quantizer
            .statistics
            .at(self.layer, Site::AttentionNormed, c.hidden);
        let consumers: Vec<Matrix> = [&w.query, &w.key, &w.value]
            .map(|m| with_folded_bias(m, &norm.bias))
            .into();
        let mut input = plan(Wanted {
            max: &roomy(&seen.max, ROOM),
            rms: &seen.rms(),
            consumers: &consumers.iter().collect::<Vec<_>>(),
            balanced: true,
            reach: REACH,
            levels: REACH,
        });
        drop(consumers);
        let normed = self
            .quantizer
            .normed(&self.at("norm"), x, norm, &mut input)?;
        let scores = self.scores();
        let q = self.query_or_key(
            "query",
            normed,
            &input,
            &w.query,
            w.query_norm.as_ref(),
            &scores.query,
            scores.reach,
        )?;
        let k = self.query_or_key(
            "key",
            normed,
            &input,
            &w.key,
            w.key_norm.as_ref(),
            &scores.key,
            scores.reach,
        )?;
        let (value_scales, out_plan, output_shift) = self.values();
        let name = self.at("value");
        let v = self.quantizer.linear(
            &name,
            normed,
            &w.value,
            &norm.bias,
            &input,
            &value_scales,
            VALUE_REACH,
        )?;
        let builder = &mut self.quantizer.builder;
        let v = builder.reshape(
            &format!("{name}.heads"),
            v,
            &[size(c.kv_heads), size(c.head_dim)],
        );
        let score = scores.unit * c.score_scale * SCORE_UNITS;
        let shift = shift_for(score, &name)?;
        let operator = Operator::Attention {
            // Below 65,536.
            multiplier: (score * power(i32::from(shift))).round() as i32,
            shift,
            output_shift,
            window: size(c.windows.get(self.layer).copied().unwrap_or(0)),
        };
        let result = by_position(&[size(c.heads), size(c.head_dim)], out_plan.reach);
        let name = self.at("heads");
        let builder = &mut self.quantizer.builder;
        let heads = builder.node(&name, operator, &[q, k, v], result);
        let joined = builder.reshape(
            &format!("{name}.joined"),
            heads,
            &[size(c.heads * c.head_dim)],
        );
        let largest = self
            .quantizer
            .statistics
            .largest(self.layer, Site::AttentionOut);
        let out = self.quantizer.residual_matrix(
            &self.at("output"),
            joined,
            &w.output,
            &out_plan,
            largest,
        )?;
        Ok(self.quantizer.residual_add(&self.at("add"), x, out))
    }

    /// Channels of query and key are balanced against each other: a channel's product stays what it is.
    fn scores(&self) -> Scores {
        let c = self.quantizer.config;
        let (d, each) = (c.head_dim, c.heads / c.kv_heads);
        let seen = |site, heads: usize| {
            self.quantizer
                .statistics
                .at(self.layer, site, heads * d)
                .max
        };
        let queries = seen(Site::Query, c.heads);
        let keys = seen(Site::Key, c.kv_heads);
        // Channels that have to have one factor: pairs that are turned into each other; all heads where a norm's gain is shared.
        let half = if c.rope.is_some() { d / 2 } else { d };
        let groups = if c.qk_norm { 1 } else { c.kv_heads };
        let slot = |kv_head: usize, at: usize| (kv_head % groups) * half + at % half;
        let (mut query_max, mut key_max) =
            (vec![1e-9_f64; groups * half], vec![1e-9_f64; groups * half]);
        let raise = |all: &mut Vec<f64>, slot: usize, value: f64| {
            if let Some(max) = all.get_mut(slot) {
                *max = max.max(value);
            }
        };
        for (at, max) in queries.iter().enumerate() {
            raise(&mut query_max, slot(at / d / each, at % d), *max);
        }
        for (at, max) in keys.iter().enumerate() {
            raise(&mut key_max, slot(at / d, at % d), *max);
        }
        let factors: Vec<f64> = query_max
            .iter()
            .zip(&key_max)
            .map(|(q, k)| (q / k).sqrt())
            .collect();
        let factor =
            |kv_head: usize, at: usize| factors.get(slot(kv_head, at)).copied().unwrap_or(1.0);
        let reach = ((2_147_483_647.0 / d as f64).sqrt().floor()).min(SCORE_REACH);
        // With factor f a query is divided by it and a key multiplied: both reach sqrt(q k).
        let largest = query_max
            .iter()
            .zip(&key_max)
            .map(|(q, k)| (q * k).sqrt())
            .fold(1e-9, f64::max);
        let unit = ROOM * largest / reach;
        Scores {
            query: (0..queries.len())
                .map(|at| unit * factor(at / d / each, at % d))
                .collect(),
            key: (0..keys.len())
                .map(|at| unit / factor(at / d, at % d))
                .collect(),
            unit: unit * unit,
            reach: reach as i32,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "query and key differ in each of them"
    )]
    fn query_or_key(
        &mut self,
        part: &str,
        x: NodeId,
        input: &Plan,
        matrix: &Matrix,
        head_norm: Option<&Norm>,
        scales: &[f64],
        reach: i32,
    ) -> Result<NodeId, ImportError> {
        let c = self.quantizer.config;
        let name = self.at(part);
        let norm_bias = &self.weights.attention_norm.bias;
        let heads = [size(matrix.rows / c.head_dim), size(c.head_dim)];
        let split = match head_norm {
            None => {
                let scaled = self
                    .quantizer
                    .linear(&name, x, matrix, norm_bias, input, scales, REACH)?;
                self.quantizer
                    .builder
                    .reshape(&format!("{name}.heads"), scaled, &heads)
            }
            Some(norm) => {
                let site = if part == "query" {
                    Site::QueryRaw
                } else {
                    Site::KeyRaw
                };
                let largest = self
                    .quantizer
                    .statistics
                    .largest(self.layer, site)
                    .max(1e-6);
                let unit = 4.0 * largest / f64::from(RAW_REACH);
                let outputs = vec![unit; matrix.rows];
                let raw = self
                    .quantizer
                    .linear(&name, x, matrix, norm_bias, input, &outputs, RAW_REACH)?;
                let split = self
                    .quantizer
                    .builder
                    .reshape(&format!("{name}.heads"), raw, &heads);
                let normed = format!("{name}.norm");
                let split = self
                    .quantizer
                    .norm_node(&normed, split, c.head_dim, unit, false);
                let mut plan = Plan {
                    scales: scales.iter().take(c.head_dim).copied().collect(),
                    reach: REACH,
                };
                let scaled = format!("{normed}.scaled");
                let (multipliers, shift) =
                    self.quantizer.norm_multipliers(norm, &mut plan, &scaled)?;
                self.quantizer.builder.requantize(
                    &scaled,
                    split,
                    multipliers,
                    shift,
                    [-REACH, REACH],
                )?
            }
        };
        let Some([cosines, sines]) = self.quantizer.rotary else {
            return Ok(self.quantizer.builder.clamp(
                &format!("{name}.clamp"),
                split,
                [-reach, reach],
            ));
        };
        let result = NodeType {
            lo: -reach,
            hi: reach,
            ..self.quantizer.builder.result(split)
        };
        let rope = Operator::Rope { cosines, sines };
        Ok(self
            .quantizer
            .builder
            .node(format!("{name}.rotated"), rope, &[split], result))
    }

    /// Scales of the values' channels, the plan of the output matrix's input, and the bits between both.
    fn values(&self) -> (Vec<f64>, Plan, u8) {
        let c = self.quantizer.config;
        let (d, each) = (c.head_dim, c.heads / c.kv_heads);
        let statistics = self.quantizer.statistics;
        let value_max = statistics.at(self.layer, Site::Value, c.kv_heads * d).max;
        let attended = statistics.at(self.layer, Site::Attended, c.heads * d).rms();
        let kv_channel = |at: usize| (at / d / each) * d + at % d;
        let max: Vec<f64> = (0..c.heads * d)
            .map(|at| ROOM * value_max.get(kv_channel(at)).copied().unwrap_or(0.0))
            .collect();
        // Output matrix: its bias belongs to its rows, and is no part of the choice.
        let chosen = plan(Wanted {
            max: &max,
            rms: &attended,
            consumers: &[&self.weights.output],
            balanced: true,
            reach: VALUE_REACH << OUTPUT_BITS_MAX,
            levels: VALUE_REACH,
        });
        let mut bits = OUTPUT_BITS_MAX;
        while bits > 0 && (VALUE_REACH << bits) > chosen.reach {
            bits -= 1;
        }
        let reach = VALUE_REACH << bits;
        let coarser = f64::from(chosen.reach) / f64::from(reach);
        let out_scales: Vec<f64> = chosen.scales.iter().map(|scale| scale * coarser).collect();
        let value_scales = (0..c.kv_heads * d)
            .map(|at| {
                let first = (at / d) * each * d + at % d;
                out_scales.get(first).copied().unwrap_or(1.0) * power(i32::from(bits))
            })
            .collect();
        let plan = Plan {
            scales: out_scales,
            reach,
        };
        (value_scales, plan, bits)
    }
}
