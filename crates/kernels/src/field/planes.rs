//! Vectors of extension elements, coordinate by coordinate, and what a sumcheck does with them.

#![expect(unsafe_code, reason = "vector loads and stores")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use proofmark_field::{DEGREE, E, F};

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

    fn planes(&self) -> [&[u32]; DEGREE] {
        std::array::from_fn(|c| &self.words[c * self.stride..][..self.len])
    }

    /// The polynomial `Σ_i a[i](X)·b[i](X)` over the first variable X, both vectors being linear in it: its value at 0 and its
    /// coefficient of X².
    ///
    /// # Panics
    /// If lengths differ or are odd.
    #[must_use]
    pub fn product_round(&self, other: &Self, pool: &Pool, isa: Isa) -> (E, E) {
        assert!(
            self.len == other.len && self.len.is_multiple_of(2),
            "two vectors of one even length"
        );
        let half = self.len / 2;
        let (a, b) = (self.planes(), other.planes());
        let mut sums = vec![(E::ZERO, E::ZERO); half.div_ceil(TASK)];
        pool.for_each(&mut sums, |task, sum| {
            let start = task * TASK;
            let count = TASK.min(half - start);
            *sum = vectors!(isa, round(a: [&[u32]; DEGREE], b: [&[u32]; DEGREE], half: usize, start: usize, count: usize) -> (E, E));
        });
        sums.into_iter()
            .fold((E::ZERO, E::ZERO), |(a, b), (c, d)| (a + c, b + d))
    }

    /// Sets the first variable to `z`.
    ///
    /// # Panics
    /// If the length is odd.
    pub fn bind(&mut self, z: E, pool: &Pool, isa: Isa) {
        assert!(self.len.is_multiple_of(2), "an even length");
        let half = self.len / 2;
        let mut words = vec![0; DEGREE * half];
        let planes = self.planes();
        let mut pieces: Vec<[&mut [u32]; DEGREE]> = Vec::new();
        let mut rests: Vec<&mut [u32]> = words.chunks_exact_mut(half.max(1)).collect();
        for start in (0..half).step_by(TASK) {
            let count = TASK.min(half - start);
            let mut piece: [&mut [u32]; DEGREE] = Default::default();
            for (piece, rest) in piece.iter_mut().zip(&mut rests) {
                let (first, last) = std::mem::take(rest).split_at_mut(count);
                (*piece, *rest) = (first, last);
            }
            pieces.push(piece);
        }
        pool.for_each(&mut pieces, |task, out| {
            let start = task * TASK;
            vectors!(isa, bound(planes: [&[u32]; DEGREE], half: usize, start: usize, z: E, out: &mut [&mut [u32]; DEGREE]));
        });
        self.words = words;
        (self.stride, self.len) = (half, half);
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

/// An element in each lane.
type Lanes<V> = [V; DEGREE];

/// # Safety
/// The instruction set of `V` is there.
#[inline(always)]
unsafe fn splat<V: Vector>(value: E) -> Lanes<V> {
    let [a, b, c, d, e] = value.0;
    // SAFETY: the caller's word.
    unsafe {
        [
            V::splat(a.to_word()),
            V::splat(b.to_word()),
            V::splat(c.to_word()),
            V::splat(d.to_word()),
            V::splat(e.to_word()),
        ]
    }
}

// Arrays are written out: a closure would be compiled for the target's baseline before it is inlined.

#[inline(always)]
fn add<V: Vector>(a: Lanes<V>, b: Lanes<V>) -> Lanes<V> {
    [
        a[0].add(b[0]),
        a[1].add(b[1]),
        a[2].add(b[2]),
        a[3].add(b[3]),
        a[4].add(b[4]),
    ]
}

#[inline(always)]
fn sub<V: Vector>(a: Lanes<V>, b: Lanes<V>) -> Lanes<V> {
    [
        a[0].sub(b[0]),
        a[1].sub(b[1]),
        a[2].sub(b[2]),
        a[3].sub(b[3]),
        a[4].sub(b[4]),
    ]
}

/// Σ aᵢ·bᵢ.
#[inline(always)]
fn dot<V: Vector>(a: Lanes<V>, b: Lanes<V>) -> V {
    let sum = a[0].mul(b[0]).add(a[1].mul(b[1]));
    let sum = sum.add(a[2].mul(b[2]).add(a[3].mul(b[3])));
    sum.add(a[4].mul(b[4]))
}

/// The product modulo x⁵ + x² − 1, as `proofmark_field` has it.
#[inline(always)]
fn mul<V: Vector>(a: Lanes<V>, b: Lanes<V>) -> Lanes<V> {
    let [b0, b1, b2, b3, b4] = b;
    let (b14, b03, b42) = (b1.sub(b4), b0.sub(b3), b4.sub(b2));
    let b341 = b3.sub(b14);
    [
        dot(a, [b0, b4, b3, b2, b14]),
        dot(a, [b1, b0, b4, b3, b2]),
        dot(a, [b2, b14, b03, b42, b341]),
        dot(a, [b3, b2, b14, b03, b42]),
        dot(a, [b4, b3, b2, b14, b03]),
    ]
}

/// LANES elements of planes from `at` on.
///
/// # Safety
/// The instruction set of `V` is there; there are as many.
#[inline(always)]
unsafe fn load<V: Vector>(planes: [&[u32]; DEGREE], at: usize) -> Lanes<V> {
    let [a, b, c, d, e] = planes;
    // SAFETY: the caller's word.
    unsafe {
        [
            V::load(a[at..].as_ptr()),
            V::load(b[at..].as_ptr()),
            V::load(c[at..].as_ptr()),
            V::load(d[at..].as_ptr()),
            V::load(e[at..].as_ptr()),
        ]
    }
}

/// The sum of all lanes.
#[inline(always)]
pub(super) fn total<V: Vector>(value: Lanes<V>) -> E {
    E(value.map(|v| {
        v.words()
            .iter()
            .take(V::LANES)
            .map(|&word| F::from_word(word))
            .sum()
    }))
}

/// # Safety
/// The instruction set of `V` is there; planes have 2·half elements, and start + count ≤ half.
#[inline(always)]
unsafe fn round<V: Vector>(
    a: [&[u32]; DEGREE],
    b: [&[u32]; DEGREE],
    half: usize,
    start: usize,
    count: usize,
) -> (E, E) {
    let whole = count - count % V::LANES;
    // SAFETY: the caller's word.
    let (mut constant, mut leading) = unsafe { (splat::<V>(E::ZERO), splat::<V>(E::ZERO)) };
    for i in (start..start + whole).step_by(V::LANES) {
        // SAFETY: within the first half, and within the second.
        let (a0, a1, b0, b1) = unsafe {
            (
                load::<V>(a, i),
                load::<V>(a, half + i),
                load::<V>(b, i),
                load::<V>(b, half + i),
            )
        };
        constant = add(constant, mul(a0, b0));
        leading = add(leading, mul(sub(a1, a0), sub(b1, b0)));
    }
    let (mut constant, mut leading) = (total(constant), total(leading));
    let at = |planes: [&[u32]; DEGREE], i: usize| E(planes.map(|plane| F::from_word(plane[i])));
    for i in start + whole..start + count {
        constant += at(a, i) * at(b, i);
        leading += (at(a, half + i) - at(a, i)) * (at(b, half + i) - at(b, i));
    }
    (constant, leading)
}

/// # Safety
/// The instruction set of `V` is there; planes have 2·half elements, and start + the length of `out` ≤ half.
#[inline(always)]
unsafe fn bound<V: Vector>(
    planes: [&[u32]; DEGREE],
    half: usize,
    start: usize,
    z: E,
    out: &mut [&mut [u32]; DEGREE],
) {
    let count = out[0].len();
    let whole = count - count % V::LANES;
    // SAFETY: the caller's word.
    let wide = unsafe { splat::<V>(z) };
    for i in (0..whole).step_by(V::LANES) {
        // SAFETY: within the first half, and within the second.
        let (low, high) = unsafe {
            (
                load::<V>(planes, start + i),
                load::<V>(planes, half + start + i),
            )
        };
        let value = add(low, mul(sub(high, low), wide));
        for (out, value) in out.iter_mut().zip(value) {
            // SAFETY: LANES words from i on.
            unsafe { value.store(out[i..][..V::LANES].as_mut_ptr()) };
        }
    }
    for i in whole..count {
        let at = |i: usize| E(planes.map(|plane| F::from_word(plane[i])));
        let (low, high) = (at(start + i), at(half + start + i));
        for (out, value) in out.iter_mut().zip((low + (high - low) * z).0) {
            out[i] = value.to_word();
        }
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
