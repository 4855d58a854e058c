//! Products of two activations.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calls code compiled for the instruction set that was detected"
    )
)]

use crate::Isa;
use crate::isa::compiled;

/// `out[i, c] = Σ_j x[i, j]·y[j, c]`: x is [p, k], y is [k, q], out is [p, q]. That each sum fits is the caller's.
///
/// # Panics
/// If lengths and dimensions differ.
pub fn matmul(isa: Isa, x: &[i16], y: &[i16], dimensions: [usize; 3], out: &mut [i32]) {
    let [p, k, q] = dimensions;
    assert_eq!(x.len(), p * k, "x is [{p}, {k}]");
    assert_eq!(y.len(), k * q, "y is [{k}, {q}]");
    assert_eq!(out.len(), p * q, "out is [{p}, {q}]");
    if p == 0 || q == 0 {
        return;
    }
    compiled!(isa, <> rows(x: &[i16], y: &[i16], k: usize, q: usize, out: &mut [i32]));
}

#[inline(always)]
fn rows(x: &[i16], y: &[i16], k: usize, q: usize, out: &mut [i32]) {
    for (i, out) in out.chunks_exact_mut(q).enumerate() {
        out.fill(0);
        for (&x, y) in x[i * k..(i + 1) * k].iter().zip(y.chunks_exact(q)) {
            for (out, &y) in out.iter_mut().zip(y) {
                *out = out.wrapping_add(i32::from(x) * i32::from(y));
            }
        }
    }
}
