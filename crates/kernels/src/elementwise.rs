//! Operators that work on each element by itself: requantize, clamp, add, multiply, table.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calls code compiled for the instruction set that was detected"
    )
)]

use std::ops::Range;

use crate::Isa;
use crate::isa::compiled;
use crate::round::{Bounds, Element, rshift};

/// Requantization `q = clamp(rshift(a·m, s), lo, hi)` (specs/04-program.md §1.3).
#[derive(Debug, Clone, Copy)]
pub struct Requant<'a> {
    /// One multiplier for each index of the last dimension, or one for all.
    pub multipliers: &'a [i32],
    /// s, at most 62.
    pub shift: u32,
    /// The declared range of the results.
    pub bounds: Bounds,
}

impl Requant<'_> {
    /// Asserts what every call relies on: a multiplier per channel or one, a shift of at most 62.
    pub(crate) fn check<T: Element>(&self, channels: usize) {
        assert!(self.shift <= 62, "a shift of {}", self.shift);
        let m = self.multipliers.len();
        assert!(
            m == 1 || m == channels,
            "{m} multipliers, {channels} channels"
        );
        self.bounds.fit::<T>();
    }

    /// The same for a row of some of the channels. The lengths are equal.
    pub(crate) fn row<T: Element>(
        &self,
        isa: Isa,
        x: &[i32],
        channels: Range<usize>,
        out: &mut [T],
    ) {
        let (s, bounds) = (self.shift, self.bounds);
        match self.multipliers {
            &[m] => {
                compiled!(isa, <T: Element> requantize_all(x: &[i32], m: i32, s: u32, bounds: Bounds, out: &mut [T]));
            }
            all => {
                let m = &all[channels];
                compiled!(isa, <T: Element> requantize_each(x: &[i32], m: &[i32], s: u32, bounds: Bounds, out: &mut [T]));
            }
        }
    }
}

#[inline(always)]
fn requantize_each<T: Element>(x: &[i32], m: &[i32], s: u32, bounds: Bounds, out: &mut [T]) {
    for ((out, &x), &m) in out.iter_mut().zip(x).zip(m) {
        *out = T::narrow(bounds.clamp(rshift(i64::from(x) * i64::from(m), s)));
    }
}

#[inline(always)]
fn requantize_all<T: Element>(x: &[i32], m: i32, s: u32, bounds: Bounds, out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = T::narrow(bounds.clamp(rshift(i64::from(x) * i64::from(m), s)));
    }
}

/// `out[r, c] = clamp(rshift(x[r, c]·m[c], s), lo, hi)`, `channels` being the last dimension.
/// |x·m| < 2^62 is the caller's.
///
/// # Panics
/// If lengths differ, `channels` does not divide them, or the range is wider than `T`.
pub fn requantize<T: Element>(
    isa: Isa,
    x: &[i32],
    requant: &Requant<'_>,
    channels: usize,
    out: &mut [T],
) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    requant.check::<T>(channels);
    if requant.multipliers.len() == 1 {
        requant.row(isa, x, 0..1, out);
        return;
    }
    assert!(x.len().is_multiple_of(channels), "rows of {channels}");
    for (x, out) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        requant.row(isa, x, 0..channels, out);
    }
}

/// `out = clamp(x, lo, hi)`.
///
/// # Panics
/// If lengths differ, or the range is wider than `T`.
pub fn clamp<S: Element, T: Element>(isa: Isa, x: &[S], bounds: Bounds, out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    bounds.fit::<T>();
    compiled!(isa, <S: Element, T: Element> clamp_body(x: &[S], bounds: Bounds, out: &mut [T]));
}

#[inline(always)]
fn clamp_body<S: Element, T: Element>(x: &[S], bounds: Bounds, out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = T::narrow(bounds.clamp(x.wide()));
    }
}

/// `out = x`, as `i32`.
///
/// # Panics
/// If lengths differ.
pub fn widen(isa: Isa, x: &[i16], out: &mut [i32]) {
    clamp(isa, x, Bounds::I32, out);
}

/// `out = x + y`. That the sums fit `T` is the caller's.
///
/// # Panics
/// If lengths differ.
pub fn add<S: Element, U: Element, T: Element>(isa: Isa, x: &[S], y: &[U], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    assert_eq!(y.len(), out.len(), "lengths of input and output");
    compiled!(isa, <S: Element, U: Element, T: Element> add_body(x: &[S], y: &[U], out: &mut [T]));
}

#[inline(always)]
fn add_body<S: Element, U: Element, T: Element>(x: &[S], y: &[U], out: &mut [T]) {
    for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
        *out = T::narrow(x.wide() + y.wide());
    }
}

/// `out = clamp(rshift(x·y, s), lo, hi)`. |x·y| < 2^62 is the caller's.
///
/// # Panics
/// If lengths differ, s > 62, or the range is wider than `T`.
pub fn multiply<S: Element, U: Element, T: Element>(
    isa: Isa,
    x: &[S],
    y: &[U],
    shift: u32,
    bounds: Bounds,
    out: &mut [T],
) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    assert_eq!(y.len(), out.len(), "lengths of input and output");
    assert!(shift <= 62, "a shift of {shift}");
    bounds.fit::<T>();
    compiled!(isa, <S: Element, U: Element, T: Element> multiply_body(
        x: &[S], y: &[U], shift: u32, bounds: Bounds, out: &mut [T]
    ));
}

#[inline(always)]
fn multiply_body<S: Element, U: Element, T: Element>(
    x: &[S],
    y: &[U],
    s: u32,
    bounds: Bounds,
    out: &mut [T],
) {
    for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
        *out = T::narrow(bounds.clamp(rshift(x.wide() * y.wide(), s)));
    }
}

/// `out = table[x − lo]`. That x is in [lo, lo + table length) is the caller's.
///
/// # Panics
/// If lengths differ, the table has more than 65,536 entries, or an x is outside of it.
pub fn table<S: Element, T: Element>(x: &[S], lo: i32, table: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    assert!(table.len() <= 1 << 16, "a table of {} entries", table.len());
    for (out, &x) in out.iter_mut().zip(x) {
        // A place below the table wraps to one far above it.
        *out = table[(x.wide() - i64::from(lo)) as usize];
    }
}
