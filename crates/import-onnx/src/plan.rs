//! Ranges of values, and how large the integers of each may be.
//!
//! A range comes from calibration, widened by a margin. A limit comes from what a value is used for: int16 where it meets weights or a
//! table, less where a sum of many products has to fit i32, more where nothing forbids it.

use crate::error::{Result, malformed};
use crate::eval;
use crate::graph::{Binary, Graph, Op, ValueId};
use crate::tensor::Tensor;

/// Largest integer where nothing forbids more: fine enough for outputs, and far from the ends of i32.
pub(crate) const WIDE: i32 = 1 << 24;
/// Largest integer of an int16 activation.
pub(crate) const NARROW: i32 = 32_767;
/// Largest bias, in units of an accumulator: half of what the sum of products may reach is left to it.
pub(crate) const MAX_BIAS: f64 = 536_870_912.0;
/// What is left for the sum of products.
const MAX_PRODUCTS: f64 = 1_600_000_000.0;

/// What calibration found out.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Smallest and largest of each value, zero included, margin included.
    pub(crate) ranges: Vec<(f64, f64)>,
    /// The same for each element of the inputs.
    pub(crate) features: Vec<Vec<(f64, f64)>>,
    /// Largest integer of each value.
    pub(crate) limits: Vec<i32>,
}

/// Runs the float graph on all rows.
pub(crate) fn plan(graph: &Graph, rows: &[Vec<Tensor>], margin: f64) -> Result<Plan> {
    let mut ranges = vec![(0.0_f64, 0.0_f64); graph.values.len()];
    let mut features: Vec<Vec<(f64, f64)>> = graph
        .inputs
        .iter()
        .map(|id| vec![(0.0, 0.0); graph.shape(*id).iter().product()])
        .collect();
    for row in rows {
        let values = eval::run(graph, row)?;
        for (at, value) in values.iter().enumerate() {
            let Some(value) = value.as_ref() else {
                continue;
            };
            if value.data.iter().any(|v| !v.is_finite()) {
                return Err(malformed(format!(
                    "on the given data, {:?} is not a finite number",
                    graph.values[at].name
                )));
            }
            let (lo, hi) = value.span();
            ranges[at] = (ranges[at].0.min(lo), ranges[at].1.max(hi));
        }
        for (feature, input) in features.iter_mut().zip(row) {
            for (range, &x) in feature.iter_mut().zip(&input.data) {
                *range = (range.0.min(x), range.1.max(x));
            }
        }
    }
    for range in ranges.iter_mut().chain(features.iter_mut().flatten()) {
        *range = (range.0 * margin, range.1 * margin);
    }
    Ok(Plan {
        ranges,
        features,
        limits: limits(graph),
    })
}

/// From the last step to the first: a value's limit is the least that one of its uses needs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "limits are at most 2^24, counts of elements at most 2^28"
)]
fn limits(graph: &Graph) -> Vec<i32> {
    let mut limits = vec![WIDE; graph.values.len()];
    for step in graph.steps.iter().rev() {
        let result = limits[step.output.0];
        let source = |at: usize| graph.shape(step.inputs[at]);
        let limit = match &step.op {
            // The low limbs of weights of 16 bits may all be large.
            Op::Linear {
                weight, fine: true, ..
            } => NARROW.min((MAX_PRODUCTS / (128.0 * weight.shape[1] as f64)) as i32),
            Op::Linear { weight, .. } | Op::Conv { weight, .. } => by_weights(weight),
            Op::MatMul => {
                let terms = source(0).last().copied().unwrap_or(1) as f64;
                NARROW.min((f64::from(i32::MAX) / terms).sqrt() as i32)
            }
            // A clip that leaves zero inside is a clamp; any other becomes a table.
            Op::Function(function)
                if function
                    .as_clip()
                    .is_some_and(|(lo, hi)| lo <= 0.0 && hi >= 0.0) =>
            {
                result
            }
            Op::Function(_) | Op::Binary(Binary::Mul) => NARROW,
            Op::Affine(affine) if affine.offset.iter().any(|o| *o != 0.0) => NARROW,
            Op::Reshape
            | Op::Transpose(_)
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Concat { .. }
            | Op::Max { .. }
            | Op::MaxPool(_) => result,
            Op::Sum { axis, .. } => sum_limit(source(0)[*axis]),
            Op::AveragePool { window, .. } => sum_limit(window.kernel[0] * window.kernel[1]),
            Op::Normalize { .. } => 1 << 20,
            _ => WIDE,
        };
        for input in &step.inputs {
            let old = &mut limits[input.0];
            *old = limit.clamp(1, *old);
        }
    }
    limits
}

fn sum_limit(count: usize) -> i32 {
    let count = i32::try_from(count).unwrap_or(i32::MAX).max(1);
    (i32::MAX / count).clamp(1, WIDE)
}

/// The largest activation with which no row of these weights, once they are int8, leaves i32.
#[expect(clippy::cast_possible_truncation, reason = "at most 32,767")]
fn by_weights(weight: &Tensor) -> i32 {
    let length = weight.data.len() / weight.shape[0].max(1);
    // Each int8 weight is at most half a unit more than its share of 127.
    let worst = weight
        .data
        .chunks(length.max(1))
        .map(|row| {
            let most = row.iter().fold(0.0_f64, |most, w| most.max(w.abs()));
            let sum: f64 = row.iter().map(|w| w.abs()).sum();
            if most == 0.0 { 0.0 } else { 127.0 * sum / most }
        })
        .fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "lengths of rows")]
    let rounding = length as f64 / 2.0;
    (MAX_PRODUCTS / (worst + rounding).max(1.0)).min(f64::from(NARROW)) as i32
}

impl Plan {
    pub(crate) fn limit(&self, id: ValueId) -> i32 {
        self.limits[id.0]
    }
}
