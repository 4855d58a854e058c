//! Operators that move elements, and reductions.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "indices are below the products of checked dimensions; the checker has proven the bounds of §4.1"
)]

use alloc::vec;
use alloc::vec::Vec;

use super::{Step, Value, exact};

/// Product of the dimensions behind an axis.
fn inner(value: &Value<'_>, axis: usize) -> usize {
    (axis + 1..value.of.shape.len())
        .map(|at| value.length(at))
        .product()
}

impl<B: AsRef<[u8]>> Step<'_, B> {
    pub(super) fn transpose(&self, permutation: &[u8]) -> Vec<i32> {
        let x = self.input(0);
        let y = Value {
            of: self.result(),
            elements: &[],
        };
        let mut elements = Vec::new();
        let mut index = vec![0_usize; permutation.len()];
        for _ in x.elements {
            // Dimension j of the result is dimension π(j) of x.
            let offsets = index
                .iter()
                .zip(permutation)
                .map(|(i, from)| i * inner(&x, usize::from(*from)));
            elements.push(exact(x.at(offsets.sum())));
            for (axis, i) in index.iter_mut().enumerate().rev() {
                *i += 1;
                if *i < y.length(axis) {
                    break;
                }
                *i = 0;
            }
        }
        elements
    }

    pub(super) fn concat(&self, axis: usize) -> Vec<i32> {
        let inputs: Vec<Value<'_>> = (0..self.inputs.len()).map(|at| self.input(at)).collect();
        let outer = self.input(0);
        let outer: usize = (0..axis).map(|at| outer.length(at)).product();
        let mut y = Vec::new();
        for o in 0..outer {
            for x in &inputs {
                let piece = x.length(axis) * inner(x, axis);
                y.extend_from_slice(x.elements.get(o * piece..(o + 1) * piece).unwrap_or(&[]));
            }
        }
        y
    }

    /// For each index before the axis and each index of the result's axis: the elements behind it, by `source`.
    fn along(&self, axis: usize, source: impl Fn(usize) -> Option<usize>, fill: i32) -> Vec<i32> {
        let x = self.input(0);
        let (inner, length) = (inner(&x, axis), x.length(axis));
        let after = Value {
            of: self.result(),
            elements: &[],
        }
        .length(axis);
        let mut y = Vec::new();
        for block in x.elements.chunks(inner * length) {
            for j in 0..after {
                match source(j).and_then(|from| block.get(from * inner..(from + 1) * inner)) {
                    Some(elements) => y.extend_from_slice(elements),
                    None => y.resize(y.len() + inner, fill),
                }
            }
        }
        y
    }

    pub(super) fn slice(&self, axis: usize, start: u32, step: u32) -> Vec<i32> {
        let [start, step] = [start, step].map(|x| usize::try_from(x).unwrap_or(0));
        self.along(axis, |j| Some(start + j * step), 0)
    }

    pub(super) fn pad(&self, axis: usize, before: u32, value: i32) -> Vec<i32> {
        let before = usize::try_from(before).unwrap_or(0);
        self.along(axis, |j| j.checked_sub(before), value)
    }

    pub(super) fn reduce(&self, axis: usize, sum: bool) -> Vec<i32> {
        let x = self.input(0);
        let (inner, length) = (inner(&x, axis), x.length(axis));
        let mut y = Vec::new();
        for block in x.elements.chunks(inner * length) {
            let block = Value {
                of: x.of,
                elements: block,
            };
            for i in 0..inner {
                let elements = (0..length).map(|j| block.at(j * inner + i));
                let value = if sum {
                    elements.sum()
                } else {
                    elements.max().unwrap_or(0)
                };
                y.push(exact(value));
            }
        }
        y
    }

    pub(super) fn arg_max(&self) -> Vec<i32> {
        let x = self.input(0);
        let mut y = Vec::new();
        for row in x.elements.chunks(x.width()) {
            let max = row.iter().max();
            let first = row.iter().position(|x| Some(x) == max).unwrap_or(0);
            y.push(i32::try_from(first).unwrap_or(0));
        }
        y
    }
}
