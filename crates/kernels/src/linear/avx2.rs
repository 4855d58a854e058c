//! The linear operator with AVX2: weights are widened, `vpmaddwd` multiplies and sums pairs.
//!
//! `vpmaddubsw` would need no widening, but saturates at 16 bits: 2·255·127 is beyond them.

use std::arch::x86_64::{
    _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi32, _mm256_cvtepi8_epi16,
    _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_permute4x64_epi64,
    _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_storeu_si256,
};

use super::activations::Rows;
use super::{LANES, Panel, QUAD, Tile};

/// Bytes of a vector: four inputs of 16 outputs.
const VECTOR: usize = LANES * QUAD;

/// Registers of sums for 16 outputs: each holds two halves of the sums of four outputs.
const PARTS: usize = 4;

/// `tile[r, c] += Σ_j w[c, j] · x[r, j]`, modulo 2^32, for `count` rows.
#[target_feature(enable = "avx2")]
pub(super) fn multiply(panel: &Panel<'_>, x: &Rows<'_>, count: usize, tile: &mut Tile) {
    for v in 0..panel.vectors {
        match count {
            1 => rows::<1>(panel, v, x, tile),
            2 => rows::<2>(panel, v, x, tile),
            _ => rows::<3>(panel, v, x, tile),
        }
    }
}

/// The outputs of vector `v` of R rows.
#[target_feature(enable = "avx2")]
fn rows<const R: usize>(panel: &Panel<'_>, v: usize, x: &Rows<'_>, tile: &mut Tile) {
    let mut sums = [[_mm256_setzero_si256(); PARTS]; R];
    // What comes next, in order: this block's passes go in strides, which no prefetcher foresees.
    let next = panel.weights.as_ptr().wrapping_add(panel.weights.len());
    let next = next.wrapping_add(panel.weights.len() / panel.vectors * v);
    for (at, w) in panel
        .weights
        .chunks_exact(panel.vectors * VECTOR)
        .enumerate()
    {
        let w = &w[v * VECTOR..][..VECTOR];
        _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(at * VECTOR));
        let mut quads = [_mm256_setzero_si256(); R];
        for (r, quad) in quads.iter_mut().enumerate() {
            // SAFETY: four numbers of two bytes; alignment is not needed.
            let four = unsafe { x.quad(r, at).as_ptr().cast::<i64>().read_unaligned() };
            *quad = _mm256_set1_epi64x(four);
        }
        for part in 0..PARTS {
            // SAFETY: `w` holds 64 bytes.
            let w = unsafe { _mm_loadu_si128(w.as_ptr().add(part * 16).cast()) };
            let w = _mm256_cvtepi8_epi16(w);
            for (sums, x) in sums.iter_mut().zip(quads) {
                sums[part] = _mm256_add_epi32(sums[part], _mm256_madd_epi16(w, x));
            }
        }
    }
    for (sums, row) in sums.iter().zip(tile) {
        for half in 0..2 {
            // Lanes of the pairwise sums: outputs 0 1 4 5 | 2 3 6 7.
            let sum = _mm256_hadd_epi32(sums[2 * half], sums[2 * half + 1]);
            let sum = _mm256_permute4x64_epi64::<0b11_01_10_00>(sum);
            let at = v * LANES + half * 8;
            let place = &mut row[at..at + 8];
            // SAFETY: eight numbers of four bytes.
            unsafe {
                let before = _mm256_loadu_si256(place.as_ptr().cast());
                _mm256_storeu_si256(place.as_mut_ptr().cast(), _mm256_add_epi32(sum, before));
            }
        }
    }
}
