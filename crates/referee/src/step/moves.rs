//! Operators that move elements, and reductions.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "shapes have at most 2^28 elements, attributes 32 bits; sums are in i128"
)]

use alloc::vec::Vec;
use core::ops::Range;

use super::pointwise::by_rows;
use super::{Source, Step};
use crate::RefereeError;
use crate::error::unsound;

impl<S: Source> Step<'_, S> {
    pub(super) fn transpose(
        &self,
        permutation: &[u8],
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let (x, y_of) = (self.x(0)?, self.y());
        let mut y = Vec::new();
        for index in range {
            // Dimension j of the result is dimension π(j) of x.
            let offsets = permutation.iter().enumerate().map(|(axis, from)| {
                let i = index / y_of.inner(axis).max(1) % y_of.length(axis).max(1);
                i * x.inner(usize::from(*from))
            });
            y.push(self.one(x, offsets.sum())?);
        }
        Ok(y)
    }

    pub(super) fn concat(&self, axis: usize, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let y_of = self.y();
        let inner = y_of.inner(axis).max(1);
        let mut y = Vec::new();
        for index in range {
            let (outer, rest) = (
                index / (inner * y_of.length(axis)),
                index % (inner * y_of.length(axis)),
            );
            let (mut along, behind) = (rest / inner, rest % inner);
            let mut found = None;
            for at in 0..self.node.inputs.len() {
                let x = self.x(at)?;
                let length = x.length(axis);
                if along < length {
                    found = Some((x, (outer * length + along) * inner + behind));
                    break;
                }
                along -= length;
            }
            let (x, at) = found.ok_or(unsound("no input has this element"))?;
            y.push(self.one(x, at)?);
        }
        Ok(y)
    }

    /// Elements whose index along the axis comes from `source`, or `fill`.
    fn along(
        &self,
        axis: usize,
        source: impl Fn(u64) -> Option<u64>,
        fill: i64,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let (x, y_of) = (self.x(0)?, self.y());
        let (inner, length) = (x.inner(axis).max(1), x.length(axis));
        let after = y_of.length(axis).max(1);
        let mut y = Vec::new();
        for index in range {
            let (outer, j) = (index / inner / after, index / inner % after);
            match source(j).filter(|from| *from < length) {
                Some(from) => {
                    y.push(self.one(x, (outer * length + from) * inner + index % inner)?);
                }
                None => y.push(fill),
            }
        }
        Ok(y)
    }

    pub(super) fn slice(
        &self,
        axis: usize,
        start: u64,
        step: u64,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        self.along(axis, |j| Some(start + j * step), 0, range)
    }

    pub(super) fn pad(
        &self,
        axis: usize,
        before: u64,
        value: i32,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        self.along(axis, |j| j.checked_sub(before), value.into(), range)
    }

    pub(super) fn reduce(
        &self,
        axis: usize,
        sum: bool,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        let x = self.x(0)?;
        let (inner, length) = (x.inner(axis).max(1), x.length(axis));
        let mut y = Vec::new();
        for (outer, columns) in by_rows(range, inner) {
            let mut found: Vec<i128> = Vec::new();
            for j in 0..length {
                let start = (outer * length + j) * inner;
                let values = self.read(x, start + columns.start..start + columns.end)?;
                if found.is_empty() {
                    found = values.into_iter().map(i128::from).collect();
                    continue;
                }
                for (total, value) in found.iter_mut().zip(values) {
                    let value = i128::from(value);
                    *total = if sum {
                        *total + value
                    } else {
                        value.max(*total)
                    };
                }
            }
            for value in found {
                y.push(self.exact(value)?);
            }
        }
        Ok(y)
    }

    pub(super) fn arg_max(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let x = self.x(0)?;
        let width = x.width();
        let mut y = Vec::new();
        for at in range {
            let row = self.read(x, at * width..(at + 1) * width)?;
            let max = row.iter().max();
            let first = row.iter().zip(0_i128..).find(|(x, _)| Some(*x) == max);
            y.push(self.exact(first.map_or(0, |(_, i)| i))?);
        }
        Ok(y)
    }
}
