//! An element of the extension in each lane of five vectors.

#![expect(unsafe_code, reason = "vector loads and stores")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use proofmark_field::{DEGREE, E, F};

use super::vector::Vector;

/// An element in each lane.
pub(super) type Lanes<V> = [V; DEGREE];

/// # Safety
/// The instruction set of `V` is there.
#[inline(always)]
pub(super) unsafe fn splat<V: Vector>(value: E) -> Lanes<V> {
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
pub(super) fn add<V: Vector>(a: Lanes<V>, b: Lanes<V>) -> Lanes<V> {
    [
        a[0].add(b[0]),
        a[1].add(b[1]),
        a[2].add(b[2]),
        a[3].add(b[3]),
        a[4].add(b[4]),
    ]
}

#[inline(always)]
pub(super) fn sub<V: Vector>(a: Lanes<V>, b: Lanes<V>) -> Lanes<V> {
    [
        a[0].sub(b[0]),
        a[1].sub(b[1]),
        a[2].sub(b[2]),
        a[3].sub(b[3]),
        a[4].sub(b[4]),
    ]
}

/// The product modulo x⁵ + x² − 1, as `proofmark_field` has it.
#[inline(always)]
pub(super) fn mul<V: Vector>(a: Lanes<V>, b: Lanes<V>) -> Lanes<V> {
    let [b0, b1, b2, b3, b4] = b;
    let (b14, b03, b42) = (b1.sub(b4), b0.sub(b3), b4.sub(b2));
    let b341 = b3.sub(b14);
    [
        V::dot(a, [b0, b4, b3, b2, b14]),
        V::dot(a, [b1, b0, b4, b3, b2]),
        V::dot(a, [b2, b14, b03, b42, b341]),
        V::dot(a, [b3, b2, b14, b03, b42]),
        V::dot(a, [b4, b3, b2, b14, b03]),
    ]
}

/// LANES elements of planes from `at` on.
///
/// # Safety
/// The instruction set of `V` is there; there are as many.
#[inline(always)]
pub(super) unsafe fn load<V: Vector>(planes: [&[u32]; DEGREE], at: usize) -> Lanes<V> {
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

/// As [`load`], from planes that are written too.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub(super) unsafe fn load_mut<V: Vector>(planes: &[&mut [u32]; DEGREE], at: usize) -> Lanes<V> {
    let [a, b, c, d, e] = planes;
    // SAFETY: the caller's word.
    unsafe { load([a, b, c, d, e], at) }
}

/// LANES elements of the base field from `at` on.
///
/// # Safety
/// The instruction set of `V` is there; there are as many.
#[inline(always)]
pub(super) unsafe fn load_words<V: Vector>(values: &[F], at: usize) -> V {
    // SAFETY: F is a word in memory; and the caller's word.
    unsafe { V::load(values[at..].as_ptr().cast()) }
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

/// The product with an element of the base field in each lane.
#[inline(always)]
pub(super) fn scale<V: Vector>(a: Lanes<V>, factor: V) -> Lanes<V> {
    [
        factor.mul(a[0]),
        factor.mul(a[1]),
        factor.mul(a[2]),
        factor.mul(a[3]),
        factor.mul(a[4]),
    ]
}

/// Stores LANES elements into planes from `at` on.
#[inline(always)]
pub(super) fn store<V: Vector>(value: Lanes<V>, planes: &mut [&mut [u32]; DEGREE], at: usize) {
    for (plane, value) in planes.iter_mut().zip(value) {
        // SAFETY: LANES words.
        unsafe { value.store(plane[at..][..V::LANES].as_mut_ptr()) };
    }
}
