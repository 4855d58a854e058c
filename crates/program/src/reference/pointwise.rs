//! Operators on elements and vectors (§3.1, §3.2, §3.4).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "the checker has proven the bounds of §4.1; indices are below the products of checked dimensions"
)]

use alloc::vec::Vec;

use super::{Constant, Step, Value, exact};
use crate::arithmetic::{clamp, exp_weight, rdiv, requantize, rshift};
use crate::graph::ConstantId;

/// Softmax weights of scores: `w(M − u)` for each, and their sum.
pub(super) fn weights(scores: &[i64]) -> (Vec<i64>, i64) {
    let max = scores.iter().copied().max().unwrap_or(0);
    let weights: Vec<i64> = scores
        .iter()
        .map(|u| i64::from(exp_weight(max.abs_diff(*u))))
        .collect();
    let sum = weights.iter().sum();
    (weights, sum)
}

impl<B: AsRef<[u8]>> Step<'_, B> {
    /// Clamped to the declared range.
    pub(super) fn clamped(&self, value: i128) -> i32 {
        clamp(value, self.result().lo, self.result().hi)
    }

    fn scaled(&self, value: i64, multiplier: i32, shift: u8) -> i32 {
        requantize(value, multiplier, shift, self.result().lo, self.result().hi)
    }

    pub(super) fn embed(&self, table: ConstantId, multipliers: ConstantId, shift: u8) -> Vec<i32> {
        let (x, table, multipliers) = (
            self.input(0),
            self.constant(table),
            self.constant(multipliers),
        );
        let width = table.width();
        let mut y = Vec::new();
        for id in x.elements {
            let id = usize::try_from(*id).unwrap_or(0);
            for j in 0..width {
                y.push(self.scaled(table.at(id * width + j), multipliers.channel(id), shift));
            }
        }
        y
    }

    pub(super) fn requantize(&self, multipliers: ConstantId, shift: u8) -> Vec<i32> {
        let (x, multipliers) = (self.input(0), self.constant(multipliers));
        let channel = |i: usize| multipliers.channel(i % x.width());
        x.elements
            .iter()
            .enumerate()
            .map(|(i, x)| self.scaled(i64::from(*x), channel(i), shift))
            .collect()
    }

    pub(super) fn channel_scale(&self, multipliers: ConstantId, shift: u8) -> Vec<i32> {
        let (x, multipliers) = (self.input(0), self.constant(multipliers));
        let inner = x.elements.len() / x.length(0);
        let channel = |i: usize| exact(multipliers.at(i / inner));
        x.elements
            .iter()
            .enumerate()
            .map(|(i, x)| self.scaled(i64::from(*x), channel(i), shift))
            .collect()
    }

    /// `f` of each element of the first input and the one of the second that is broadcast to it.
    fn pairs(&self, f: impl Fn(i64, i64) -> i32) -> Vec<i32> {
        let (x, y) = (self.input(0), self.input(1));
        let inner = y.elements.len().max(1);
        x.elements
            .iter()
            .enumerate()
            .map(|(i, x)| f(i64::from(*x), y.at(i % inner)))
            .collect()
    }

    pub(super) fn add(&self) -> Vec<i32> {
        self.pairs(|x, y| exact(x + y))
    }

    pub(super) fn multiply(&self, shift: u8) -> Vec<i32> {
        self.pairs(|x, y| self.clamped(rshift(i128::from(x * y), shift)))
    }

    pub(super) fn clamp(&self) -> Vec<i32> {
        self.input(0)
            .elements
            .iter()
            .map(|x| self.clamped(i128::from(*x)))
            .collect()
    }

    pub(super) fn table(&self, table: ConstantId) -> Vec<i32> {
        let (x, table) = (self.input(0), self.constant(table));
        let lo = i64::from(x.of.lo);
        let entry = |x: i32| usize::try_from(i64::from(x) - lo).unwrap_or(0);
        x.elements
            .iter()
            .map(|x| exact(table.at(entry(*x))))
            .collect()
    }

    /// Both norms (§3.1).
    pub(super) fn norm(&self, eps: u64, fraction: u8, centered: bool) -> Vec<i32> {
        let x = self.input(0);
        let mut y = Vec::new();
        for row in x.elements.chunks(x.width()) {
            let sum: i128 = row.iter().map(|x| i128::from(*x)).sum();
            let mean = if centered {
                rdiv(sum, row.len() as i128)
            } else {
                0
            };
            let z: Vec<i128> = row.iter().map(|x| i128::from(*x) - mean).collect();
            let squares: i128 = z.iter().map(|z| z * z).sum();
            let s = u128::from(eps) + squares.unsigned_abs();
            let e = s.ilog2() / 2;
            // The largest r with r²·S ≤ 2^(2e+60).
            let r = ((1_u128 << (2 * e + 60)) / s).isqrt();
            let shift = u8::try_from(e + 30).unwrap_or(0) - fraction;
            y.extend(z.iter().map(|z| {
                self.clamped(rshift(z * i128::from(u64::try_from(r).unwrap_or(0)), shift))
            }));
        }
        y
    }

    /// Rotary position (§3.2).
    pub(super) fn rope(&self, cosines: ConstantId, sines: ConstantId) -> Vec<i32> {
        let (x, cosines, sines) = (self.input(0), self.constant(cosines), self.constant(sines));
        let half = cosines.width();
        let at = |table: Constant<'_>, i: usize| table.at(self.position * half + i);
        let mut y = Vec::new();
        for head in x.elements.chunks(x.width()) {
            let head = Value {
                of: x.of,
                elements: head,
            };
            let rotated = |a: i64, b: i64| self.clamped(rshift(i128::from(a + b), 14));
            y.extend((0..half).map(|i| {
                rotated(
                    head.at(i) * at(cosines, i),
                    -head.at(i + half) * at(sines, i),
                )
            }));
            y.extend((0..half).map(|i| {
                rotated(
                    head.at(i + half) * at(cosines, i),
                    head.at(i) * at(sines, i),
                )
            }));
            y.extend((2 * half..x.width()).map(|i| self.clamped(i128::from(head.at(i)))));
        }
        y
    }

    /// A score of §3.3.
    pub(super) fn score(sum: i64, multiplier: i32, shift: u8) -> i64 {
        i64::from(exact_i128(rshift(
            i128::from(sum) * i128::from(multiplier),
            shift,
        )))
    }

    pub(super) fn softmax(&self, multiplier: i32, shift: u8) -> Vec<i32> {
        let x = self.input(0);
        let mut y = Vec::new();
        for row in x.elements.chunks(x.width()) {
            let scores: Vec<i64> = row
                .iter()
                .map(|x| Self::score(i64::from(*x), multiplier, shift))
                .collect();
            let (weights, sum) = weights(&scores);
            y.extend(
                weights
                    .iter()
                    .map(|w| self.clamped(rdiv(i128::from(*w) << 15, i128::from(sum)))),
            );
        }
        y
    }
}

fn exact_i128(value: i128) -> i32 {
    i32::try_from(value).unwrap_or(0)
}
