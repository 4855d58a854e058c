//! Multilinear polynomials by their values on the hypercube (specs/05-proof.md §1.4): variable 0 is the most significant
//! bit of an index.

use alloc::vec;
use alloc::vec::Vec;

use crate::extension::E;

/// eq(r, s) = Π (r_i·s_i + (1 − r_i)(1 − s_i)); 1 for no variables, and over the shorter of the two.
#[must_use]
pub fn eq(r: &[E], s: &[E]) -> E {
    r.iter().zip(s).fold(E::ONE, |product, (&r, &s)| {
        let both = r.times(s);
        // r·s + (1 − r)(1 − s) = 1 − r − s + 2·r·s.
        product.times(E::ONE.minus(r).minus(s).plus(both.double()))
    })
}

/// eq(r, b) for the 2^n points b of the hypercube, n being the length of `point`: the caller bounds it.
#[must_use]
pub fn eq_table(point: &[E]) -> Vec<E> {
    let mut table = vec![E::ONE];
    for &r in point {
        // Variables that come later are less significant.
        table = table
            .iter()
            .flat_map(|&weight| {
                let one = weight.times(r);
                [weight.minus(one), one]
            })
            .collect();
    }
    table
}

/// The value at `point` of the multilinear polynomial with these 2^n values; none if their number is another.
#[must_use]
pub fn evaluate(values: &[E], point: &[E]) -> Option<E> {
    let log2_len = u32::try_from(point.len()).ok()?;
    if Some(values.len()) != 1_usize.checked_shl(log2_len) {
        return None;
    }
    let mut values = values.to_vec();
    for &r in point {
        // The first variable is the most significant bit: halves.
        let half = values.len() / 2;
        let (low, high) = values.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            *low += high.minus(*low).times(r);
        }
        values.truncate(half);
    }
    values.first().copied()
}
