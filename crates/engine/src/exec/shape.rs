//! Operators that move elements, and reductions over a dimension.

use super::value::{View, ViewMut};

/// Row-major strides of a shape.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// A block of elements and where its places lie in two tensors.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    /// Dimensions of the block.
    pub(crate) shape: Vec<usize>,
    /// Where the first element is read, and steps per dimension.
    pub(crate) from: (usize, Vec<usize>),
    /// Where the first element is written, and steps per dimension.
    pub(crate) to: (usize, Vec<usize>),
}

impl Move {
    pub(crate) fn run(&self, x: View<'_>, out: &mut ViewMut<'_>) {
        self.dimension(0, self.from.0, self.to.0, x, out);
    }

    fn dimension(&self, axis: usize, from: usize, to: usize, x: View<'_>, out: &mut ViewMut<'_>) {
        let Some(&length) = self.shape.get(axis) else {
            out.set(to, x.at(from));
            return;
        };
        let (from_step, to_step) = (self.from.1[axis], self.to.1[axis]);
        if axis + 1 == self.shape.len() && from_step == 1 && to_step == 1 {
            out.part(to, length).copy_from(x.part(from, length));
            return;
        }
        for index in 0..length {
            self.dimension(
                axis + 1,
                from + index * from_step,
                to + index * to_step,
                x,
                out,
            );
        }
    }
}

/// A tensor seen as [outer, length, inner], the middle one being the axis of an operator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) length: usize,
    pub(crate) inner: usize,
}

impl Axis {
    pub(crate) fn of(shape: &[usize], axis: usize) -> Self {
        Self {
            length: shape[axis],
            inner: shape[axis + 1..].iter().product(),
        }
    }

    /// Folds the axis away.
    pub(crate) fn reduce(self, x: View<'_>, out: &mut ViewMut<'_>, fold: impl Fn(i64, i64) -> i64) {
        for index in 0..out.len() {
            let start = index / self.inner * self.length * self.inner + index % self.inner;
            let first = i64::from(x.at(start));
            let value = (1..self.length)
                .map(|i| i64::from(x.at(start + i * self.inner)))
                .fold(first, &fold);
            // The declared range of the result is in i32 (spec 04 §4.1).
            out.set(index, value as i32);
        }
    }
}
