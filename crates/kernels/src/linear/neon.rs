//! The linear operator with NEON: `sdot` on signed limbs of activations, or widening multiplications.

use std::arch::aarch64::{
    int8x16_t, int16x4_t, int32x4_t, vaddq_s32, vdupq_n_s8, vdupq_n_s32, vget_high_s16,
    vget_low_s8, vget_low_s16, vld1_s16, vld1q_s8, vld1q_s32, vmlal_s16, vmovl_high_s8, vmovl_s8,
    vpaddq_s32, vreinterpretq_s8_s32, vshlq_n_s32, vst1q_s32,
};

use super::activations::{LIMBS, Rows};
use super::{LANES, PANEL, Panel, QUAD, Tile};

/// Bytes of a vector: four inputs of 16 outputs.
const VECTOR: usize = LANES * QUAD;

/// Registers of sums for 16 outputs.
const PARTS: usize = 4;

/// `tile[r, c] += Σ_j w[c, j] · u[r, j]` for `limbs` rows of limbs of a tile of activations, modulo 2^32; if
/// `paired`, a row of the tile is 256 times a row of limbs plus the next one.
#[target_feature(enable = "neon,dotprod")]
pub(super) fn multiply_limbs(
    panel: &Panel<'_>,
    x: &[u8],
    limbs: usize,
    paired: bool,
    tile: &mut Tile,
) {
    for v in 0..panel.vectors {
        match limbs {
            1 => finish(sums::<1>(panel, v, x), v, paired, tile),
            2 => finish(sums::<2>(panel, v, x), v, paired, tile),
            3 => finish(sums::<3>(panel, v, x), v, paired, tile),
            4 => finish(sums::<4>(panel, v, x), v, paired, tile),
            5 => finish(sums::<5>(panel, v, x), v, paired, tile),
            _ => finish(sums::<LIMBS>(panel, v, x), v, paired, tile),
        }
    }
}

/// The sums of R rows of limbs by 16 outputs, in registers.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sums<const R: usize>(panel: &Panel<'_>, v: usize, x: &[u8]) -> [[int32x4_t; PARTS]; R] {
    let mut sums = [[vdupq_n_s32(0); PARTS]; R];
    let quads = x.chunks_exact(LIMBS * QUAD);
    for (w, x) in panel
        .weights
        .chunks_exact(panel.vectors * VECTOR)
        .zip(quads)
    {
        let w = &w[v * VECTOR..][..VECTOR];
        let mut vectors = [vdupq_n_s8(0); PARTS];
        for (vector, w) in vectors.iter_mut().zip(w.chunks_exact(16)) {
            // SAFETY: 16 bytes.
            *vector = unsafe { vld1q_s8(w.as_ptr()) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the chunk holds LIMBS ≥ R groups of four bytes; alignment is not needed.
            let quad = unsafe { x.as_ptr().add(r * QUAD).cast::<i32>().read_unaligned() };
            let quad = vreinterpretq_s8_s32(vdupq_n_s32(quad));
            for (sum, w) in sums.iter_mut().zip(vectors) {
                *sum = dot(*sum, w, quad);
            }
        }
    }
    sums
}

/// `sdot`: each lane gains the products of its four bytes.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: registers in, a register out; the feature is enabled.
    unsafe {
        std::arch::asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

#[inline]
#[target_feature(enable = "neon")]
fn finish<const R: usize>(sums: [[int32x4_t; PARTS]; R], v: usize, paired: bool, tile: &mut Tile) {
    let rows = if paired { R / 2 } else { R };
    for (r, row) in tile[..rows].iter_mut().enumerate() {
        for part in 0..PARTS {
            let sum = if paired {
                vaddq_s32(vshlq_n_s32::<8>(sums[2 * r][part]), sums[2 * r + 1][part])
            } else {
                sums[r][part]
            };
            store(sum, v * LANES + part * 4, row);
        }
    }
}

/// `row[at..at + 4] += sum`.
#[inline]
#[target_feature(enable = "neon")]
fn store(sum: int32x4_t, at: usize, row: &mut [i32; PANEL]) {
    let place = &mut row[at..at + 4];
    // SAFETY: four numbers of four bytes.
    unsafe {
        let before = vld1q_s32(place.as_ptr());
        vst1q_s32(place.as_mut_ptr(), vaddq_s32(sum, before));
    }
}

/// `tile[r, c] += Σ_j w[c, j] · x[r, j]`, modulo 2^32, for `count` rows.
#[target_feature(enable = "neon")]
pub(super) fn multiply(panel: &Panel<'_>, x: &Rows<'_>, count: usize, tile: &mut Tile) {
    for part in 0..panel.vectors * PARTS {
        match count {
            1 => rows::<1>(panel, part, x, tile),
            2 => rows::<2>(panel, part, x, tile),
            _ => rows::<3>(panel, part, x, tile),
        }
    }
}

/// The four outputs of a part of R rows.
#[target_feature(enable = "neon")]
fn rows<const R: usize>(panel: &Panel<'_>, part: usize, x: &Rows<'_>, tile: &mut Tile) {
    // For each row and output, four parts of its sum.
    let mut sums = [[vdupq_n_s32(0); 4]; R];
    for (at, w) in panel
        .weights
        .chunks_exact(panel.vectors * VECTOR)
        .enumerate()
    {
        let w = &w[part * 16..][..16];
        // SAFETY: 16 bytes.
        let w = unsafe { vld1q_s8(w.as_ptr()) };
        let (low, high) = (vmovl_s8(vget_low_s8(w)), vmovl_high_s8(w));
        let w: [int16x4_t; 4] = [
            vget_low_s16(low),
            vget_high_s16(low),
            vget_low_s16(high),
            vget_high_s16(high),
        ];
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: four numbers.
            let quad = unsafe { vld1_s16(x.quad(r, at).as_ptr()) };
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = vmlal_s16(*sum, w, quad);
            }
        }
    }
    for (sums, row) in sums.iter().zip(tile) {
        let sum = vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
        store(sum, part * 4, row);
    }
}
