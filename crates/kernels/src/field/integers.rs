//! Tables of 32-bit integers as polynomials over the fields.

#![expect(unsafe_code, reason = "vector loads and stores")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use std::ops::Range;

use proofmark_field::{DEGREE, E, F, eq_table};

use super::Planes;
use super::lanes::{Lanes, add, load, load_mut, scale, splat, store, total};
use super::vector::{Vector, vectors};
use crate::{Isa, Pool};

/// Elements that a task has.
const TASK: usize = 1 << 13;

/// Variables whose table stays near while it meets all values.
const NEAR: usize = 11;

/// From this width on, threads share out columns and not rows; so many each time.
const WIDE: usize = 1 << 11;
const COLUMNS: usize = 1 << 8;

/// Rows whose lines are near while columns go by.
const ROWS: usize = 64;

/// Integers as elements of the field.
///
/// # Panics
/// If lengths differ.
pub fn to_field(values: &[i32], out: &mut [F], pool: &Pool, isa: Isa) {
    assert_eq!(values.len(), out.len(), "a place for each value");
    pool.for_each_chunk(out, TASK, |task, out| {
        let values = &values[task * TASK..][..out.len()];
        vectors!(isa.for_length(out.len()), converted(values: &[i32], out: &mut [F]));
    });
}

/// The value at `point` of the polynomial with these values on the hypercube.
///
/// # Panics
/// If there are not 2^n of them for n coordinates of the point.
#[must_use]
pub fn evaluate_integers(values: &[i32], point: &[E], pool: &Pool, isa: Isa) -> E {
    assert_eq!(values.len(), 1 << point.len(), "a value for each corner");
    let (far, near) = point.split_at(point.len().saturating_sub(NEAR));
    let (far, near) = (eq_table(far), eq_table(near));
    let size = near.len();
    let near = Planes::new(size, |i| near[i]);
    let weights = near.planes();
    let rows = (TASK / size).max(1);
    let mut sums = vec![E::ZERO; far.len().div_ceil(rows)];
    pool.for_each(&mut sums, |task, sum| {
        for row in task * rows..far.len().min((task + 1) * rows) {
            let values = &values[row * size..][..size];
            let value = vectors!(isa.for_length(size), weighed(values: &[i32], weights: [&[u32]; DEGREE]) -> E);
            *sum += far[row] * value;
        }
    });
    sums.into_iter().sum()
}

/// `Σ_h weights[h]·rows[h, w]` for each column w.
///
/// # Panics
/// If there is no weight for each row.
#[must_use]
pub fn sum_integers(rows: &[i32], width: usize, weights: &[E], pool: &Pool, isa: Isa) -> Planes {
    assert_eq!(rows.len(), width * weights.len(), "a weight for each row");
    let mut sums = Planes::zeros(width);
    if width >= WIDE {
        sums.for_each_piece_of(COLUMNS, 0..width, pool, |start, out| {
            let isa = isa.for_length(out[0].len());
            vectors!(isa, summed(rows: &[i32], width: usize, start: usize, weights: &[E], out: &mut [&mut [u32]; DEGREE]));
        });
        return sums;
    }
    let per_task = weights
        .len()
        .div_ceil(4 * pool.threads())
        .max(TASK / width.max(1));
    let mut parts = vec![Planes::zeros(0); weights.len().div_ceil(per_task)];
    pool.for_each(&mut parts, |task, part| {
        let weights = &weights[task * per_task..weights.len().min((task + 1) * per_task)];
        let rows = &rows[task * per_task * width..][..weights.len() * width];
        let start = 0;
        *part = Planes::zeros(width);
        let [out] = &mut part.pieces(0..width, width)[..] else {
            return;
        };
        vectors!(isa.for_length(width), summed(rows: &[i32], width: usize, start: usize, weights: &[E], out: &mut [&mut [u32]; DEGREE]));
    });
    for i in 0..width {
        sums.set(i, parts.iter().map(|part| part.at(i)).sum());
    }
    sums
}

impl Planes {
    /// Sets the elements of a range to start + slope·value.
    ///
    /// # Panics
    /// If the range is not inside, or has another length.
    pub fn set_affine(
        &mut self,
        range: Range<usize>,
        start: E,
        slope: E,
        values: &[i32],
        pool: &Pool,
        isa: Isa,
    ) {
        assert_eq!(range.len(), values.len(), "a value for each element");
        self.for_each_piece(range, pool, |at, out| {
            let (isa, values) = (isa.for_length(out[0].len()), &values[at..][..out[0].len()]);
            vectors!(isa, affine(start: E, slope: E, values: &[i32], out: &mut [&mut [u32]; DEGREE]));
        });
    }

    /// Adds slope·value to the elements of a range.
    ///
    /// # Panics
    /// If the range is not inside, or has another length.
    pub fn add_multiples(
        &mut self,
        range: Range<usize>,
        slope: E,
        values: &[i32],
        pool: &Pool,
        isa: Isa,
    ) {
        assert_eq!(range.len(), values.len(), "a value for each element");
        self.for_each_piece(range, pool, |at, out| {
            let (isa, values) = (isa.for_length(out[0].len()), &values[at..][..out[0].len()]);
            vectors!(isa, multiples(slope: E, values: &[i32], out: &mut [&mut [u32]; DEGREE]));
        });
    }
}

/// # Safety
/// The instruction set of `V` is there, and LANES values from `at` on.
#[inline(always)]
unsafe fn load_integers<V: Vector>(values: &[i32], at: usize) -> V {
    // SAFETY: the caller's word.
    unsafe { V::load(values[at..].as_ptr().cast()).integer() }
}

/// # Safety
/// The instruction set of `V` is there; both have one length, of whole vectors.
#[inline(always)]
unsafe fn converted<V: Vector>(values: &[i32], out: &mut [F]) {
    for i in (0..out.len()).step_by(V::LANES) {
        // SAFETY: the caller's word; F is a word in memory.
        unsafe { load_integers::<V>(values, i).store(out[i..].as_mut_ptr().cast()) };
    }
}

/// # Safety
/// The instruction set of `V` is there; all have one length, of whole vectors.
#[inline(always)]
unsafe fn weighed<V: Vector>(values: &[i32], weights: [&[u32]; DEGREE]) -> E {
    // SAFETY: the caller's word.
    let mut sum = unsafe { splat::<V>(E::ZERO) };
    for i in (0..values.len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (value, weight) = unsafe { (load_integers::<V>(values, i), load::<V>(weights, i)) };
        sum = add(sum, scale(weight, value));
    }
    total(sum)
}

/// # Safety
/// The instruction set of `V` is there; `out` has whole vectors, which are columns from `start` on, and there is a weight for
/// each row.
#[inline(always)]
unsafe fn summed<V: Vector>(
    rows: &[i32],
    width: usize,
    start: usize,
    weights: &[E],
    out: &mut [&mut [u32]; DEGREE],
) {
    for (rows, weights) in rows.chunks(ROWS * width).zip(weights.chunks(ROWS)) {
        for i in (0..out[0].len()).step_by(V::LANES) {
            // SAFETY: the caller's word.
            let mut sum: Lanes<V> = unsafe { load_mut(out, i) };
            for (row, weight) in rows.chunks_exact(width).zip(weights) {
                // SAFETY: the caller's word.
                let (value, weight) =
                    unsafe { (load_integers::<V>(row, start + i), splat::<V>(*weight)) };
                sum = add(sum, scale(weight, value));
            }
            store(sum, out, i);
        }
    }
}

/// # Safety
/// The instruction set of `V` is there; all have one length, of whole vectors.
#[inline(always)]
unsafe fn affine<V: Vector>(start: E, slope: E, values: &[i32], out: &mut [&mut [u32]; DEGREE]) {
    // SAFETY: the caller's word.
    let (start, slope) = unsafe { (splat::<V>(start), splat::<V>(slope)) };
    for i in (0..values.len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let value = unsafe { load_integers::<V>(values, i) };
        store(add(start, scale(slope, value)), out, i);
    }
}

/// # Safety
/// As [`affine`].
#[inline(always)]
unsafe fn multiples<V: Vector>(slope: E, values: &[i32], out: &mut [&mut [u32]; DEGREE]) {
    // SAFETY: the caller's word.
    let slope = unsafe { splat::<V>(slope) };
    for i in (0..values.len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (value, before) = unsafe { (load_integers::<V>(values, i), load_mut::<V>(out, i)) };
        store(add(before, scale(slope, value)), out, i);
    }
}
