//! Shapes (§8.1) and masks.

use std::ops::Range;

use proofmark_field::{E, F, eq_table};

/// Lengths of axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape(pub(crate) Vec<u64>);

/// Indices [from, to) of an axis.
#[derive(Debug, Clone)]
pub(crate) struct Mask {
    pub(crate) axis: usize,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// ⌈log n⌉.
pub(crate) fn variables(length: u64) -> usize {
    length.next_power_of_two().trailing_zeros() as usize
}

/// Coordinates of a point.
pub(crate) fn pick(point: &[E], variables: &[usize]) -> Vec<E> {
    variables.iter().map(|at| point[*at]).collect()
}

impl Shape {
    pub(crate) fn variables(&self) -> usize {
        self.0.iter().map(|n| variables(*n)).sum()
    }

    /// Variables of an axis.
    pub(crate) fn axis(&self, axis: usize) -> Range<usize> {
        let start = self.0[..axis].iter().map(|n| variables(*n)).sum();
        start..start + variables(self.0[axis])
    }

    /// Variables of axes, in this order.
    pub(crate) fn axes(&self, axes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        axes.into_iter().flat_map(|axis| self.axis(axis)).collect()
    }

    /// Variables and length of an axis.
    pub(crate) fn side(&self, axis: usize) -> (Vec<usize>, u64) {
        (self.axis(axis).collect(), self.0[axis])
    }

    /// All variables.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.variables()).collect()
    }

    pub(crate) fn elements(&self) -> u64 {
        self.0.iter().product()
    }

    /// Padded indices of all elements, in row-major order.
    pub(crate) fn padded(&self) -> Vec<usize> {
        let index = |flat: u64| {
            let (mut rest, mut index, mut shift) = (flat, 0, 0);
            for &length in self.0.iter().rev() {
                index |= ((rest % length) as usize) << shift;
                rest /= length;
                shift += variables(length);
            }
            index
        };
        (0..self.elements()).map(index).collect()
    }

    /// The polynomial of a vector of all elements, in row-major order.
    pub(crate) fn evaluate(&self, elements: &[i32], point: &[E]) -> E {
        let weights = eq_table(point);
        let elements = self.padded().into_iter().zip(elements);
        elements
            .map(|(at, element)| weights[at].scale(F::from_i32(*element)))
            .sum()
    }

    /// Π of masks.
    pub(crate) fn masks(&self, masks: &[Mask], point: &[E]) -> E {
        let of = |mask: &Mask| {
            let weights = eq_table(&point[self.axis(mask.axis)]);
            weights[mask.from as usize..mask.to as usize]
                .iter()
                .copied()
                .sum::<E>()
        };
        masks.iter().map(of).fold(E::ONE, |product, x| product * x)
    }

    /// Masks of the lengths of these axes.
    pub(crate) fn real_of(&self, axes: impl IntoIterator<Item = usize>) -> Vec<Mask> {
        let mask = |axis| Mask {
            axis,
            from: 0,
            to: self.0[axis],
        };
        axes.into_iter().map(mask).collect()
    }

    /// The mask of all lengths.
    pub(crate) fn real(&self) -> Vec<Mask> {
        self.real_of(0..self.0.len())
    }
}
