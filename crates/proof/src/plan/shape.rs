//! Shapes: how the axes of a tensor become variables (specs/05-proof.md §8.1).

use core::ops::Range;

use alloc::vec::Vec;

use crate::field::E;

/// Lengths of a tensor's axes. An axis of length n has ⌈log n⌉ variables, those of the first axis come first; elements beyond an
/// axis' length are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    lengths: Vec<u32>,
}

impl Shape {
    /// A shape of these lengths, each at least 1.
    #[must_use]
    pub fn new(lengths: &[u32]) -> Self {
        Self {
            lengths: lengths.to_vec(),
        }
    }

    /// Lengths of the axes.
    #[must_use]
    pub fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// Variables of an axis of this length.
    #[must_use]
    pub fn axis_variables(length: u32) -> usize {
        usize::try_from(length.max(1).next_power_of_two().trailing_zeros()).unwrap_or(0)
    }

    /// Number of variables.
    #[must_use]
    pub fn variables(&self) -> usize {
        self.lengths
            .iter()
            .fold(0, |sum, &n| sum.saturating_add(Self::axis_variables(n)))
    }

    /// Variables of this axis; none if there is no such axis.
    #[must_use]
    pub fn axis(&self, axis: usize) -> Range<usize> {
        let start = self.lengths.iter().take(axis).fold(0_usize, |sum, &n| {
            sum.saturating_add(Self::axis_variables(n))
        });
        let width = self
            .lengths
            .get(axis)
            .map_or(0, |&n| Self::axis_variables(n));
        start..start.saturating_add(width)
    }

    /// Variables of these axes, in their order.
    #[must_use]
    pub fn axes(&self, axes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        axes.into_iter().flat_map(|axis| self.axis(axis)).collect()
    }

    /// The length of an axis; 1 if there is no such axis.
    #[must_use]
    pub fn length(&self, axis: usize) -> u32 {
        self.lengths.get(axis).copied().unwrap_or(1)
    }
}

/// Σ eq(point, i) over 0 ≤ i < `end`: the polynomial of the indices below `end`.
#[must_use]
pub fn below(point: &[E], end: u64) -> E {
    let variables = point.len();
    let full = u32::try_from(variables)
        .ok()
        .and_then(|n| 1_u64.checked_shl(n));
    if full.is_some_and(|full| end >= full) {
        return E::ONE;
    }
    let (mut sum, mut prefix) = (E::ZERO, E::ONE);
    for (place, &r) in point.iter().enumerate() {
        let bit = variables.saturating_sub(place).saturating_sub(1);
        let zero = prefix.times(E::ONE.minus(r));
        if end >> bit & 1 == 1 {
            sum += zero;
            prefix = prefix.times(r);
        } else {
            prefix = zero;
        }
    }
    sum
}

/// The coordinates of `point` at these places; those that are not there are left out.
#[must_use]
pub fn pick(point: &[E], places: &[usize]) -> Vec<E> {
    places
        .iter()
        .filter_map(|&place| point.get(place).copied())
        .collect()
}
