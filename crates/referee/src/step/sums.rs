//! Operators that sum products, and trees (04 §3.5, §3.6).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "shapes have at most 2^28 elements, attributes 32 bits; kernels are bounded by the work before they are indexed; sums are in i128"
)]

use alloc::vec::Vec;
use core::ops::Range;

use proofmark_program::{ConstantId, TreeConstants, Window2d};

use super::pointwise::by_rows;
use super::{Source, Step, size};
use crate::RefereeError;
use crate::error::unsound;

/// The place of the input under a place of the kernel, if it is inside.
fn place(
    output: u64,
    kernel: u64,
    stride: u32,
    dilation: u32,
    before: u32,
    length: u64,
) -> Option<u64> {
    let at = output * size(stride) + kernel * size(dilation);
    at.checked_sub(size(before)).filter(|at| *at < length)
}

/// All (a, b, c) below the given lengths, the last running fastest.
fn triples(a: u64, b: u64, c: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

fn dot(a: &[i64], b: &[i32]) -> i128 {
    let products = a.iter().zip(b);
    products.map(|(a, b)| i128::from(*a) * i128::from(*b)).sum()
}

impl<S: Source> Step<'_, S> {
    fn bias(&self, bias: Option<ConstantId>, channel: u64) -> Result<i128, RefereeError> {
        bias.map_or(Ok(0), |bias| self.constant(bias, channel).map(i128::from))
    }

    pub(super) fn linear(
        &self,
        weight: ConstantId,
        bias: Option<ConstantId>,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x = self.x(0)?;
        let (k, n) = (x.width(), self.y().width());
        let mut y = Vec::new();
        for (at, columns) in by_rows(range, n) {
            let row = self.read(x, at * k..(at + 1) * k)?;
            for c in columns {
                let weights = self.constants(weight, c * k..(c + 1) * k)?;
                y.push(self.exact(self.bias(bias, c)? + dot(&row, &weights))?);
            }
        }
        Ok(y)
    }

    pub(super) fn matmul(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let (a, b) = (self.x(0)?, self.x(1)?);
        let rank = a.of.shape.len();
        let p = a.length(rank.saturating_sub(2)).max(1);
        let (k, q) = (a.width(), b.width());
        let mut y = Vec::new();
        for (at, columns) in by_rows(range, q) {
            let row = self.read(a, at * k..(at + 1) * k)?;
            let matrix = at / p * k * q;
            let mut sums = Vec::new();
            for (j, factor) in row.iter().zip(0_u64..).map(|(x, j)| (j, i128::from(*x))) {
                let start = matrix + j * q;
                let values = self.read(b, start + columns.start..start + columns.end)?;
                sums.resize(values.len(), 0_i128);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += factor * i128::from(value);
                }
            }
            for sum in sums {
                y.push(self.exact(sum)?);
            }
        }
        Ok(y)
    }

    pub(super) fn conv(
        &self,
        weight: ConstantId,
        bias: Option<ConstantId>,
        window: &Window2d,
        groups: u64,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let (x, y_of) = (self.x(0)?, self.y());
        let (h, w) = (x.length(1), x.length(2));
        let none = || unsound("no groups");
        let inner = x.length(0).checked_div(groups).ok_or_else(none)?;
        let per_group = y_of.length(0).checked_div(groups).ok_or_else(none)?;
        let [kh, kw] = window.kernel.map(size);
        let ([sh, sw], [dh, dw], [top, left, _, _]) =
            (window.strides, window.dilations, window.pads);
        let factors = inner.saturating_mul(kh).saturating_mul(kw);
        let mut y = Vec::new();
        for index in range {
            self.spend(factors)?;
            let (o, r, c) = y_of.place(index);
            let weights = self.constants(weight, o * factors..(o + 1) * factors)?;
            let first = o.checked_div(per_group).ok_or_else(none)? * inner;
            let mut sum = self.bias(bias, o)?;
            for ((p, i, j), factor) in triples(inner, kh, kw).zip(weights) {
                let inside = place(r, i, sh, dh, top, h).zip(place(c, j, sw, dw, left, w));
                if let Some((row, column)) = inside {
                    let value = self.one(x, ((first + p) * h + row) * w + column)?;
                    sum += i128::from(factor) * i128::from(value);
                }
            }
            y.push(self.exact(sum)?);
        }
        Ok(y)
    }

    pub(super) fn pool(
        &self,
        window: &Window2d,
        sum: bool,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let (x, y_of) = (self.x(0)?, self.y());
        let (h, w) = (x.length(1), x.length(2));
        let [kh, kw] = window.kernel.map(size);
        let ([sh, sw], [top, left, _, _]) = (window.strides, window.pads);
        let mut y = Vec::new();
        for index in range {
            self.spend(kh.saturating_mul(kw))?;
            let (channel, r, c) = y_of.place(index);
            let mut values = Vec::new();
            for (_, i, j) in triples(1, kh, kw) {
                let inside = place(r, i, sh, 1, top, h).zip(place(c, j, sw, 1, left, w));
                if let Some((row, column)) = inside {
                    values.push(i128::from(self.one(x, (channel * h + row) * w + column)?));
                }
            }
            let value = if sum {
                values.iter().sum()
            } else {
                let max = values.iter().copied().max();
                max.ok_or(unsound("a window outside"))?
            };
            y.push(self.exact(value)?);
        }
        Ok(y)
    }

    /// Trees (04 §3.6).
    pub(super) fn trees(
        &self,
        trees: &TreeConstants,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x = self.x(0)?;
        let index = |value: i64| u64::try_from(value).map_err(|_| unsound("a negative index"));
        let outputs = self.y().width();
        let count = self.steps.source.shape(trees.roots)?;
        let count = count.first().copied().map_or(0, size);
        let mut sums: Vec<i128> = Vec::new();
        for base in self.constants(trees.base, range.clone())? {
            sums.push(base.into());
        }
        for tree in 0..count {
            let mut node = index(self.constant(trees.roots, tree)?)?;
            while let Ok(feature) = u64::try_from(self.constant(trees.feature, node)?) {
                let left = self.one(x, feature)? < self.constant(trees.threshold, node)?;
                let child = if left { trees.left } else { trees.right };
                node = index(self.constant(child, node)?)?;
            }
            let start = index(self.constant(trees.leaf, node)?)? * outputs;
            let values = self.constants(trees.values, start + range.start..start + range.end)?;
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += i128::from(value);
            }
        }
        sums.into_iter().map(|sum| self.exact(sum)).collect()
    }
}

impl super::Operand<'_> {
    /// The three indices of an element of a tensor of three dimensions.
    fn place(&self, index: u64) -> (u64, u64, u64) {
        let (rows, columns) = (self.length(1).max(1), self.length(2).max(1));
        let row = index / columns;
        (row / rows, row % rows, index % columns)
    }
}
