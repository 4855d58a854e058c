//! Linear and convolution steps: int8 weights whose scales make the multipliers exact.

use proofmark_import::Elements;
use proofmark_program::{Operator, Window2d};

use super::scales::{MAX_MULTIPLIER, shift_for};
use super::{Int, Lowerer, rounded, wide};
use crate::error::Result;
use crate::graph::{Step, Window};
use crate::plan::MAX_BIAS;
use crate::tensor::Tensor;

/// Rows of a weight matrix as integers.
struct Rows {
    weights: Vec<i8>,
    /// Low limbs, for weights of 16 bits: weight = 256 · high + low.
    low: Option<Vec<i8>>,
    bias: Vec<i32>,
    multipliers: Vec<i32>,
    shift: u8,
    /// Of the requantized result.
    scale: f64,
    error: f64,
}

/// What the rows are multiplied with.
struct Activations<'a> {
    /// Scale of each column.
    scales: &'a [f64],
    /// How far the number of each column can be off.
    errors: &'a [f64],
    max_abs: f64,
}

/// Largest weight of two limbs: 256 · 127 + 127.
const LARGEST_FINE: f64 = 32_639.0;

/// How far sums of this many rows of weights reach, and no further than the type: a proof needs ranges that are narrow.
fn reach(weights: &[i8], rows: usize, bias: Option<&[i32]>, max_abs: i32) -> i32 {
    let length = (weights.len() / rows.max(1)).max(1);
    let sums = weights.chunks(length).enumerate().map(|(row, weights)| {
        let sum: i64 = weights.iter().map(|w| i64::from(w.unsigned_abs())).sum();
        let bias = bias.and_then(|bias| bias.get(row)).copied().unwrap_or(0);
        sum.saturating_mul(max_abs.into())
            .saturating_add(i64::from(bias).abs())
    });
    i32::try_from(sums.max().unwrap_or(0)).unwrap_or(i32::MAX)
}

/// Chooses scales and integers for all rows. A row's unit is `multiplier · scale / 2^shift`, so the product of multiplier and
/// accumulator is exact; weights are rounded to that unit.
fn quantized(weight: &[f64], bias: &[f64], x: &Activations<'_>, scale: f64, fine: bool) -> Rows {
    let length = x.scales.len();
    let (largest, most_multiplier) = if fine {
        (LARGEST_FINE, 255.0)
    } else {
        (127.0, MAX_MULTIPLIER)
    };
    let effective: Vec<f64> = weight
        .iter()
        .enumerate()
        .map(|(at, w)| w * x.scales[at % length])
        .collect();
    let units: Vec<f64> = effective
        .chunks(length)
        .zip(bias)
        .map(|(row, bias)| {
            let most = row.iter().fold(0.0_f64, |most, w| most.max(w.abs()));
            (most / largest).max(bias.abs() / MAX_BIAS)
        })
        .collect();
    let worst = units.iter().copied().fold(0.0, f64::max);
    let scale = scale.max(worst / most_multiplier);
    let ratio = worst / scale * (MAX_MULTIPLIER / most_multiplier);
    let shift = shift_for(ratio).unwrap_or(0);
    let power = 2_f64.powi(i32::from(shift));
    let mut rows = Rows {
        weights: Vec::with_capacity(weight.len()),
        low: fine.then(Vec::new),
        bias: Vec::with_capacity(bias.len()),
        multipliers: Vec::with_capacity(bias.len()),
        shift,
        scale,
        error: 0.0,
    };
    let mut error = 0.0_f64;
    for ((row, bias), unit) in effective.chunks(length).zip(bias).zip(units) {
        // Rounded up, so that weights keep below their largest; a hair less, so that an exact ratio stays what it is.
        let multiplier = rounded((unit * power / scale * (1.0 - 1e-12)).ceil(), 1, 65_535);
        let unit = f64::from(multiplier) * scale / power;
        let mut off = 0.0;
        let mut sum = 0.0;
        for ((w, s), e) in row.iter().zip(x.scales).zip(x.errors) {
            #[expect(clippy::cast_possible_truncation, reason = "at most 32,639")]
            let bound = largest as i32;
            let q = rounded(w / unit, -bound, bound);
            off += (w - f64::from(q) * unit).abs() * x.max_abs;
            sum += w.abs() / s * e;
            push(&mut rows, q);
        }
        let b = rounded(bias / unit, -(1 << 29), 1 << 29);
        rows.bias.push(b);
        rows.multipliers.push(multiplier);
        error = error.max(sum + off + (bias - f64::from(b) * unit).abs());
    }
    rows.error = error + scale * if fine { 1.0 } else { 0.5 };
    rows
}

/// Appends a weight, in one or two limbs.
#[expect(
    clippy::cast_possible_truncation,
    reason = "weights are within 127, or within 32,639 in two limbs"
)]
fn push(rows: &mut Rows, q: i32) {
    match &mut rows.low {
        None => rows.weights.push(q as i8),
        Some(low) => {
            let lower = (q + 128).rem_euclid(256) - 128;
            low.push(lower as i8);
            rows.weights.push(((q - lower) / 256) as i8);
        }
    }
}

/// Smallest and largest number that a row can make of numbers in these bounds.
fn interval(weight: &[f64], bias: &[f64], bounds: &[(f64, f64)]) -> (f64, f64) {
    let (mut least, mut most) = (0.0_f64, 0.0_f64);
    for (row, bias) in weight.chunks(bounds.len()).zip(bias) {
        let (mut lo, mut hi) = (*bias, *bias);
        for (w, &(a, b)) in row.iter().zip(bounds) {
            lo += (w * a).min(w * b);
            hi += (w * a).max(w * b);
        }
        (least, most) = (least.min(lo), most.max(hi));
    }
    (least, most)
}

impl Lowerer<'_> {
    pub(crate) fn linear(
        &mut self,
        step: &Step,
        name: &str,
        weight: &Tensor,
        bias: &[f64],
        fine: bool,
    ) -> Result<Int> {
        let k = weight.shape[1];
        let (x, scales, errors) = self.columns(step, name, k)?;
        let at = |v: i32, s: f64| f64::from(v) * s;
        let bounds: Vec<(f64, f64)> = scales.iter().map(|&s| (at(x.lo, s), at(x.hi, s))).collect();
        let target = self.target(step, interval(&weight.data, bias, &bounds));
        let scale = target.1.max(-target.0) / f64::from(self.plan.limit(step.output));
        let activations = Activations {
            scales: &scales,
            errors: &errors,
            max_abs: f64::from(x.max_abs()),
        };
        let rows = quantized(&weight.data, bias, &activations, scale, fine);
        let shape = self.graph.shape(step.output).to_vec();
        let n = bias.len();
        let bounds = (
            rounded(target.0 / rows.scale, -i32::MAX / 4, 0),
            rounded(target.1 / rows.scale, 0, i32::MAX / 4),
        );
        let mut result = Int {
            node: x.node,
            shape: shape.clone(),
            scale: rows.scale,
            lo: bounds.0,
            hi: bounds.1,
            error: rows.error,
        };
        let multipliers = rows.multipliers.clone();
        let Some(low) = rows.low else {
            let sums = self.sums(name, &x, (n, k), rows.weights, Some(rows.bias), &shape)?;
            result.node = self.by_row(name, sums, multipliers, rows.shift, &shape, bounds)?;
            return Ok(result);
        };
        let high = self.sums(name, &x, (n, k), rows.weights, None, &shape)?;
        let low = self.sums(name, &x, (n, k), low, Some(rows.bias), &shape)?;
        let tops = multipliers.iter().map(|m| m * 256).collect();
        let half = (-i32::MAX / 2, i32::MAX / 2);
        let high = self.by_row(name, high, tops, rows.shift, &shape, half)?;
        let low = self.by_row(name, low, multipliers, rows.shift, &shape, half)?;
        let sum = self.sub(name, "sum");
        let sum = self.node(
            &sum,
            Operator::Add,
            &[high, low],
            &shape,
            half.0 * 2,
            half.1 * 2,
        );
        result.node = self.node(name, Operator::Clamp, &[sum], &shape, bounds.0, bounds.1);
        Ok(result)
    }

    /// The accumulators of `x · weightsᵀ + bias`.
    fn sums(
        &mut self,
        name: &str,
        x: &Int,
        (n, k): (usize, usize),
        weights: Vec<i8>,
        bias: Option<Vec<i32>>,
        shape: &[usize],
    ) -> Result<proofmark_program::NodeId> {
        let reach = reach(&weights, n, bias.as_deref(), x.max_abs());
        let weight = self.constant(name, "weight", &[n, k], Elements::I8(weights))?;
        let bias = match bias {
            Some(bias) => Some(self.constant(name, "bias", &[n], Elements::I32(bias))?),
            None => None,
        };
        let name = self.sub(name, "sums");
        let operator = Operator::Linear { weight, bias };
        Ok(self.node(&name, operator, &[x.node], shape, -reach, reach))
    }

    /// Requantizes by the last dimension.
    fn by_row(
        &mut self,
        name: &str,
        x: proofmark_program::NodeId,
        multipliers: Vec<i32>,
        shift: u8,
        shape: &[usize],
        (lo, hi): (i32, i32),
    ) -> Result<proofmark_program::NodeId> {
        let count = multipliers.len();
        let multipliers = self.constant(name, "m", &[count], Elements::I32(multipliers))?;
        let name = self.sub(name, "out");
        let operator = Operator::Requantize { multipliers, shift };
        Ok(self.node(&name, operator, &[x], shape, lo, hi))
    }

    /// The input of a linear step, with the scale and the error of each of its columns. Features of an input whose ranges differ much are brought to
    /// scales of their own first; the weights take these in.
    fn columns(&mut self, step: &Step, name: &str, k: usize) -> Result<(Int, Vec<f64>, Vec<f64>)> {
        let id = step.inputs[0];
        let raw = self.raw(id)?;
        let limit = f64::from(self.plan.limit(id));
        let feature = self.graph.inputs.iter().position(|input| *input == id);
        let wide = f64::from(raw.max_abs()) > limit;
        let Some(ranges) = feature
            .map(|at| &self.plan.features[at])
            .filter(|r| wide && r.len() == k)
        else {
            let x = self.shaped(id, name)?;
            let (scales, errors) = (vec![x.scale; k], vec![x.error; k]);
            return Ok((x, scales, errors));
        };
        let wanted: Vec<f64> = ranges
            .iter()
            .map(|(lo, hi)| hi.max(-lo).max(raw.scale) / limit)
            .collect();
        let finest = wanted.iter().copied().fold(f64::INFINITY, f64::min);
        let shift = shift_for(raw.scale / finest).unwrap_or(0);
        let power = 2_f64.powi(i32::from(shift));
        let multipliers: Vec<i32> = wanted
            .iter()
            .map(|scale| rounded((raw.scale * power / scale).floor(), 1, 65_535))
            .collect();
        let scales: Vec<f64> = multipliers
            .iter()
            .map(|m| raw.scale * power / f64::from(*m))
            .collect();
        #[expect(clippy::cast_possible_truncation, reason = "a limit is at most 2^24")]
        let most = limit as i32;
        let shape = self.graph.shape(id).to_vec();
        let node = self.by_row(name, raw.node, multipliers, shift, &shape, (-most, most))?;
        let errors = scales.iter().map(|s| raw.error + s / 2.0).collect();
        let x = Int {
            node,
            shape,
            scale: 1.0,
            lo: -most,
            hi: most,
            error: 0.0,
        };
        Ok((x, scales, errors))
    }

    pub(crate) fn conv(
        &mut self,
        step: &Step,
        name: &str,
        weight: &Tensor,
        bias: &[f64],
        (window, groups): (&Window, usize),
    ) -> Result<Int> {
        let x = self.narrow(step.inputs[0], name)?;
        let (input, output) = (
            self.graph.shape(step.inputs[0]),
            self.graph.shape(step.output),
        );
        let (input, output) = (input[1..].to_vec(), output[1..].to_vec());
        let x = self.view(&x, &input, name);
        let length = weight.data.len() / bias.len();
        let scales = vec![x.scale; length];
        let at = |v: i32| f64::from(v) * x.scale;
        let bounds = vec![(at(x.lo), at(x.hi)); length];
        let target = self.target(step, interval(&weight.data, bias, &bounds));
        let scale = target.1.max(-target.0) / f64::from(self.plan.limit(step.output));
        let activations = Activations {
            scales: &scales,
            errors: &vec![x.error; length],
            max_abs: f64::from(x.max_abs()),
        };
        let rows = quantized(&weight.data, bias, &activations, scale, false);
        let reach = reach(&rows.weights, bias.len(), Some(&rows.bias), x.max_abs());
        let operator = Operator::Conv {
            weight: self.constant(name, "weight", &weight.shape, Elements::I8(rows.weights))?,
            bias: Some(self.constant(name, "bias", &[bias.len()], Elements::I32(rows.bias))?),
            window: window2d(window),
            groups: wide(groups),
        };
        let sums_name = self.sub(name, "sums");
        let sums = self.node(&sums_name, operator, &[x.node], &output, -reach, reach);
        let elements = Elements::I32(rows.multipliers);
        let operator = Operator::ChannelScale {
            multipliers: self.constant(name, "m", &[bias.len()], elements)?,
            shift: rows.shift,
        };
        let (lo, hi) = (
            rounded(target.0 / rows.scale, -i32::MAX, 0),
            rounded(target.1 / rows.scale, 0, i32::MAX),
        );
        Ok(Int {
            node: self.node(name, operator, &[sums], &output, lo, hi),
            shape: output,
            scale: rows.scale,
            lo,
            hi,
            error: rows.error,
        })
    }
}

pub(crate) fn window2d(window: &Window) -> Window2d {
    Window2d {
        kernel: window.kernel.map(wide),
        strides: window.strides.map(wide),
        pads: window.pads.map(wide),
        dilations: window.dilations.map(wide),
    }
}
