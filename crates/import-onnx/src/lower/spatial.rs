//! Pooling, padding and concatenation.

use proofmark_import::Elements;
use proofmark_program::Operator;

use super::scales::shift_for;
use super::weights::window2d;
use super::{Int, Lowerer, rounded, small, wide};
use crate::error::Result;
use crate::graph::{Step, Window};

impl Lowerer<'_> {
    /// The input and the result without the leading 1.
    fn planes(&mut self, step: &Step, name: &str) -> Result<(Int, Vec<usize>)> {
        let x = self.narrow(step.inputs[0], name)?;
        let input = self.graph.shape(step.inputs[0])[1..].to_vec();
        let output = self.graph.shape(step.output)[1..].to_vec();
        Ok((self.view(&x, &input, name), output))
    }

    pub(crate) fn max_pool(&mut self, step: &Step, name: &str, window: &Window) -> Result<Int> {
        let (x, shape) = self.planes(step, name)?;
        let window = window2d(window);
        let (lo, hi) = (x.lo, x.hi);
        Ok(self.unary(name, Operator::MaxPool { window }, &x, shape, lo, hi))
    }

    /// Sums of windows; dividing by a count that is the same everywhere only changes the scale.
    pub(crate) fn average_pool(
        &mut self,
        step: &Step,
        name: &str,
        window: &Window,
        counts: &[f64],
    ) -> Result<Int> {
        let (x, shape) = self.planes(step, name)?;
        let taps = i32::try_from(window.kernel[0] * window.kernel[1]).unwrap_or(i32::MAX);
        let operator = Operator::SumPool {
            window: window2d(window),
        };
        let (lo, hi) = (x.lo.saturating_mul(taps), x.hi.saturating_mul(taps));
        let sums_name = self.sub(name, "sums");
        let sums = self.unary(&sums_name, operator, &x, shape.clone(), lo, hi);
        let first = counts[0];
        if counts.iter().all(|count| *count == first) {
            let error = x.error * f64::from(taps) / first;
            let scale = x.scale / first;
            return Ok(Int {
                scale,
                error,
                ..sums
            });
        }
        // One multiplier for each place; the result keeps the scale of the input, or a finer one if its limit allows.
        let finer = (f64::from(self.plan.limit(step.output)) / f64::from(x.max_abs().max(1)))
            .clamp(1.0, 256.0);
        let least = counts.iter().copied().fold(f64::INFINITY, f64::min);
        let shift = shift_for(finer / least).unwrap_or(0);
        let power = 2_f64.powi(i32::from(shift));
        let multipliers: Vec<i32> = counts
            .iter()
            .map(|count| rounded(finer / count * power, 0, 65_535))
            .collect();
        let off = counts
            .iter()
            .zip(&multipliers)
            .map(|(count, m)| (1.0 - f64::from(*m) / power * count / finer).abs())
            .fold(0.0, f64::max);
        let places = counts.len();
        let sums = self.view(&sums, &[shape[0], places], name);
        let operator = Operator::Requantize {
            multipliers: self.constant(name, "m", &[places], Elements::I32(multipliers))?,
            shift,
        };
        let scale = x.scale / finer;
        let bound = |v: i32| rounded(f64::from(v) * finer, -i32::MAX, i32::MAX);
        let (lo, hi) = (bound(x.lo), bound(x.hi));
        let int = self.unary(name, operator, &sums, sums.shape.clone(), lo, hi);
        let int = self.view(&int, &shape, name);
        let error = x.error + x.reach() * off + scale;
        Ok(Int {
            scale,
            error,
            ..int
        })
    }

    pub(crate) fn pad(
        &mut self,
        step: &Step,
        name: &str,
        (axis, before, value): (usize, usize, f64),
    ) -> Result<Int> {
        let x = self.shaped(step.inputs[0], name)?;
        let limit = self.plan.limit(step.output).max(x.max_abs());
        if value.abs() / x.scale > f64::from(limit) {
            return Err(self.refuse(step, "with a value far outside of the data"));
        }
        let value = rounded(value / x.scale, -limit, limit);
        let shape = self.graph.shape(step.output).to_vec();
        let operator = Operator::Pad {
            axis: small(axis),
            before: wide(before),
            value,
        };
        let (lo, hi) = (x.lo.min(value), x.hi.max(value));
        let int = self.unary(name, operator, &x, shape, lo, hi);
        let error = x.error.max(if value == 0 { 0.0 } else { x.scale / 2.0 });
        Ok(Int { error, ..int })
    }

    /// All parts at one scale.
    pub(crate) fn concat(&mut self, step: &Step, name: &str, axis: usize) -> Result<Int> {
        let parts = step
            .inputs
            .iter()
            .map(|id| self.shaped(*id, name))
            .collect::<Result<Vec<_>>>()?;
        let reach = parts.iter().map(Int::reach).fold(0.0, f64::max);
        let coarsest = parts.iter().map(|part| part.scale).fold(0.0, f64::max);
        let limit = f64::from(self.plan.limit(step.output));
        let same = parts.iter().all(|part| part.scale == coarsest);
        let scale = if same {
            coarsest
        } else {
            (reach / limit).max(coarsest / 65_535.0)
        };
        let mut nodes = Vec::with_capacity(parts.len());
        let mut all = Int {
            scale,
            lo: 0,
            hi: 0,
            error: 0.0,
            shape: self.graph.shape(step.output).to_vec(),
            node: parts[0].node,
        };
        for part in parts {
            let part_name = self.sub(name, "part");
            let part = self.at_scale(&part, scale, false, &part_name)?;
            nodes.push(part.node);
            all.lo = all.lo.min(part.lo);
            all.hi = all.hi.max(part.hi);
            all.error = all.error.max(part.error);
        }
        let operator = Operator::Concat { axis: small(axis) };
        let shape = all.shape.clone();
        all.node = self.node(name, operator, &nodes, &shape, all.lo, all.hi);
        Ok(all)
    }
}
