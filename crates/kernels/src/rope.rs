//! Rotary position (specs/04-program.md §3.2).

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calls code compiled for the instruction set that was detected"
    )
)]

use crate::Isa;
use crate::isa::compiled;
use crate::round::Bounds;

/// Rotates the heads of one position. `x` and `out` are [heads, d]; `cosines` and `sines` are the position's rows, of
/// r/2 entries in units of 2^−14; elements from r on are clamped only.
///
/// # Panics
/// If lengths differ, `d` does not divide them, r > d, or the range is wider than `i16`.
pub fn rope(
    isa: Isa,
    x: &[i16],
    d: usize,
    cosines: &[i16],
    sines: &[i16],
    bounds: Bounds,
    out: &mut [i16],
) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    assert!(d > 0 && x.len().is_multiple_of(d), "heads of {d}");
    assert_eq!(cosines.len(), sines.len(), "lengths of cosines and sines");
    assert!(
        2 * cosines.len() <= d,
        "{} angles, heads of {d}",
        sines.len()
    );
    bounds.fit::<i16>();
    compiled!(isa, <> heads(x: &[i16], d: usize, cosines: &[i16], sines: &[i16], bounds: Bounds, out: &mut [i16]));
}

#[inline(always)]
fn heads(x: &[i16], d: usize, cosines: &[i16], sines: &[i16], bounds: Bounds, out: &mut [i16]) {
    let half = cosines.len();
    for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
        let (x0, rest) = x.split_at(half);
        let (x1, rest) = rest.split_at(half);
        let (y0, out) = out.split_at_mut(half);
        let (y1, out) = out.split_at_mut(half);
        for i in 0..half {
            let (c, s) = (i32::from(cosines[i]), i32::from(sines[i]));
            let (a, b) = (i32::from(x0[i]), i32::from(x1[i]));
            y0[i] = rounded(a * c - b * s, bounds);
            y1[i] = rounded(b * c + a * s, bounds);
        }
        for (out, &x) in out.iter_mut().zip(rest) {
            *out = bounds.clamp(i64::from(x)) as i16;
        }
    }
}

/// `clamp(rshift(p, 14))`: |p| ≤ 2·2^15·2^14 = 2^30, so that `i32` holds all of it.
#[inline(always)]
fn rounded(p: i32, bounds: Bounds) -> i16 {
    let odd = (p >> 14) & 1;
    let q = (p + ((1 << 13) - 1) + odd) >> 14;
    q.max(bounds.lo()).min(bounds.hi()) as i16
}
