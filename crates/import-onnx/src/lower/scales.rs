//! Scales, multipliers and rounding.

use proofmark_import::Elements;
use proofmark_program::Operator;

use super::{Int, Lowerer};
use crate::error::Result;

/// Largest multiplier (specs/04-program.md §1.3).
pub(crate) const MAX_MULTIPLIER: f64 = 65_535.0;

/// `m / 2^s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rescale {
    pub(crate) multiplier: i32,
    pub(crate) shift: u8,
}

impl Rescale {
    /// The closest to a positive ratio. `None` beyond 65,535.
    pub(crate) fn closest(ratio: f64) -> Option<Self> {
        let shift = shift_for(ratio)?;
        let multiplier = rounded(ratio * 2_f64.powi(i32::from(shift)), 0, 65_535);
        Some(Self { multiplier, shift })
    }

    pub(crate) fn ratio(self) -> f64 {
        f64::from(self.multiplier) / 2_f64.powi(i32::from(self.shift))
    }
}

/// The largest shift with which `ratio · 2^s` is a multiplier.
pub(crate) fn shift_for(ratio: f64) -> Option<u8> {
    if ratio > MAX_MULTIPLIER || ratio.is_nan() {
        return None;
    }
    let exponent = (MAX_MULTIPLIER / ratio.max(f64::MIN_POSITIVE))
        .log2()
        .floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 ..= 62"
    )]
    let mut shift = exponent.clamp(0.0, 62.0) as u8;
    while shift > 0 && ratio * 2_f64.powi(i32::from(shift)) > MAX_MULTIPLIER {
        shift -= 1;
    }
    Some(shift)
}

/// The nearest integer within bounds; 0 for what is not a number.
#[expect(clippy::cast_possible_truncation, reason = "clamped to i32 before")]
pub(crate) fn rounded(x: f64, lo: i32, hi: i32) -> i32 {
    x.round_ties_even().clamp(f64::from(lo), f64::from(hi)) as i32
}

impl Lowerer<'_> {
    /// The tensor at about this scale (the closest that a multiplier gives), within these numbers.
    pub(crate) fn rescaled(
        &mut self,
        x: &Int,
        scale: f64,
        (lo, hi): (f64, f64),
        name: &str,
    ) -> Result<Int> {
        // A finer scale than a multiplier reaches is no use: the integers have no more to say.
        let scale = scale.max(x.scale / MAX_MULTIPLIER);
        let by = Rescale::closest(x.scale / scale).unwrap_or(Rescale {
            multiplier: 1,
            shift: 0,
        });
        let by = if by.multiplier == 0 {
            Rescale {
                multiplier: 1,
                ..by
            }
        } else {
            by
        };
        let scale = x.scale / by.ratio();
        let (lo, hi) = (
            rounded(lo / scale, -i32::MAX, 0),
            rounded(hi / scale, 0, i32::MAX),
        );
        self.requantized(x, by, scale, (lo, hi), name)
    }

    /// The tensor times ±1 at exactly this scale. What the multiplier is off is part of the error.
    pub(crate) fn at_scale(
        &mut self,
        x: &Int,
        scale: f64,
        negate: bool,
        name: &str,
    ) -> Result<Int> {
        if x.scale == scale && !negate {
            return Ok(x.clone());
        }
        let by = Rescale::closest(x.scale / scale).unwrap_or(Rescale {
            multiplier: 65_535,
            shift: 0,
        });
        let off = (by.ratio() * scale - x.scale).abs() * f64::from(x.max_abs());
        let bound = |v: i32| {
            let v = f64::from(v) * by.ratio();
            rounded(
                if v < 0.0 { v.floor() } else { v.ceil() },
                -i32::MAX / 4,
                i32::MAX / 4,
            )
        };
        let (lo, hi) = if negate {
            (-bound(x.hi), -bound(x.lo))
        } else {
            (bound(x.lo), bound(x.hi))
        };
        let by = if negate {
            Rescale {
                multiplier: -by.multiplier,
                ..by
            }
        } else {
            by
        };
        let exact = by.shift == 0;
        let mut int = self.requantized(x, by, scale, (lo, hi), name)?;
        int.error = x.error + off + if exact { 0.0 } else { scale / 2.0 };
        Ok(int)
    }

    fn requantized(
        &mut self,
        x: &Int,
        by: Rescale,
        scale: f64,
        (lo, hi): (i32, i32),
        name: &str,
    ) -> Result<Int> {
        let elements = Elements::I32(vec![by.multiplier]);
        let multipliers = self.constant(name, "m", &[1], elements)?;
        let operator = Operator::Requantize {
            multipliers,
            shift: by.shift,
        };
        // Requantization is per channel of the last dimension, so there has to be one.
        let shape = if x.shape.is_empty() {
            vec![1]
        } else {
            x.shape.clone()
        };
        let x = self.view(x, &shape, name);
        let int = self.unary(name, operator, &x, shape, lo, hi);
        Ok(Int {
            scale,
            error: x.error + scale / 2.0,
            ..int
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_use_their_bits() {
        for ratio in [1e-12, 0.003, 0.5, 1.0, 1.999, 300.7, 65_535.0] {
            let by = Rescale::closest(ratio).unwrap();
            assert!(by.multiplier <= 65_535, "{ratio}");
            assert!((by.ratio() / ratio - 1.0).abs() < 1.6e-5, "{ratio}: {by:?}");
        }
        assert_eq!(Rescale::closest(65_536.0), None);
    }
}
