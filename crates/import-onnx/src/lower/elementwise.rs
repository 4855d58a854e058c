//! Functions, affine steps, and sums and products of two activations.

use proofmark_import::Elements;
use proofmark_program::Operator;

use super::scales::{MAX_MULTIPLIER, shift_for};
use super::{Int, Lowerer, rounded};
use crate::error::Result;
use crate::function::{Function, Term};
use crate::graph::{Affine, Binary, Step, Window};
use crate::plan::MAX_BIAS;

impl Lowerer<'_> {
    /// A clip is a clamp; every other function is a table over the input's integers.
    pub(crate) fn function(&mut self, step: &Step, name: &str, function: &Function) -> Result<Int> {
        let x = self.narrow(step.inputs[0], name)?;
        if let Some((lo, hi)) = function.as_clip() {
            let bound = |v: f64| rounded(v / x.scale, x.lo, x.hi);
            let (lo, hi) = (bound(lo), bound(hi));
            if lo <= 0 && hi >= 0 {
                let int = self.unary(name, Operator::Clamp, &x, x.shape.clone(), lo, hi);
                return Ok(Int {
                    error: x.error + x.scale / 2.0,
                    ..int
                });
            }
        }
        let (least, most) = self.plan.ranges[step.output.0];
        let (least, most) = (least.min(0.0), most.max(0.0));
        let values: Vec<f64> = (x.lo..=x.hi)
            .map(|q| {
                let value = function.at(f64::from(q) * x.scale);
                if value.is_nan() {
                    least
                } else {
                    value.clamp(least, most)
                }
            })
            .collect();
        let reach = values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let limit = self.plan.limit(step.output);
        let scale = reach.max(1e-30) / f64::from(limit);
        let integers: Vec<i32> = values
            .iter()
            .map(|v| rounded(v / scale, -limit, limit))
            .collect();
        let steps = (x.error / x.scale).ceil().min(1e9);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 10^9"
        )]
        let error = spread(&values, steps as usize) + scale / 2.0;
        let (lo, hi) = integers
            .iter()
            .fold((0, 0), |(lo, hi), &v| (v.min(lo), v.max(hi)));
        let count = integers.len();
        let elements = match integers.iter().map(|&v| i16::try_from(v).ok()).collect() {
            Some(small) => Elements::I16(small),
            None => Elements::I32(integers),
        };
        let operator = Operator::Table {
            table: self.constant(name, "table", &[count], elements)?,
        };
        let int = self.unary(name, operator, &x, x.shape.clone(), lo, hi);
        Ok(Int {
            scale,
            error,
            ..int
        })
    }

    pub(crate) fn affine(&mut self, step: &Step, name: &str, affine: &Affine) -> Result<Int> {
        let uniform = affine.scale.len() == 1;
        if uniform && affine.offset[0] != 0.0 {
            let function = Function {
                terms: vec![
                    Term::Argument,
                    Term::Constant(affine.scale[0]),
                    Term::Binary(Binary::Mul, 0, 1),
                    Term::Constant(affine.offset[0]),
                    Term::Binary(Binary::Add, 2, 3),
                ],
            };
            return self.function(step, name, &function);
        }
        let x = self.shaped(step.inputs[0], name)?;
        if uniform {
            let factor = affine.scale[0];
            if factor == 0.0 {
                return Ok(self.unary(name, Operator::Clamp, &x, x.shape.clone(), 0, 0));
            }
            // Nothing to compute: the same integers mean other numbers.
            let mut int = x;
            if factor < 0.0 {
                let scale = int.scale;
                int = self.at_scale(&int, scale, true, name)?;
            }
            int.scale *= factor.abs();
            int.error *= factor.abs();
            return Ok(int);
        }
        let channels = affine.scale.len();
        let (outer, inner) = (affine.outer, affine.inner);
        let model_shape = x.shape.clone();
        let x = self.view(&x, &[outer, channels, inner], name);
        let x = self.transposed(&x, &[1, 0, 2], name);
        let x = self.view(&x, &[channels, outer * inner, 1], name);
        let y = self.by_channel(step, name, affine, &x)?;
        let y = self.view(&y, &[channels, outer, inner], name);
        let y = self.transposed(&y, &[1, 0, 2], name);
        Ok(self.view(&y, &model_shape, name))
    }

    /// One factor and offset for each index of the first dimension: a convolution of single elements, if there is an offset.
    fn by_channel(&mut self, step: &Step, name: &str, affine: &Affine, x: &Int) -> Result<Int> {
        let numbers = |v: i32| f64::from(v) * x.scale;
        let (mut least, mut most) = (0.0_f64, 0.0_f64);
        for (a, b) in affine.scale.iter().zip(&affine.offset) {
            for end in [a * numbers(x.lo) + b, a * numbers(x.hi) + b] {
                (least, most) = (least.min(end), most.max(end));
            }
        }
        let target = self.target(step, (least, most));
        let scale = target.1.max(-target.0) / f64::from(self.plan.limit(step.output));
        let channels = Channels::new(affine, x, scale);
        let scale = channels.scale;
        let (lo, hi) = (
            rounded(target.0 / scale, -i32::MAX, 0),
            rounded(target.1 / scale, 0, i32::MAX),
        );
        let count = affine.scale.len();
        let mut sums = x.clone();
        if let Some((weights, bias)) = channels.sums {
            let window = Window {
                kernel: [1, 1],
                strides: [1, 1],
                pads: [0; 4],
                dilations: [1, 1],
            };
            let operator = Operator::Conv {
                weight: self.constant(name, "weight", &[count, 1, 1, 1], Elements::I8(weights))?,
                bias: Some(self.constant(name, "bias", &[count], Elements::I32(bias))?),
                window: super::weights::window2d(&window),
                groups: super::wide(count),
            };
            let name = self.sub(name, "sums");
            sums = self.unary(&name, operator, x, x.shape.clone(), -i32::MAX, i32::MAX);
        }
        let elements = Elements::I32(channels.multipliers);
        let operator = Operator::ChannelScale {
            multipliers: self.constant(name, "m", &[count], elements)?,
            shift: channels.shift,
        };
        let int = self.unary(name, operator, &sums, x.shape.clone(), lo, hi);
        Ok(Int {
            scale,
            error: channels.error + scale / 2.0,
            ..int
        })
    }

    pub(crate) fn binary(&mut self, step: &Step, name: &str, binary: Binary) -> Result<Int> {
        match binary {
            Binary::Add | Binary::Sub => self.sum_of_two(step, name, binary == Binary::Sub),
            Binary::Mul => self.product(step, name),
            Binary::Max | Binary::Min => self.extreme(step, name, binary == Binary::Max),
            Binary::Div | Binary::Pow => Err(self.refuse(step, "of two activations")),
        }
    }

    /// Both sides at the scale of the result.
    fn both(&mut self, step: &Step, name: &str, negate: bool) -> Result<(Int, Int)> {
        let (a, b) = (
            self.shaped(step.inputs[0], name)?,
            self.shaped(step.inputs[1], name)?,
        );
        let reach = (-(a.reach() + b.reach()), a.reach() + b.reach());
        let (lo, hi) = self.target(step, reach);
        let limit = f64::from(self.plan.limit(step.output));
        // Not so fine that a side, which may be larger than the sum, leaves a quarter of i32.
        let scale = (hi.max(-lo) / limit)
            .max(a.reach().max(b.reach()) / f64::from(1 << 28))
            .max(a.scale.max(b.scale) / MAX_MULTIPLIER);
        let (first, second) = (self.sub(name, "a"), self.sub(name, "b"));
        Ok((
            self.at_scale(&a, scale, false, &first)?,
            self.at_scale(&b, scale, negate, &second)?,
        ))
    }

    fn sum_of_two(&mut self, step: &Step, name: &str, negate: bool) -> Result<Int> {
        let (a, b) = self.both(step, name, negate)?;
        let sum = self.combined(
            step,
            name,
            Operator::Add,
            &a,
            &b,
            (a.lo + b.lo, a.hi + b.hi),
        )?;
        let sum = Int {
            error: a.error + b.error,
            ..sum
        };
        Ok(self.clipped(step, sum, name))
    }

    /// `max(a, b) = b + max(a - b, 0)`, and the same with `min`.
    fn extreme(&mut self, step: &Step, name: &str, maximum: bool) -> Result<Int> {
        let (a, b) = self.both(step, name, false)?;
        if a.shape != b.shape {
            return Err(self.refuse(step, "with a broadcast"));
        }
        let (negative, scale) = (self.sub(name, "minus"), b.scale);
        let minus = self.at_scale(&b, scale, true, &negative)?;
        let shape = a.shape.clone();
        let name_of = self.sub(name, "difference");
        let (lo, hi) = (a.lo + minus.lo, a.hi + minus.hi);
        let difference = self.node(
            &name_of,
            Operator::Add,
            &[a.node, minus.node],
            &shape,
            lo,
            hi,
        );
        let (lo, hi) = if maximum { (0, hi) } else { (lo, 0) };
        let name_of = self.sub(name, "part");
        let part = self.node(&name_of, Operator::Clamp, &[difference], &shape, lo, hi);
        let (lo, hi) = (b.lo + lo, b.hi + hi);
        let node = self.node(name, Operator::Add, &[b.node, part], &shape, lo, hi);
        Ok(Int {
            node,
            lo,
            hi,
            error: a.error.max(b.error),
            ..b
        })
    }

    fn product(&mut self, step: &Step, name: &str) -> Result<Int> {
        let (a, b) = (
            self.shaped(step.inputs[0], name)?,
            self.shaped(step.inputs[1], name)?,
        );
        let ends = [a.lo, a.hi].map(|x| [b.lo, b.hi].map(|y| i64::from(x) * i64::from(y)));
        let ends = ends.concat();
        let at = |v: Option<&i64>| v.and_then(|v| i32::try_from(*v).ok()).unwrap_or(0);
        let (lo, hi) = (at(ends.iter().min()).min(0), at(ends.iter().max()).max(0));
        let operator = Operator::Multiply { shift: 0 };
        let product = self.combined(step, name, operator, &a, &b, (lo, hi))?;
        let product = Int {
            scale: a.scale * b.scale,
            error: a.reach() * b.error + b.reach() * a.error + a.error * b.error,
            ..product
        };
        Ok(self.clipped(step, product, name))
    }

    /// A node of two tensors, of which one may repeat. Its scale is that of `a`.
    fn combined(
        &mut self,
        step: &Step,
        name: &str,
        operator: Operator,
        a: &Int,
        b: &Int,
        (lo, hi): (i32, i32),
    ) -> Result<Int> {
        let shape = self.graph.shape(step.output).to_vec();
        let (large, little) = if a.shape == shape { (a, b) } else { (b, a) };
        let mut narrow = little.shape.clone();
        while narrow.len() < shape.len() {
            narrow.insert(0, 1);
        }
        if large.shape != shape {
            return Err(self.refuse(step, "that repeats both of its activations"));
        }
        // Dimensions that repeat go to the front; what is left is a suffix.
        let (repeated, kept): (Vec<usize>, Vec<usize>) =
            (0..shape.len()).partition(|&axis| narrow[axis] != shape[axis]);
        let order: Vec<usize> = repeated.iter().chain(&kept).copied().collect();
        let mut back = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            back[from] = to;
        }
        let suffix: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
        let large = self.transposed(large, &order, name);
        let little = self.view(little, &suffix, name);
        let inputs = [large.node, little.node];
        let node = self.node(name, operator, &inputs, &large.shape, lo, hi);
        let int = Int {
            node,
            shape: large.shape.clone(),
            scale: a.scale,
            lo,
            hi,
            error: 0.0,
        };
        Ok(self.transposed(&int, &back, name))
    }
}

/// The integers of an affine step by channel.
struct Channels {
    /// Weights and offsets, if there are offsets.
    sums: Option<(Vec<i8>, Vec<i32>)>,
    multipliers: Vec<i32>,
    shift: u8,
    scale: f64,
    error: f64,
}

impl Channels {
    fn new(affine: &Affine, x: &Int, scale: f64) -> Self {
        let with_offset = affine.offset.iter().any(|o| *o != 0.0);
        let most = if with_offset { 127.0 } else { 1.0 };
        let worst = affine
            .scale
            .iter()
            .fold(0.0_f64, |most, a| most.max(a.abs()))
            * x.scale;
        let offset = affine
            .offset
            .iter()
            .fold(0.0_f64, |most, o| most.max(o.abs()));
        let worst = (worst / most).max(offset / MAX_BIAS);
        let scale = scale.max(worst / MAX_MULTIPLIER * 2.0);
        // A bit is left, so that pairs of weight and multiplier can be chosen.
        let shift = shift_for(worst / scale * if with_offset { 2.0 } else { 1.0 }).unwrap_or(0);
        let power = 2_f64.powi(i32::from(shift));
        let mut channels = Self {
            sums: with_offset.then(|| (Vec::new(), Vec::new())),
            multipliers: Vec::new(),
            shift,
            scale,
            error: 0.0,
        };
        for (a, o) in affine.scale.iter().zip(&affine.offset) {
            let product = a.abs() * x.scale * power / scale;
            let (weight, multiplier) = if with_offset {
                let least = (o.abs() / MAX_BIAS * power / scale).ceil().max(1.0);
                pair(product, least)
            } else {
                (1, rounded(product, 0, 65_535))
            };
            let unit = f64::from(multiplier) * scale / power;
            let signed = if *a < 0.0 { -weight } else { weight };
            let mut off = (a - f64::from(signed) * unit / x.scale).abs();
            if let Some((weights, bias)) = &mut channels.sums {
                let b = rounded(o / unit, -(1 << 29), 1 << 29);
                #[expect(clippy::cast_possible_truncation, reason = "weights are at most 127")]
                weights.push(signed as i8);
                bias.push(b);
                channels.error = channels.error.max((o - f64::from(b) * unit).abs());
                channels.multipliers.push(multiplier);
            } else {
                channels
                    .multipliers
                    .push(if *a < 0.0 { -multiplier } else { multiplier });
                off = (a.abs() - unit / x.scale).abs();
            }
            let error = off * x.reach() + a.abs() * x.error;
            channels.error = channels.error.max(error + offset / MAX_BIAS);
        }
        channels
    }
}

/// The weight (1 to 127, or 0) and multiplier (at least `least`) whose product is closest to `product`.
fn pair(product: f64, least: f64) -> (i32, i32) {
    let mut best = (0, rounded(least, 1, 65_535));
    let mut distance = product;
    for weight in 1..=127 {
        let multiplier = rounded((product / f64::from(weight)).round().max(least), 1, 65_535);
        let off = (product - f64::from(weight) * f64::from(multiplier)).abs();
        if off < distance {
            (best, distance) = ((weight, multiplier), off);
        }
    }
    best
}

/// How far a table's value can be from the function's where its argument is off by so many steps: the largest difference of an entry
/// from any within that distance, and the half step between entries.
fn spread(values: &[f64], steps: usize) -> f64 {
    let reach = steps.saturating_add(1);
    if reach >= values.len() {
        let (lo, hi) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &v| {
                (lo.min(v), hi.max(v))
            });
        return hi - lo;
    }
    let window = 2 * reach + 1;
    let (mut highs, mut lows) = (
        std::collections::VecDeque::new(),
        std::collections::VecDeque::new(),
    );
    let mut worst = 0.0_f64;
    for (at, &value) in values.iter().enumerate() {
        while highs.back().is_some_and(|&i: &usize| values[i] <= value) {
            highs.pop_back();
        }
        while lows.back().is_some_and(|&i: &usize| values[i] >= value) {
            lows.pop_back();
        }
        highs.push_back(at);
        lows.push_back(at);
        let first = (at + 1).saturating_sub(window);
        while highs.front().is_some_and(|&i| i < first) {
            highs.pop_front();
        }
        while lows.front().is_some_and(|&i| i < first) {
            lows.pop_front();
        }
        let center = values[at.saturating_sub(reach)];
        if let (Some(&high), Some(&low)) = (highs.front(), lows.front()) {
            worst = worst.max(values[high] - center).max(center - values[low]);
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_the_largest_difference_within_reach() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(spread(&values, 0), 1.0);
        assert_eq!(spread(&values, 3), 4.0);
        assert_eq!(spread(&values, 1000), 99.0);
    }

    #[test]
    fn pairs_come_close() {
        for product in [0.0, 3.0, 100.0, 12_345.6, 8_000_000.0] {
            let (weight, multiplier) = pair(product, 1.0);
            let off = (f64::from(weight) * f64::from(multiplier) - product).abs();
            assert!(
                off <= 1.0 + product * 2e-5,
                "{product}: {weight} {multiplier}"
            );
        }
        assert!(pair(100.0, 5000.0).1 >= 5000);
    }
}
