//! What a prover sends in a round of a sumcheck: sums of polynomials in the first variable, whose two halves of values lie
//! one after the other.

#![expect(unsafe_code, reason = "vector loads")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use std::ops::Range;

use proofmark_field::{DEGREE, E, F};

use super::Planes;
use super::lanes::{Lanes, add, load, load_words, mul, scale, splat, sub, total};
use super::vector::{Vector, vectors};
use crate::{Isa, Pool};

/// Pairs that a task sums over.
const TASK: usize = 1 << 11;

/// At most so many values of a round, and so many tables of a product.
pub const MOST: usize = 4;

pub(super) type Read<'a> = [&'a [u32]; DEGREE];

/// Sums of the tasks' parts of 0 … count.
pub(super) fn sum_over(
    pool: &Pool,
    count: usize,
    part: impl Fn(Range<usize>) -> [E; MOST] + Sync,
) -> [E; MOST] {
    let mut sums = vec![[E::ZERO; MOST]; count.div_ceil(TASK)];
    pool.for_each(&mut sums, |task, sum| {
        *sum = part(task * TASK..count.min((task + 1) * TASK));
    });
    sums.into_iter().fold([E::ZERO; MOST], plus)
}

fn plus(a: [E; MOST], b: [E; MOST]) -> [E; MOST] {
    std::array::from_fn(|i| a[i] + b[i])
}

/// `g(0)` and g's leading coefficient for `g = Σ_i a[i](X)·b[i](X)`, both tables linear in X.
///
/// # Panics
/// If lengths differ or are odd.
#[must_use]
pub fn pair_round(a: &Planes, b: &Planes, pool: &Pool, isa: Isa) -> (E, E) {
    let half = half_of(&[a, b]);
    let (a, b) = (a.planes(), b.planes());
    let [zero, leading, ..] = sum_over(
        pool,
        half,
        |range| vectors!(isa.for_length(range.len()), pairs(a: Read<'_>, b: Read<'_>, half: usize, range: Range<usize>) -> [E; MOST]),
    );
    (zero, leading)
}

/// g at 0, 2, 3, … for `g = Σ_i Π_t tables_t[i](X)`, each of one to three tables linear in X; the first `count` of the values,
/// at most [`MOST`], are meant.
///
/// # Panics
/// If lengths differ or are odd, or there are no tables, or more than three.
#[must_use]
pub fn product_round(tables: &[&Planes], count: usize, pool: &Pool, isa: Isa) -> [E; MOST] {
    assert!((1..=3).contains(&tables.len()) && count <= MOST);
    let half = half_of(tables);
    let planes: Vec<Read<'_>> = tables.iter().map(|table| table.planes()).collect();
    let planes = planes.as_slice();
    sum_over(
        pool,
        half,
        |range| vectors!(isa.for_length(range.len()), products(planes: &[Read<'_>], half: usize, count: usize, range: Range<usize>) -> [E; MOST]),
    )
}

/// g at 0 and at 2 for `g = Σ_i values[i](X)·weights[i](X)`.
///
/// # Panics
/// If lengths differ or are odd.
#[must_use]
pub fn word_round(values: &[F], weights: &Planes, pool: &Pool, isa: Isa) -> [E; 2] {
    let half = half_of(&[weights]);
    assert_eq!(values.len(), 2 * half, "as many values as weights");
    let weights = weights.planes();
    let [zero, two, ..] = sum_over(
        pool,
        half,
        |range| vectors!(isa.for_length(range.len()), words(values: &[F], weights: Read<'_>, half: usize, range: Range<usize>) -> [E; MOST]),
    );
    [zero, two]
}

/// A quadratic form of wires: a linear part, given as one table, and coefficient·wire·wire for each of the products.
#[derive(Debug)]
pub struct Form<'a, W> {
    /// The linear part.
    pub linear: &'a Planes,
    /// The wires.
    pub wires: &'a [W],
    /// Which wires are multiplied, and by what.
    pub products: &'a [(usize, usize, E)],
}

/// `g(0)` and g's leading coefficient for `g = Σ_i weights[i]·form[i](X)`, with wires over the extension.
///
/// # Panics
/// If lengths differ or are odd, or the weights are not half of them.
#[must_use]
pub fn form_round(form: &Form<'_, Planes>, weights: &Planes, pool: &Pool, isa: Isa) -> (E, E) {
    let mut tables = vec![form.linear];
    tables.extend(form.wires);
    let half = half_of(&tables);
    assert_eq!(weights.len(), half, "a weight for each pair");
    let wires: Vec<Read<'_>> = form.wires.iter().map(Planes::planes).collect();
    let (linear, wires, products) = (form.linear.planes(), wires.as_slice(), form.products);
    let weights = weights.planes();
    let [zero, leading, ..] = sum_over(
        pool,
        half,
        |range| vectors!(isa.for_length(range.len()), forms(linear: Read<'_>, wires: &[Read<'_>], products: &[(usize, usize, E)], weights: Read<'_>, half: usize, range: Range<usize>) -> [E; MOST]),
    );
    (zero, leading)
}

/// As [`form_round`], with wires over the base field.
///
/// # Panics
/// As [`form_round`].
#[must_use]
pub fn form_word_round(form: &Form<'_, Vec<F>>, weights: &Planes, pool: &Pool, isa: Isa) -> (E, E) {
    let half = half_of(&[form.linear]);
    assert!(form.wires.iter().all(|wire| wire.len() == 2 * half));
    assert_eq!(weights.len(), half, "a weight for each pair");
    let wires: Vec<&[F]> = form.wires.iter().map(Vec::as_slice).collect();
    let (linear, wires, products) = (form.linear.planes(), wires.as_slice(), form.products);
    let weights = weights.planes();
    let [zero, leading, ..] = sum_over(
        pool,
        half,
        |range| vectors!(isa.for_length(range.len()), word_forms(linear: Read<'_>, wires: &[&[F]], products: &[(usize, usize, E)], weights: Read<'_>, half: usize, range: Range<usize>) -> [E; MOST]),
    );
    (zero, leading)
}

/// Half of the one length.
pub(super) fn half_of(tables: &[&Planes]) -> usize {
    let len = tables.first().map_or(0, |table| table.len());
    assert!(
        len.is_multiple_of(2) && tables.iter().all(|table| table.len() == len),
        "tables of one even length"
    );
    len / 2
}

/// # Safety
/// The instruction set of `V` is there; planes have 2·half elements, and the range is of
/// whole vectors within half.
#[inline(always)]
unsafe fn pairs<V: Vector>(
    a: Read<'_>,
    b: Read<'_>,
    half: usize,
    range: Range<usize>,
) -> [E; MOST] {
    // SAFETY: the caller's word.
    let mut zero = unsafe { splat::<V>(E::ZERO) };
    let mut leading = zero;
    for i in range.step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (a0, a1, b0, b1) = unsafe {
            (
                load::<V>(a, i),
                load::<V>(a, half + i),
                load::<V>(b, i),
                load::<V>(b, half + i),
            )
        };
        zero = add(zero, mul(a0, b0));
        leading = add(leading, mul(sub(a1, a0), sub(b1, b0)));
    }
    [total(zero), total(leading), E::ZERO, E::ZERO]
}

/// # Safety
/// The instruction set of `V` is there; planes have 2·half elements, and the range is of
/// whole vectors within half.
#[inline(always)]
unsafe fn products<V: Vector>(
    tables: &[Read<'_>],
    half: usize,
    count: usize,
    range: Range<usize>,
) -> [E; MOST] {
    // SAFETY: the caller's word.
    let nothing = unsafe { splat::<V>(E::ZERO) };
    let mut sums = [nothing; MOST];
    for i in range.step_by(V::LANES) {
        let mut terms = [nothing; MOST];
        for (number, table) in tables.iter().enumerate() {
            // SAFETY: the caller's word.
            let (low, high) = unsafe { (load::<V>(*table, i), load::<V>(*table, half + i)) };
            let step = sub(high, low);
            let mut here = low;
            for (node, term) in terms.iter_mut().enumerate().take(count) {
                if node == 1 {
                    // The value at 1 follows from the claim.
                    here = add(high, step);
                } else if node > 1 {
                    here = add(here, step);
                }
                *term = if number == 0 { here } else { mul(*term, here) };
            }
        }
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum = add(*sum, term);
        }
    }
    totals(sums)
}

#[inline(always)]
fn totals<V: Vector>(sums: [Lanes<V>; MOST]) -> [E; MOST] {
    let [a, b, c, d] = sums;
    [total(a), total(b), total(c), total(d)]
}

/// # Safety
/// The instruction set of `V` is there; there are 2·half elements, and the range is of
/// whole vectors within half.
#[inline(always)]
unsafe fn words<V: Vector>(
    values: &[F],
    weights: Read<'_>,
    half: usize,
    range: Range<usize>,
) -> [E; MOST] {
    // SAFETY: the caller's word.
    let mut zero = unsafe { splat::<V>(E::ZERO) };
    let mut two = zero;
    for i in range.step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (low, high, a, b) = unsafe {
            (
                load_words::<V>(values, i),
                load_words::<V>(values, half + i),
                load::<V>(weights, i),
                load::<V>(weights, half + i),
            )
        };
        zero = add(zero, scale(a, low));
        two = add(two, scale(sub(add(b, b), a), high.add(high).sub(low)));
    }
    [total(zero), total(two), E::ZERO, E::ZERO]
}

/// # Safety
/// The instruction set of `V` is there; there are 2·half elements and half as many weights, and the range is of
/// whole vectors within half.
#[inline(always)]
unsafe fn forms<V: Vector>(
    linear: Read<'_>,
    wires: &[Read<'_>],
    products: &[(usize, usize, E)],
    weights: Read<'_>,
    half: usize,
    range: Range<usize>,
) -> [E; MOST] {
    // SAFETY: the caller's word.
    let nothing = unsafe { splat::<V>(E::ZERO) };
    let (mut zero, mut leading) = (nothing, nothing);
    for i in range.step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (mut low, weight) = unsafe { (load::<V>(linear, i), load::<V>(weights, i)) };
        let mut square = nothing;
        for (a, b, coefficient) in products {
            let (a, b) = (wires[*a], wires[*b]);
            // SAFETY: the caller's word.
            let (a0, a1, b0, b1, coefficient) = unsafe {
                (
                    load::<V>(a, i),
                    load::<V>(a, half + i),
                    load::<V>(b, i),
                    load::<V>(b, half + i),
                    splat::<V>(*coefficient),
                )
            };
            low = add(low, mul(coefficient, mul(a0, b0)));
            square = add(square, mul(coefficient, mul(sub(a1, a0), sub(b1, b0))));
        }
        zero = add(zero, mul(weight, low));
        leading = add(leading, mul(weight, square));
    }
    [total(zero), total(leading), E::ZERO, E::ZERO]
}

/// # Safety
/// The instruction set of `V` is there; there are 2·half elements and half as many weights, and the range is of
/// whole vectors within half.
#[inline(always)]
unsafe fn word_forms<V: Vector>(
    linear: Read<'_>,
    wires: &[&[F]],
    products: &[(usize, usize, E)],
    weights: Read<'_>,
    half: usize,
    range: Range<usize>,
) -> [E; MOST] {
    // SAFETY: the caller's word.
    let nothing = unsafe { splat::<V>(E::ZERO) };
    let (mut zero, mut leading) = (nothing, nothing);
    for i in range.step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (mut low, weight) = unsafe { (load::<V>(linear, i), load::<V>(weights, i)) };
        let mut square = nothing;
        for (a, b, coefficient) in products {
            let (a, b) = (wires[*a], wires[*b]);
            // SAFETY: the caller's word.
            let (a0, a1, b0, b1, coefficient) = unsafe {
                (
                    load_words::<V>(a, i),
                    load_words::<V>(a, half + i),
                    load_words::<V>(b, i),
                    load_words::<V>(b, half + i),
                    splat::<V>(*coefficient),
                )
            };
            low = add(low, scale(coefficient, a0.mul(b0)));
            square = add(square, scale(coefficient, a1.sub(a0).mul(b1.sub(b0))));
        }
        zero = add(zero, mul(weight, low));
        leading = add(leading, mul(weight, square));
    }
    [total(zero), total(leading), E::ZERO, E::ZERO]
}
