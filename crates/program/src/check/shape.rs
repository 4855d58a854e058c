//! Operators that move elements, and reductions.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "dimensions are at most 2^24 and numbers of inputs at most 2^10, in u64; values at most 2^31 in i128"
)]

use alloc::vec::Vec;

use super::{Scope, Span};
use crate::ProgramError;
use crate::graph::NodeType;

impl<'s, B: AsRef<[u8]>> Scope<'s, B> {
    /// The index of an axis and its length in `x`.
    fn axis(&self, x: &NodeType, axis: u8) -> Result<(usize, u32), ProgramError> {
        let axis = usize::from(axis);
        let length = x.shape.get(axis).copied();
        Ok((
            axis,
            length.ok_or_else(|| self.fault("there is no such axis"))?,
        ))
    }

    fn shape_is(&self, x: &NodeType, shape: &[u32]) -> Result<(), ProgramError> {
        let y = self.result();
        let same = y.by_position == x.by_position && y.shape == shape;
        self.require(same, "the result has another shape than its operator makes")
    }

    /// The input's shape with the result's length along an axis, which is that of the result.
    fn resized(&self, x: &NodeType, axis: u8) -> Result<(u32, u32), ProgramError> {
        let (at, before) = self.axis(x, axis)?;
        let after = self.result().shape.get(at).copied().unwrap_or(0);
        let mut shape = x.shape.clone();
        shape
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|length| *length = after);
        self.shape_is(x, &shape)?;
        Ok((before, after))
    }

    pub(super) fn reshape(&self) -> Result<Span, ProgramError> {
        let (x, y) = (self.input(0)?, self.result());
        let same = x.elements() == y.elements() && x.by_position == y.by_position;
        self.require(same, "the result has another number of elements")?;
        Ok(Span::of(x))
    }

    pub(super) fn transpose(&self, permutation: &[u8]) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        let mut sorted = permutation.to_vec();
        sorted.sort_unstable();
        let all = sorted.iter().copied().map(usize::from).eq(0..x.shape.len());
        self.require(all, "not a permutation of the dimensions")?;
        let shape = permutation
            .iter()
            .filter_map(|at| x.shape.get(usize::from(*at)).copied());
        self.shape_is(x, &shape.collect::<Vec<_>>())?;
        Ok(Span::of(x))
    }

    pub(super) fn concat(&self, axis: u8) -> Result<Span, ProgramError> {
        let first = self.input(0)?;
        let (at, _) = self.axis(first, axis)?;
        let (mut length, mut span) = (0_u64, Span::of(first));
        for index in 0..self.node.inputs.len() {
            let x: &'s NodeType = self.input(index)?;
            let (_, own) = self.axis(x, axis)?;
            length += u64::from(own);
            span = span.union(Span::of(x));
            let others = |x: &NodeType| -> Vec<u32> {
                x.shape
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| *i != at)
                    .map(|(_, d)| *d)
                    .collect()
            };
            let fits = x.by_position == first.by_position && others(x) == others(first);
            self.require(
                fits && x.shape.len() == first.shape.len(),
                "the inputs' shapes do not fit",
            )?;
        }
        let (_, after) = self.resized(first, axis)?;
        self.require(
            u64::from(after) == length,
            "the result is not as long as its inputs together",
        )?;
        Ok(span)
    }

    pub(super) fn slice(&self, axis: u8, start: u32, step: u32) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        let (before, after) = self.resized(x, axis)?;
        self.require(step >= 1, "a step of 0")?;
        let last = u64::from(start) + u64::from(after).saturating_sub(1) * u64::from(step);
        self.require(
            last < u64::from(before),
            "the slice is longer than the input",
        )?;
        Ok(Span::of(x))
    }

    pub(super) fn pad(&self, axis: u8, before: u32, value: i32) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        let (own, after) = self.resized(x, axis)?;
        let fits = u64::from(own) + u64::from(before) <= u64::from(after);
        self.require(fits, "the result is shorter than what it holds")?;
        Ok(Span::of(x).union(Span::new(value, value)))
    }

    /// Sum or maximum over an axis, which is taken out.
    pub(super) fn reduce(&self, axis: u8, sum: bool) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        let (at, length) = self.axis(x, axis)?;
        let mut shape = x.shape.clone();
        shape.remove(at);
        self.shape_is(x, &shape)?;
        let span = Span::of(x);
        if !sum {
            return Ok(span);
        }
        let length = i128::from(length);
        Ok(Span {
            lo: span.lo * length,
            hi: span.hi * length,
        })
    }

    pub(super) fn arg_max(&self) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        let (&length, shape) = x
            .shape
            .split_last()
            .ok_or_else(|| self.fault("there is no last dimension"))?;
        self.shape_is(x, shape)?;
        Ok(Span::new(0, i128::from(length) - 1))
    }
}
