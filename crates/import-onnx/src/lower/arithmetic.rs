//! Products of activations, sums over dimensions, softmax, norms and labels.

use proofmark_import::Elements;
use proofmark_program::Operator;

use super::scales::Rescale;
use super::{Int, Lowerer, rounded, small};
use crate::error::Result;
use crate::graph::Step;

/// Fractional bits of a norm.
const NORM_FRACTION: u8 = 24;

impl Lowerer<'_> {
    pub(crate) fn matmul(&mut self, step: &Step, name: &str) -> Result<Int> {
        let (a, b) = (
            self.shaped(step.inputs[0], name)?,
            self.shaped(step.inputs[1], name)?,
        );
        let terms = a.shape.last().copied().unwrap_or(1);
        let shape = self.graph.shape(step.output).to_vec();
        let inputs = [a.node, b.node];
        let most = i64::from(a.max_abs())
            * i64::from(b.max_abs())
            * i64::try_from(terms).unwrap_or(i64::MAX);
        let most = i32::try_from(most).map_err(|_| self.refuse(step, "of too many terms"))?;
        let node = self.node(name, Operator::MatMul, &inputs, &shape, -most, most);
        #[expect(clippy::cast_precision_loss, reason = "a dimension")]
        let error = (a.reach() * b.error + b.reach() * a.error + a.error * b.error) * terms as f64;
        Ok(Int {
            node,
            shape,
            scale: a.scale * b.scale,
            lo: -most,
            hi: most,
            error,
        })
    }

    pub(crate) fn sum(&mut self, step: &Step, name: &str, axis: usize, factor: f64) -> Result<Int> {
        let x = self.shaped(step.inputs[0], name)?;
        let count = i32::try_from(x.shape[axis]).unwrap_or(i32::MAX);
        let shape = self.graph.shape(step.output).to_vec();
        let operator = Operator::ReduceSum { axis: small(axis) };
        let (lo, hi) = (x.lo.saturating_mul(count), x.hi.saturating_mul(count));
        let int = self.unary(name, operator, &x, shape, lo, hi);
        Ok(Int {
            scale: x.scale * factor,
            error: x.error * f64::from(count) * factor,
            ..int
        })
    }

    /// Weights of 2^-15, from scores in units of 1/1024 of a factor of two (specs/04-program.md §1.4, §3.4).
    pub(crate) fn softmax(&mut self, step: &Step, name: &str) -> Result<Int> {
        let mut x = self.shaped(step.inputs[0], name)?;
        let steps = 1024.0 * core::f64::consts::LOG2_E;
        // Coarser integers than 45 of these units are refined: the multiplier has to fit.
        if x.scale * steps > 60_000.0 {
            return Err(self.refuse(step, "of numbers beyond a million"));
        }
        let mut by = Rescale::closest(x.scale * steps).unwrap_or(Rescale {
            multiplier: 65_535,
            shift: 0,
        });
        if by.ratio() * f64::from(x.max_abs()) > f64::from(i32::MAX) {
            by = Rescale {
                multiplier: 1,
                shift: 0,
            };
            x.error = f64::INFINITY;
        }
        let off = (by.ratio() / steps - x.scale).abs() * f64::from(x.max_abs());
        let most = self.plan.limit(step.output).min(1 << 15);
        let operator = Operator::Softmax {
            multiplier: by.multiplier,
            shift: by.shift,
        };
        let n = x.shape.last().copied().unwrap_or(1);
        let int = self.unary(name, operator, &x, x.shape.clone(), 0, most);
        // Scores are off by their error and half a unit, weights by less than one in 2^14, and the quotient is rounded.
        #[expect(clippy::cast_precision_loss, reason = "a dimension")]
        let weights = (n as f64 + 1.0) / 16_384.0;
        let error = (x.error + off) / 2.0 + 0.5 / steps + weights.min(1.0) + 2_f64.powi(-15);
        Ok(Int {
            scale: 2_f64.powi(-15),
            error,
            ..int
        })
    }

    pub(crate) fn normalize(
        &mut self,
        step: &Step,
        name: &str,
        centered: bool,
        (eps, factor): (f64, f64),
    ) -> Result<Int> {
        let x = self.shaped(step.inputs[0], name)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 1 ..= 2^50"
        )]
        let integer = (eps / x.scale / x.scale).round().clamp(1.0, 2_f64.powi(50)) as u64;
        let fraction = NORM_FRACTION;
        let operator = if centered {
            Operator::LayerNorm {
                eps: integer,
                fraction,
            }
        } else {
            Operator::RmsNorm {
                eps: integer,
                fraction,
            }
        };
        let most = 1 << NORM_FRACTION;
        let int = self.unary(name, operator, &x, x.shape.clone(), -most, most);
        // The norm divides by the root of the sum of squares, which may be as small as that of eps.
        #[expect(
            clippy::cast_precision_loss,
            reason = "a dimension, and an integer of at most 2^50"
        )]
        let (length, root) = (
            x.shape.last().copied().unwrap_or(1) as f64,
            (integer as f64).sqrt() * x.scale,
        );
        let error = 2.0 * factor * (x.error + x.scale) * length.sqrt() / root;
        Ok(Int {
            scale: factor * 2_f64.powi(-i32::from(NORM_FRACTION)),
            error,
            ..int
        })
    }

    /// A table from index to label.
    pub(crate) fn label(&mut self, step: &Step, name: &str, labels: &[f64]) -> Result<Int> {
        let x = self.shaped(step.inputs[0], name)?;
        let values: Vec<i32> = (x.lo..=x.hi)
            .map(|index| {
                let label = usize::try_from(index)
                    .ok()
                    .and_then(|index| labels.get(index));
                rounded(label.copied().unwrap_or(0.0), i32::MIN + 1, i32::MAX)
            })
            .collect();
        let (lo, hi) = values
            .iter()
            .fold((0, 0), |(lo, hi), &v| (v.min(lo), v.max(hi)));
        let count = values.len();
        let operator = Operator::Table {
            table: self.constant(name, "table", &[count], Elements::I32(values))?,
        };
        let shape = self.graph.shape(step.output).to_vec();
        Ok(self.unary(name, operator, &x, shape, lo, hi))
    }
}
