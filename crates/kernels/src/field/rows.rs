//! Products of matrices over the base field with vectors over the extension.

#![expect(unsafe_code, reason = "vector loads")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use proofmark_field::{DEGREE, E, F};

use super::lanes::total;
use super::vector::{Vector, vectors};
use crate::{Isa, Pool};

/// Words that a task reads, at least.
const TASK: usize = 1 << 14;

/// `Σ_w weights[w]·rows[h, w]` for each row; the width, which is the number of weights, is a multiple of 16.
///
/// # Panics
/// If lengths differ.
#[must_use]
pub fn fold_words(pool: &Pool, isa: Isa, rows: &[F], weights: &[E]) -> Vec<E> {
    let width = weights.len();
    assert!(width > 0 && width.is_multiple_of(16) && rows.len().is_multiple_of(width));
    let planes = planes(weights);
    let planes = planes.as_slice();
    let mut out = vec![E::ZERO; rows.len() / width];
    let per_task = TASK.div_ceil(width);
    pool.for_each_chunk(&mut out, per_task, |task, out| {
        let rows = &rows[task * per_task * width..][..out.len() * width];
        vectors!(isa, folded(rows: &[F], planes: &[u32], out: &mut [E]));
    });
    out
}

/// `Σ_h weights[h]·rows[h, w]` for each column; the width is a multiple of 16.
///
/// # Panics
/// If lengths differ.
#[must_use]
pub fn sum_words(pool: &Pool, isa: Isa, rows: &[F], width: usize, weights: &[E]) -> Vec<E> {
    assert!(width > 0 && width.is_multiple_of(16));
    assert_eq!(rows.len(), width * weights.len(), "a weight for each row");
    let per_task = weights
        .len()
        .div_ceil(4 * pool.threads())
        .max(TASK.div_ceil(width));
    let mut parts = vec![Vec::new(); weights.len().div_ceil(per_task)];
    pool.for_each(&mut parts, |task, part| {
        let weights = &weights[task * per_task..][..per_task.min(weights.len() - task * per_task)];
        let rows = &rows[task * per_task * width..][..weights.len() * width];
        let mut sums = vec![E::ZERO; width];
        let out = sums.as_mut_slice();
        vectors!(isa, summed(rows: &[F], weights: &[E], out: &mut [E]));
        *part = sums;
    });
    let mut sums = vec![E::ZERO; width];
    for part in parts {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sums
}

fn planes(values: &[E]) -> Vec<u32> {
    (0..DEGREE)
        .flat_map(|c| values.iter().map(move |value| value.0[c].to_word()))
        .collect()
}

/// # Safety
/// The instruction set of `V` is there; rows have as many elements as each of the planes, a multiple of 16.
#[inline(always)]
unsafe fn folded<V: Vector>(rows: &[F], planes: &[u32], out: &mut [E]) {
    let width = planes.len() / DEGREE;
    for (row, place) in rows.chunks_exact(width).zip(out) {
        // SAFETY: the caller's word.
        let mut sum = [unsafe { V::splat(0) }; DEGREE];
        for at in (0..width).step_by(V::LANES) {
            // SAFETY: F is a word in memory, and these are LANES of a row.
            let value = unsafe { V::load(row.as_ptr().add(at).cast()) };
            for (c, sum) in sum.iter_mut().enumerate() {
                // SAFETY: LANES words of a plane.
                *sum = sum.add(value.mul(unsafe { V::load(planes[c * width + at..].as_ptr()) }));
            }
        }
        *place = total(sum);
    }
}

/// # Safety
/// The instruction set of `V` is there; rows have as many elements as `out`, a multiple of 16, and there is a weight for each.
#[inline(always)]
unsafe fn summed<V: Vector>(rows: &[F], weights: &[E], out: &mut [E]) {
    let width = out.len();
    // Rows that are read before the next column, so that their lines are still near.
    for (rows, weights) in rows.chunks(64 * width).zip(weights.chunks(64)) {
        for at in (0..width).step_by(V::LANES) {
            // SAFETY: the caller's word.
            let mut sum = [unsafe { V::splat(0) }; DEGREE];
            for (row, weight) in rows.chunks_exact(width).zip(weights) {
                // SAFETY: F is a word in memory, and these are LANES of a row; and the caller's word.
                let value = unsafe { V::load(row.as_ptr().add(at).cast()) };
                for (sum, c) in sum.iter_mut().zip(weight.0) {
                    // SAFETY: the caller's word.
                    *sum = sum.add(value.mul(unsafe { V::splat(c.to_word()) }));
                }
            }
            for (c, sum) in sum.into_iter().enumerate() {
                for (place, word) in out[at..].iter_mut().zip(sum.words()).take(V::LANES) {
                    place.0[c] += F::from_word(word);
                }
            }
        }
    }
}
