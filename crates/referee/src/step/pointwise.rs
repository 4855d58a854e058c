//! Operators on elements and vectors (04 §3.1, §3.2, §3.4).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "shapes have at most 2^28 elements, values 64 bits; wider products are in i128"
)]

use alloc::vec::Vec;
use core::ops::Range;

use proofmark_program::{ConstantId, exp_weight, rdiv, requantize, rshift};

use super::{Operand, Source, Step};
use crate::RefereeError;
use crate::error::unsound;

/// Sums of squares are below this (04 §4.1).
const WIDE: i128 = 1 << 62;

/// The score of a sum (04 §3.3).
pub(super) fn score(sum: i128, multiplier: i32, shift: u8) -> Result<i32, RefereeError> {
    let score = sum
        .checked_mul(i128::from(multiplier))
        .map(|product| rshift(product, shift));
    score
        .and_then(|score| i32::try_from(score).ok())
        .ok_or(unsound("a score leaves its type"))
}

/// `w(M − u)`.
pub(super) fn weight(max: i64, score: i32) -> Result<i128, RefereeError> {
    let gap = i128::from(max) - i128::from(score);
    match u64::try_from(gap) {
        Ok(gap) => Ok(exp_weight(gap).into()),
        Err(_) if gap < 0 => Err(unsound("a score above its maximum")),
        Err(_) => Ok(0),
    }
}

/// Elements of the range by rows of `width`: the row, and the columns wanted of it.
pub(super) fn by_rows(range: Range<u64>, width: u64) -> impl Iterator<Item = (u64, Range<u64>)> {
    let width = width.max(1);
    let rows = range.start / width..range.end.div_ceil(width);
    rows.map(move |row| {
        let start = range.start.saturating_sub(row * width);
        (row, start..(range.end - row * width).min(width))
    })
}

impl<S: Source> Step<'_, S> {
    fn scaled(&self, value: i64, multiplier: i32, shift: u8) -> i64 {
        let (lo, hi) = (self.result().lo, self.result().hi);
        i64::from(requantize(value, multiplier, shift, lo, hi))
    }

    /// `f` of each element of the first input and its index.
    fn each(
        &self,
        range: Range<u64>,
        f: impl Fn(i64, u64) -> Result<i64, RefereeError>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x = self.read(self.x(0)?, range.clone())?;
        x.into_iter().zip(range).map(|(x, i)| f(x, i)).collect()
    }

    pub(super) fn embed(
        &self,
        table: ConstantId,
        multipliers: ConstantId,
        shift: u8,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x = self.x(0)?;
        let shape = self.steps.source.shape(table)?;
        let width = shape.last().copied().map_or(1, super::size);
        let mut y = Vec::new();
        for (at, columns) in by_rows(range, width) {
            let id = self.one(x, at)?;
            let id = u64::try_from(id).map_err(|_| unsound("a negative index"))?;
            let multiplier = self.channel(multipliers, id)?;
            let entries =
                self.constants(table, id * width + columns.start..id * width + columns.end)?;
            let scaled = |entry: i32| self.scaled(i64::from(entry), multiplier, shift);
            y.extend(entries.into_iter().map(scaled));
        }
        Ok(y)
    }

    pub(super) fn requantize(
        &self,
        multipliers: ConstantId,
        shift: u8,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let width = self.x(0)?.width().max(1);
        self.each(range, |x, i| {
            Ok(self.scaled(x, self.channel(multipliers, i % width)?, shift))
        })
    }

    pub(super) fn channel_scale(
        &self,
        multipliers: ConstantId,
        shift: u8,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let inner = self.x(0)?.inner(0).max(1);
        self.each(range, |x, i| {
            let multiplier = super::narrow(self.constant(multipliers, i / inner)?)?;
            Ok(self.scaled(x, multiplier, shift))
        })
    }

    /// `f` of each element of the first input and the one of the second that is broadcast to it.
    fn pairs(
        &self,
        range: Range<u64>,
        f: impl Fn(i64, i64) -> Result<i64, RefereeError>,
    ) -> Result<Vec<i64>, RefereeError> {
        let y = self.x(1)?;
        let inner = y.of.elements().max(1);
        self.each(range, |x, i| f(x, self.one(y, i % inner)?))
    }

    pub(super) fn add(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        self.pairs(range, |x, y| self.exact(i128::from(x) + i128::from(y)))
    }

    pub(super) fn multiply(&self, shift: u8, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        self.pairs(range, |x, y| {
            Ok(self.clamped(rshift(i128::from(x) * i128::from(y), shift)))
        })
    }

    pub(super) fn clamp(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        self.each(range, |x, _| Ok(self.clamped(x.into())))
    }

    pub(super) fn table(
        &self,
        table: ConstantId,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let lo = i64::from(self.x(0)?.of.lo);
        self.each(range, |x, _| {
            let entry = u64::try_from(i128::from(x) - i128::from(lo));
            self.constant(
                table,
                entry.map_err(|_| unsound("a value below its range"))?,
            )
        })
    }

    /// Both norms (04 §3.1).
    pub(super) fn norm(
        &self,
        eps: u64,
        fraction: u8,
        centered: bool,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x = self.x(0)?;
        let width = x.width();
        let mut y = Vec::new();
        for (at, columns) in by_rows(range, width) {
            let row = self.read(x, at * width..(at + 1) * width)?;
            let sum: i128 = row.iter().map(|x| i128::from(*x)).sum();
            let mean = if centered {
                rdiv(sum, i128::from(width))
            } else {
                0
            };
            let z: Vec<i128> = row.iter().map(|x| i128::from(*x) - mean).collect();
            let squares: i128 = z.iter().map(|z| z * z).sum();
            let s = i128::from(eps) + squares;
            if !(1..WIDE).contains(&s) {
                return Err(unsound("a sum of squares leaves its type"));
            }
            let s = s.unsigned_abs();
            let e = s.ilog2() / 2;
            // The largest r with r²·S ≤ 2^(2e+60); at most 2^30.
            let r = ((1_u128 << (2 * e + 60)) / s).isqrt();
            let r = i128::try_from(r).map_err(|_| unsound("a root"))?;
            let shift = u8::try_from(e + 30)
                .ok()
                .and_then(|s| s.checked_sub(fraction));
            let shift = shift.ok_or(unsound("more than 30 fractional bits"))?;
            for (z, i) in z.iter().zip(0..) {
                if columns.contains(&i) {
                    y.push(self.clamped(rshift(z * r, shift)));
                }
            }
        }
        Ok(y)
    }

    /// Rotary position (04 §3.2).
    pub(super) fn rope(
        &self,
        cosines: ConstantId,
        sines: ConstantId,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x = self.x(0)?;
        let width = x.width().max(1);
        let shape = self.steps.source.shape(cosines)?;
        let half = shape.last().copied().map_or(0, super::size);
        let mut y = Vec::new();
        for index in range {
            let (start, i) = (index - index % width, index % width);
            let value = i128::from(self.one(x, index)?);
            if i >= 2 * half {
                y.push(self.clamped(value));
                continue;
            }
            let (pair, other) = if i < half {
                (i, i + half)
            } else {
                (i - half, i - half)
            };
            let other = i128::from(self.one(x, start + other)?);
            let cosine = i128::from(self.constant(cosines, self.position * half + pair)?);
            let sine = i128::from(self.constant(sines, self.position * half + pair)?);
            let turned = if i < half {
                -(other * sine)
            } else {
                other * sine
            };
            y.push(self.clamped(rshift(value * cosine + turned, 14)));
        }
        Ok(y)
    }

    pub(super) fn softmax(
        &self,
        multiplier: i32,
        shift: u8,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x: Operand<'_> = self.x(0)?;
        let width = x.width();
        let mut y = Vec::new();
        for (at, columns) in by_rows(range, width) {
            let row = self.read(x, at * width..(at + 1) * width)?;
            let scores: Result<Vec<i32>, _> = row
                .iter()
                .map(|x| score(i128::from(*x), multiplier, shift))
                .collect();
            let scores = scores?;
            let max = scores.iter().copied().max().map_or(0, i64::from);
            let weights: Result<Vec<i128>, _> = scores.iter().map(|u| weight(max, *u)).collect();
            let weights = weights?;
            let sum: i128 = weights.iter().sum();
            for (w, i) in weights.iter().zip(0..) {
                if columns.contains(&i) {
                    y.push(self.clamped(rdiv(w << 15, sum)));
                }
            }
        }
        Ok(y)
    }
}
