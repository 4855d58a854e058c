//! Sums of fractions by layers: two fractions added, and what a prover sends of a layer.

#![expect(unsafe_code, reason = "vector loads")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use std::ops::Range;

use proofmark_field::{DEGREE, E};

use super::Planes;
use super::lanes::{add, load, mul, splat, store, sub, total};
use super::rounds::{MOST, Read, half_of, sum_over};
use super::vector::{Vector, vectors};
use crate::{Isa, Pool};

/// Two halves of a layer of fractions, numerators and denominators.
#[derive(Debug, Clone, Copy)]
pub struct Fractions<'a> {
    /// Numerators of both halves.
    pub numerators: [&'a Planes; 2],
    /// Denominators of both halves.
    pub denominators: [&'a Planes; 2],
}

impl<'a> Fractions<'a> {
    fn planes(&self) -> [Read<'a>; 4] {
        let ([n0, n1], [d0, d1]) = (self.numerators, self.denominators);
        [n0, n1, d0, d1].map(Planes::planes)
    }

    /// The fractions i of both halves added, for i in a range: numerators and denominators.
    ///
    /// # Panics
    /// If lengths differ, or the range is not inside of them.
    #[must_use]
    pub fn add(&self, range: Range<usize>, pool: &Pool, isa: Isa) -> (Planes, Planes) {
        let planes = self.planes();
        assert!(planes.iter().all(|table| range.end <= table[0].len()));
        let mut numerators = Planes::zeros(range.len());
        let mut denominators = Planes::zeros(range.len());
        let begin = range.start;
        numerators.for_each_piece(0..range.len(), pool, |start, out| {
            let from = begin + start;
            vectors!(isa.for_length(out[0].len()), added_numerators(planes: [Read<'_>; 4], from: usize, out: &mut [&mut [u32]; DEGREE]));
        });
        denominators.for_each_piece(0..range.len(), pool, |start, out| {
            let from = begin + start;
            vectors!(isa.for_length(out[0].len()), added_denominators(planes: [Read<'_>; 4], from: usize, out: &mut [&mut [u32]; DEGREE]));
        });
        (numerators, denominators)
    }

    /// `g(0)` and g's leading coefficient for `g = Σ_i weights[i]·(n0·d1 + n1·d0 + batch·d0·d1)[i](X)`.
    ///
    /// # Panics
    /// If lengths differ or are odd, or the weights are not half of them.
    #[must_use]
    pub fn round(&self, batch: E, weights: &Planes, pool: &Pool, isa: Isa) -> (E, E) {
        let ([n0, n1], [d0, d1]) = (self.numerators, self.denominators);
        let half = half_of(&[n0, n1, d0, d1]);
        assert_eq!(weights.len(), half, "a weight for each pair");
        let (planes, weights) = (self.planes(), weights.planes());
        let [zero, leading, ..] = sum_over(
            pool,
            half,
            |range| vectors!(isa.for_length(range.len()), fractions(planes: [Read<'_>; 4], batch: E, weights: Read<'_>, half: usize, range: Range<usize>) -> [E; MOST]),
        );
        (zero, leading)
    }
}

/// # Safety
/// The instruction set of `V` is there; planes have 2·half elements and there are half as many weights, and the range is
/// of whole vectors within half.
#[inline(always)]
unsafe fn fractions<V: Vector>(
    planes: [Read<'_>; 4],
    batch: E,
    weights: Read<'_>,
    half: usize,
    range: Range<usize>,
) -> [E; MOST] {
    let [n0, n1, d0, d1] = planes;
    // SAFETY: the caller's word.
    let (mut zero, batch) = unsafe { (splat::<V>(E::ZERO), splat::<V>(batch)) };
    let mut leading = zero;
    for i in range.step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (a, b, c, d, weight) = unsafe {
            (
                load::<V>(n0, i),
                load::<V>(n1, i),
                load::<V>(d0, i),
                load::<V>(d1, i),
                load::<V>(weights, i),
            )
        };
        // SAFETY: the caller's word.
        let (a1, b1, c1, d1) = unsafe {
            (
                load::<V>(n0, half + i),
                load::<V>(n1, half + i),
                load::<V>(d0, half + i),
                load::<V>(d1, half + i),
            )
        };
        let low = add(mul(a, d), mul(c, add(b, mul(batch, d))));
        zero = add(zero, mul(weight, low));
        let (a, b, c, d) = (sub(a1, a), sub(b1, b), sub(c1, c), sub(d1, d));
        let square = add(mul(a, d), mul(c, add(b, mul(batch, d))));
        leading = add(leading, mul(weight, square));
    }
    [total(zero), total(leading), E::ZERO, E::ZERO]
}

/// # Safety
/// The instruction set of `V` is there; planes have as many elements from `from` on as `out`,
/// which has whole vectors.
#[inline(always)]
unsafe fn added_numerators<V: Vector>(
    planes: [Read<'_>; 4],
    from: usize,
    out: &mut [&mut [u32]; DEGREE],
) {
    let [n0, n1, d0, d1] = planes;
    for i in (0..out[0].len()).step_by(V::LANES) {
        let at = from + i;
        // SAFETY: the caller's word.
        let sum = unsafe {
            add(
                mul(load::<V>(n0, at), load::<V>(d1, at)),
                mul(load::<V>(n1, at), load::<V>(d0, at)),
            )
        };
        store(sum, out, i);
    }
}

/// # Safety
/// As [`added_numerators`].
#[inline(always)]
unsafe fn added_denominators<V: Vector>(
    planes: [Read<'_>; 4],
    from: usize,
    out: &mut [&mut [u32]; DEGREE],
) {
    let [_, _, d0, d1] = planes;
    for i in (0..out[0].len()).step_by(V::LANES) {
        let at = from + i;
        // SAFETY: the caller's word.
        let product = unsafe { mul(load::<V>(d0, at), load::<V>(d1, at)) };
        store(product, out, i);
    }
}
