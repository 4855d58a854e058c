//! The linear operator with AVX-512 VNNI: `vpdpbusd` multiplies unsigned limbs of activations with weights.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_slli_epi32, _mm512_storeu_si512,
};

use super::activations::LIMBS;
use super::{LANES, Panel, QUAD, Tile};

/// Bytes of a vector: four inputs of 16 outputs.
const VECTOR: usize = LANES * QUAD;

/// `tile[r, c] += Σ_j w[c, j] · u[r, j]` for `limbs` rows of limbs of a tile of activations, modulo 2^32; if
/// `paired`, a row of the tile is 256 times a row of limbs plus the next one.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn multiply(panel: &Panel<'_>, x: &[u8], limbs: usize, paired: bool, tile: &mut Tile) {
    match limbs {
        1 => rows::<1>(panel, x, paired, tile),
        2 => rows::<2>(panel, x, paired, tile),
        3 => rows::<3>(panel, x, paired, tile),
        4 => rows::<4>(panel, x, paired, tile),
        5 => rows::<5>(panel, x, paired, tile),
        _ => rows::<LIMBS>(panel, x, paired, tile),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn rows<const R: usize>(panel: &Panel<'_>, x: &[u8], paired: bool, tile: &mut Tile) {
    match panel.vectors {
        1 => finish(sums::<R, 1>(panel.weights, x), paired, tile),
        2 => finish(sums::<R, 2>(panel.weights, x), paired, tile),
        3 => finish(sums::<R, 3>(panel.weights, x), paired, tile),
        _ => finish(sums::<R, 4>(panel.weights, x), paired, tile),
    }
}

/// The sums of R rows of limbs by V · 16 outputs, in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums<const R: usize, const V: usize>(weights: &[i8], x: &[u8]) -> [[__m512i; V]; R] {
    let mut sums = [[_mm512_setzero_si512(); V]; R];
    for (w, x) in weights
        .chunks_exact(V * VECTOR)
        .zip(x.chunks_exact(LIMBS * QUAD))
    {
        let mut vectors = [_mm512_setzero_si512(); V];
        for (vector, w) in vectors.iter_mut().zip(w.chunks_exact(VECTOR)) {
            // SAFETY: 64 bytes are a vector.
            *vector = unsafe { _mm512_loadu_si512(w.as_ptr().cast()) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the chunk holds LIMBS ≥ R groups of four bytes; alignment is not needed.
            let quad = unsafe { x.as_ptr().add(r * QUAD).cast::<i32>().read_unaligned() };
            let quad = _mm512_set1_epi32(quad);
            for (sum, w) in sums.iter_mut().zip(vectors) {
                *sum = _mm512_dpbusd_epi32(*sum, quad, w);
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn finish<const R: usize, const V: usize>(sums: [[__m512i; V]; R], paired: bool, tile: &mut Tile) {
    let limbs = if paired { 2 } else { 1 };
    for (sums, row) in sums.chunks_exact(limbs).zip(tile) {
        for (v, place) in row.chunks_exact_mut(LANES).enumerate().take(V) {
            let sum = match sums {
                [high, low] => _mm512_add_epi32(_mm512_slli_epi32::<8>(high[v]), low[v]),
                [one, ..] => one[v],
                [] => return,
            };
            // SAFETY: 16 numbers of four bytes.
            unsafe {
                let before = _mm512_loadu_si512(place.as_ptr().cast());
                let sum = _mm512_add_epi32(sum, before);
                _mm512_storeu_si512(place.as_mut_ptr().cast(), sum);
            }
        }
    }
}
