//! eq(point, ·) at single indices, from two tables of the root of its size: what a verifier evaluates may be large, its memory is not.

use alloc::vec::Vec;

use crate::field::{E, eq_table};

/// eq of a point, for any index: that of its first half of variables times that of the others.
#[derive(Debug)]
pub(crate) struct Halves {
    high: Vec<E>,
    low: Vec<E>,
}

impl Halves {
    /// Of a point.
    pub(crate) fn new(point: &[E]) -> Self {
        let (high, low) = point.split_at(point.len().wrapping_shr(1));
        Self {
            high: eq_table(high),
            low: eq_table(low),
        }
    }

    /// eq(point, index); zero for an index that has more bits than the point has variables.
    pub(crate) fn at(&self, index: usize) -> E {
        // The tables' lengths are powers of two.
        let bits = self.low.len().trailing_zeros();
        let low = index & self.low.len().wrapping_sub(1);
        match (self.high.get(index.wrapping_shr(bits)), self.low.get(low)) {
            (Some(high), Some(low)) => high.times(*low),
            _ => E::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_table() {
        for variables in 0..6_u32 {
            let point: Vec<E> = (0..variables).map(|i| E::new(3 + 5 * i)).collect();
            let halves = Halves::new(&point);
            for (index, weight) in eq_table(&point).into_iter().enumerate() {
                assert_eq!(halves.at(index), weight);
            }
            assert_eq!(halves.at(1 << variables), E::ZERO);
        }
    }
}
