//! Vectors of extension elements, coordinate by coordinate, and what a sumcheck does with them.

#![expect(unsafe_code, reason = "vector loads and stores")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use std::ops::Range;

use proofmark_field::{DEGREE, E, F};

use super::lanes::{add, load, load_mut, load_words, mul, scale, splat, store, sub};
use super::vector::{Vector, vectors};
use crate::{Isa, Pool};

/// A vector of elements of E: five planes of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    /// Elements are Montgomery words; each plane has `stride` of them.
    words: Vec<u32>,
    stride: usize,
    len: usize,
}

/// Elements that a task has, so that a thread is not woken for less.
const TASK: usize = 1 << 12;

impl Planes {
    /// A vector of these elements.
    #[must_use]
    pub fn new(len: usize, element: impl Fn(usize) -> E) -> Self {
        let mut words = vec![0; DEGREE * len];
        for i in 0..len {
            for (c, value) in element(i).0.iter().enumerate() {
                words[c * len + i] = value.to_word();
            }
        }
        Self {
            words,
            stride: len,
            len,
        }
    }

    /// A vector of these elements, which threads compute.
    #[must_use]
    pub fn filled(len: usize, pool: &Pool, element: impl Fn(usize) -> E + Sync) -> Self {
        let mut vector = Self::zeros(len);
        vector.for_each_piece(0..len, pool, |start, out| {
            for i in 0..out[0].len() {
                for (plane, value) in out.iter_mut().zip(element(start + i).0) {
                    plane[i] = value.to_word();
                }
            }
        });
        vector
    }

    /// A vector of zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self {
            words: vec![0; DEGREE * len],
            stride: len,
            len,
        }
    }

    /// How many elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Element i.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn at(&self, i: usize) -> E {
        assert!(i < self.len, "an element");
        E(std::array::from_fn(|c| {
            F::from_word(self.words[c * self.stride + i])
        }))
    }

    /// Changes element i.
    ///
    /// # Panics
    /// If there is none.
    pub fn set(&mut self, i: usize, element: E) {
        assert!(i < self.len, "an element");
        for (c, value) in element.0.iter().enumerate() {
            self.words[c * self.stride + i] = value.to_word();
        }
    }

    /// Sets all elements of a range to one value.
    ///
    /// # Panics
    /// If the range is not inside.
    pub fn fill(&mut self, range: Range<usize>, element: E, pool: &Pool) {
        self.for_each_piece(range, pool, |_, out| {
            for (plane, value) in out.iter_mut().zip(element.0) {
                plane.fill(value.to_word());
            }
        });
    }

    /// All elements.
    #[must_use]
    pub fn to_vec(&self) -> Vec<E> {
        (0..self.len).map(|i| self.at(i)).collect()
    }

    /// The elements in memory's order of [`E`]: five of the base field each.
    #[must_use]
    pub fn to_base(&self) -> Vec<F> {
        let mut values = vec![F::ZERO; DEGREE * self.len];
        for (c, plane) in self.planes().into_iter().enumerate() {
            for (value, &word) in values.iter_mut().skip(c).step_by(DEGREE).zip(plane) {
                *value = F::from_word(word);
            }
        }
        values
    }

    /// The vector, [rows, columns] row-major, as [columns, rows].
    ///
    /// # Panics
    /// If `columns` does not divide the length.
    #[must_use]
    pub fn transposed(&self, columns: usize) -> Self {
        assert!(
            columns > 0 && self.len.is_multiple_of(columns),
            "whole rows"
        );
        let rows = self.len / columns;
        let mut words = vec![0; DEGREE * self.len];
        for (plane, out) in self
            .planes()
            .into_iter()
            .zip(words.chunks_exact_mut(self.len.max(1)))
        {
            for (row, values) in plane.chunks_exact(columns).enumerate() {
                for (column, &value) in values.iter().enumerate() {
                    out[column * rows + row] = value;
                }
            }
        }
        Self {
            words,
            stride: self.len,
            len: self.len,
        }
    }

    pub(super) fn planes(&self) -> [&[u32]; DEGREE] {
        std::array::from_fn(|c| &self.words[c * self.stride..][..self.len])
    }

    /// Sets the first variable to `z`.
    ///
    /// # Panics
    /// If the length is odd.
    pub fn bind(&mut self, z: E, pool: &Pool, isa: Isa) {
        self.halves(pool, |low, high| {
            let isa = isa.for_length(high[0].len());
            vectors!(isa, bound(z: E, low: &mut [&mut [u32]; DEGREE], high: [&[u32]; DEGREE]));
        });
    }

    /// Sums over the first variable.
    ///
    /// # Panics
    /// If the length is odd.
    pub fn sum_first(&mut self, pool: &Pool, isa: Isa) {
        self.halves(pool, |low, high| {
            let isa = isa.for_length(high[0].len());
            vectors!(isa, summed(low: &mut [&mut [u32]; DEGREE], high: [&[u32]; DEGREE]));
        });
    }

    /// Puts something of both halves into the first one, which is then all.
    fn halves(
        &mut self,
        pool: &Pool,
        combine: impl Fn(&mut [&mut [u32]; DEGREE], [&[u32]; DEGREE]) + Sync,
    ) {
        assert!(self.len.is_multiple_of(2), "an even length");
        let half = self.len / 2;
        let mut lows: [&mut [u32]; DEGREE] = Default::default();
        let mut highs: [&[u32]; DEGREE] = Default::default();
        let planes = self.words.chunks_exact_mut(self.stride.max(1));
        for ((plane, low), high) in planes.zip(&mut lows).zip(&mut highs) {
            let (first, rest) = plane.split_at_mut(half);
            (*low, *high) = (first, &rest[..half]);
        }
        pool.for_each(&mut pieces(lows, TASK), |task, low| {
            let (start, count) = (task * TASK, low[0].len());
            combine(low, highs.map(|high| &high[start..][..count]));
        });
        self.len = half;
    }

    /// The vector over the base field with its first variable set to `z`.
    ///
    /// # Panics
    /// If the length is odd.
    #[must_use]
    pub fn bound(values: &[F], z: E, pool: &Pool, isa: Isa) -> Self {
        assert!(values.len().is_multiple_of(2), "an even length");
        let (low, high) = values.split_at(values.len() / 2);
        let mut bound = Self::zeros(low.len());
        bound.for_each_piece(0..low.len(), pool, |start, out| {
            let (count, isa) = (out[0].len(), isa.for_length(out[0].len()));
            let (low, high) = (&low[start..][..count], &high[start..][..count]);
            vectors!(isa, bound_words(z: E, low: &[F], high: &[F], out: &mut [&mut [u32]; DEGREE]));
        });
        bound
    }

    /// Calls `task` with pieces of a range, and where each begins in it.
    pub(super) fn for_each_piece(
        &mut self,
        range: Range<usize>,
        pool: &Pool,
        task: impl Fn(usize, &mut [&mut [u32]; DEGREE]) + Sync,
    ) {
        self.for_each_piece_of(TASK, range, pool, task);
    }

    /// As [`for_each_piece`](Self::for_each_piece), pieces having this many elements.
    pub(super) fn for_each_piece_of(
        &mut self,
        size: usize,
        range: Range<usize>,
        pool: &Pool,
        task: impl Fn(usize, &mut [&mut [u32]; DEGREE]) + Sync,
    ) {
        pool.for_each(&mut self.pieces(range, size), |number, piece| {
            task(number * size, piece);
        });
    }

    /// Pieces of a range, of this many elements.
    pub(super) fn pieces(&mut self, range: Range<usize>, size: usize) -> Vec<[&mut [u32]; DEGREE]> {
        let mut planes: [&mut [u32]; DEGREE] = Default::default();
        for (place, plane) in planes
            .iter_mut()
            .zip(self.words.chunks_exact_mut(self.stride.max(1)))
        {
            *place = &mut plane[range.clone()];
        }
        pieces(planes, size)
    }

    /// Adds `Σ_k coefficients[k]·places[k]^i` to each element i.
    ///
    /// # Panics
    /// If there are not as many coefficients as places.
    pub fn add_powers(&mut self, coefficients: &[E], places: &[F], pool: &Pool, isa: Isa) {
        assert_eq!(
            coefficients.len(),
            places.len(),
            "a coefficient for each place"
        );
        // x^i for i < RUN, place by place within a vector of 16.
        const RUN: usize = 128;
        let mut powers = vec![0_u32; RUN * places.len()];
        for (k, &x) in places.iter().enumerate() {
            let mut power = F::ONE;
            for i in 0..RUN {
                powers[(i / 16 * places.len() + k) * 16 + i % 16] = power.to_word();
                power *= x;
            }
        }
        let (len, powers) = (self.len, powers.as_slice());
        let mut sums = vec![[[0_u32; RUN]; DEGREE]; len.div_ceil(RUN)];
        let per_task = sums.len().div_ceil(4 * pool.threads()).max(TASK / RUN);
        pool.for_each_chunk(&mut sums, per_task, |task, sums| {
            let first = (task * per_task * RUN) as u64;
            let mut scaled: Vec<E> = coefficients
                .iter()
                .zip(places)
                .map(|(&c, x)| c * x.pow(first))
                .collect();
            let steps: Vec<F> = places.iter().map(|x| x.pow(RUN as u64)).collect();
            for out in sums {
                let terms = scaled.as_slice();
                let out = out.as_flattened_mut();
                vectors!(isa, power_sums(terms: &[E], powers: &[u32], out: &mut [u32]));
                for (value, &step) in scaled.iter_mut().zip(&steps) {
                    *value = *value * step;
                }
            }
        });
        for (run, sums) in sums.iter().enumerate() {
            let start = run * RUN;
            let count = RUN.min(len - start);
            for (c, sums) in sums.iter().enumerate() {
                let plane = &mut self.words[c * self.stride + start..][..count];
                let sums = &sums[..count];
                vectors_add(plane, sums);
            }
        }
    }
}

/// Adds words modulo p.
fn vectors_add(values: &mut [u32], terms: &[u32]) {
    for (value, &term) in values.iter_mut().zip(terms) {
        *value = (F::from_word(*value) + F::from_word(term)).to_word();
    }
}

/// Planes cut into pieces of this many elements.
fn pieces(planes: [&mut [u32]; DEGREE], size: usize) -> Vec<[&mut [u32]; DEGREE]> {
    let size = size.max(1);
    let len = planes[0].len();
    let mut pieces: Vec<[&mut [u32]; DEGREE]> = Vec::with_capacity(len.div_ceil(size));
    pieces.resize_with(len.div_ceil(size), Default::default);
    for (c, plane) in planes.into_iter().enumerate() {
        for (piece, part) in pieces.iter_mut().zip(plane.chunks_mut(size)) {
            piece[c] = part;
        }
    }
    pieces
}

/// # Safety
/// The instruction set of `V` is there; all planes have one length, of whole vectors.
#[inline(always)]
unsafe fn bound<V: Vector>(z: E, low: &mut [&mut [u32]; DEGREE], high: [&[u32]; DEGREE]) {
    // SAFETY: the caller's word.
    let z = unsafe { splat::<V>(z) };
    for i in (0..high[0].len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (first, second) = unsafe { (load_mut::<V>(low, i), load::<V>(high, i)) };
        store(add(first, mul(sub(second, first), z)), low, i);
    }
}

/// # Safety
/// The instruction set of `V` is there; all planes have one length, of whole vectors.
#[inline(always)]
unsafe fn summed<V: Vector>(low: &mut [&mut [u32]; DEGREE], high: [&[u32]; DEGREE]) {
    for i in (0..high[0].len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let sum = unsafe { add(load_mut::<V>(low, i), load::<V>(high, i)) };
        store(sum, low, i);
    }
}

/// # Safety
/// The instruction set of `V` is there; all have one length, of whole vectors.
#[inline(always)]
unsafe fn bound_words<V: Vector>(z: E, low: &[F], high: &[F], out: &mut [&mut [u32]; DEGREE]) {
    // SAFETY: the caller's word.
    let z = unsafe { splat::<V>(z) };
    for i in (0..low.len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (first, second) = unsafe { (load_words::<V>(low, i), load_words::<V>(high, i)) };
        let mut value = scale(z, second.sub(first));
        value[0] = value[0].add(first);
        store(value, out, i);
    }
}

/// # Safety
/// The instruction set of `V` is there; `powers` is [runs of 16][terms][16], and `out` five planes of as many elements.
#[inline(always)]
unsafe fn power_sums<V: Vector>(terms: &[E], powers: &[u32], out: &mut [u32]) {
    let run = out.len() / DEGREE;
    for (sixteen, powers) in powers.chunks_exact(16 * terms.len().max(1)).enumerate() {
        for lane in (0..16).step_by(V::LANES) {
            // SAFETY: the caller's word.
            let mut sum = unsafe { splat::<V>(E::ZERO) };
            for (term, powers) in terms.iter().zip(powers.chunks_exact(16)) {
                // SAFETY: 16 words, of which these are LANES; and the caller's word.
                let (power, term) =
                    unsafe { (V::load(powers.as_ptr().add(lane)), splat::<V>(*term)) };
                for (sum, term) in sum.iter_mut().zip(term) {
                    *sum = sum.add(term.mul(power));
                }
            }
            for (c, sum) in sum.into_iter().enumerate() {
                let place = &mut out[c * run + 16 * sixteen + lane..][..V::LANES];
                // SAFETY: LANES words.
                unsafe { sum.store(place.as_mut_ptr()) };
            }
        }
    }
}
