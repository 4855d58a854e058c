//! rms_norm and layer_norm (specs/04-program.md §3.1).

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calls code compiled for the instruction set that was detected"
    )
)]

use crate::Isa;
use crate::isa::compiled;
use crate::round::{Bounds, Element, rdiv, rshift};

/// The attributes of a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Norm {
    /// Added to the sum of squares, at least 1.
    pub eps: u64,
    /// f: results are in units of 2^−f, at most 30.
    pub fraction: u32,
    /// The declared range of the results.
    pub bounds: Bounds,
}

/// `y ≈ x·2^f / √(eps + Σ x²)` for each row of `d`: no division by √d, that is in the multipliers of the
/// requantization that follows. eps + Σ x² < 2^62 is the caller's.
///
/// # Panics
/// If lengths differ, `d` does not divide them, eps is 0, f > 30, or the range is wider than `T`.
pub fn rms_norm<T: Element>(isa: Isa, x: &[i32], d: usize, norm: &Norm, out: &mut [T]) {
    rows(x, d, norm, out, |x, norm, out| {
        compiled!(isa, <T: Element> scaled(x: &[i32], norm: &Norm, out: &mut [T]));
    });
}

/// [`rms_norm`] of `x − rdiv(Σ x, d)`.
///
/// # Panics
/// As [`rms_norm`].
pub fn layer_norm<T: Element>(isa: Isa, x: &[i32], d: usize, norm: &Norm, out: &mut [T]) {
    rows(x, d, norm, out, |x, norm, out| {
        compiled!(isa, <T: Element> centered(x: &[i32], norm: &Norm, out: &mut [T]));
    });
}

fn rows<T: Element>(
    x: &[i32],
    d: usize,
    norm: &Norm,
    out: &mut [T],
    row: impl Fn(&[i32], &Norm, &mut [T]),
) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    assert!(d > 0 && x.len().is_multiple_of(d), "rows of {d}");
    assert!(norm.eps > 0 && norm.fraction <= 30, "{norm:?}");
    norm.bounds.fit::<T>();
    for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
        row(x, norm, out);
    }
}

#[inline(always)]
fn scaled<T: Element>(x: &[i32], norm: &Norm, out: &mut [T]) {
    let mut squares = 0_i64;
    for &x in x {
        squares += i64::from(x) * i64::from(x);
    }
    let (r, e) = reciprocal_root(norm.eps + squares as u64);
    let s = e + 30 - norm.fraction;
    for (out, &x) in out.iter_mut().zip(x) {
        *out = T::narrow(norm.bounds.clamp(rshift(i64::from(x) * r, s)));
    }
}

#[inline(always)]
fn centered<T: Element>(x: &[i32], norm: &Norm, out: &mut [T]) {
    let mut sum = 0_i64;
    for &x in x {
        sum += i64::from(x);
    }
    let mean = rdiv(sum, x.len() as i64);
    let mut squares = 0_i64;
    for &x in x {
        let z = i64::from(x) - mean;
        squares += z * z;
    }
    let (r, e) = reciprocal_root(norm.eps + squares as u64);
    let s = e + 30 - norm.fraction;
    for (out, &x) in out.iter_mut().zip(x) {
        *out = T::narrow(norm.bounds.clamp(rshift((i64::from(x) - mean) * r, s)));
    }
}

/// (r, e) with 4^e ≤ S < 4^(e+1) and r the largest integer with r²·S ≤ 2^(2e+60); 1 ≤ S < 2^62.
fn reciprocal_root(sum: u64) -> (i64, u32) {
    debug_assert!((1..1 << 62).contains(&sum));
    let e = sum.ilog2() / 2;
    // r² ≤ 2^(2e+60) / S exactly when r² ≤ the floor of it, which is at most 2^60.
    let quotient = (1_u128 << (2 * e + 60)) / u128::from(sum);
    ((quotient as u64).isqrt() as i64, e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_largest_that_satisfies_its_definition() {
        let mut sums = vec![1, 2, 3, 4, 5, 15, 16, 17, (1 << 62) - 1];
        sums.extend((1..62).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]));
        for sum in sums {
            let (r, e) = reciprocal_root(sum);
            let limit = 1_u128 << (2 * e + 60);
            let holds = |r: i64| (r as u128) * (r as u128) * u128::from(sum) <= limit;
            assert!(holds(r) && !holds(r + 1), "S = {sum}");
            assert!((1_u128 << (2 * e)..1 << (2 * e + 2)).contains(&u128::from(sum)));
            assert!((1 << 29..=1 << 30).contains(&r), "S = {sum}, r = {r}");
        }
    }
}
