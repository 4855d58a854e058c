//! The linear operator with WebAssembly's SIMD: weights are widened, `i32x4.dot_i16x8_s` multiplies and sums pairs.

use std::arch::wasm32::{
    i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_add, i32x4_dot_i16x8, i32x4_shuffle,
    i32x4_splat, i64x2_splat, v128, v128_load, v128_store,
};

use super::activations::Rows;
use super::{LANES, PANEL, Panel, QUAD, Tile};

/// Bytes of a vector: four inputs of 16 outputs.
const VECTOR: usize = LANES * QUAD;

/// Registers of sums for 16 outputs: each holds two halves of the sums of two outputs.
const PARTS: usize = 8;

/// `tile[r, c] += Σ_j w[c, j] · x[r, j]`, modulo 2^32, for `count` rows.
pub(super) fn multiply(panel: &Panel<'_>, x: &Rows<'_>, count: usize, tile: &mut Tile) {
    for v in 0..panel.vectors {
        for (r, row) in tile[..count].iter_mut().enumerate() {
            outputs(panel, v, x, r, row);
        }
    }
}

/// The outputs of vector `v` of row `r`.
fn outputs(panel: &Panel<'_>, v: usize, x: &Rows<'_>, r: usize, row: &mut [i32; PANEL]) {
    let mut sums = [i32x4_splat(0); PARTS];
    let weights = panel.weights.chunks_exact(panel.vectors * VECTOR);
    for (at, w) in weights.enumerate() {
        let w = &w[v * VECTOR..][..VECTOR];
        // SAFETY: four numbers of two bytes; alignment is not needed.
        let quad = i64x2_splat(unsafe { x.quad(r, at).as_ptr().cast::<i64>().read_unaligned() });
        for part in 0..PARTS / 2 {
            // SAFETY: `w` holds 64 bytes.
            let w = unsafe { v128_load(w.as_ptr().add(part * 16).cast()) };
            let halves = [i16x8_extend_low_i8x16(w), i16x8_extend_high_i8x16(w)];
            for (sum, w) in sums[2 * part..2 * part + 2].iter_mut().zip(halves) {
                *sum = i32x4_add(*sum, i32x4_dot_i16x8(w, quad));
            }
        }
    }
    let row = &mut row[v * LANES..][..LANES];
    for (pair, place) in sums.chunks_exact(2).zip(row.chunks_exact_mut(4)) {
        let even: v128 = i32x4_shuffle::<0, 2, 4, 6>(pair[0], pair[1]);
        let odd: v128 = i32x4_shuffle::<1, 3, 5, 7>(pair[0], pair[1]);
        // SAFETY: four numbers of four bytes.
        unsafe {
            let before = v128_load(place.as_ptr().cast());
            let sum = i32x4_add(i32x4_add(even, odd), before);
            v128_store(place.as_mut_ptr().cast(), sum);
        }
    }
}
