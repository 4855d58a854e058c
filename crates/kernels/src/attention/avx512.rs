//! Attention with AVX-512 VNNI: `vpdpwssd` multiplies pairs of 16-bit numbers and sums them.

use std::arch::x86_64::{
    __m256i, __m512i, _mm_cvtsi32_si128, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512,
    _mm512_castsi256_si512, _mm512_castsi512_si256, _mm512_cvtepi32_epi64, _mm512_cvtepi64_epi32,
    _mm512_dpwssd_epi32, _mm512_extracti64x4_epi64, _mm512_i32gather_epi32, _mm512_inserti64x4,
    _mm512_loadu_si512, _mm512_mask_cvtepi32_storeu_epi16, _mm512_maskz_loadu_epi32,
    _mm512_maskz_srlv_epi32, _mm512_min_epu64, _mm512_mul_epi32, _mm512_reduce_add_epi32,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64,
    _mm512_sra_epi64, _mm512_srli_epi32, _mm512_storeu_si512, _mm512_sub_epi64,
};

use super::BLOCK;
use super::tile::LANES;
use super::weights::{END, WEIGHTS};
use crate::round::rshift;

/// 32-bit lanes of a vector.
const WIDTH: usize = 16;

/// `scores[lane·stride + j] = Σ_i q[lane, i] · k[j, i]` for the 64 positions j of a block, modulo 2^32.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn scores(keys: &[i16], q: &[i16], padded: usize, scores: &mut [i32], stride: usize) {
    match q.len() / padded {
        1 => score_rows::<1, 4>(keys, q, padded, scores, stride),
        2 => score_rows::<2, 4>(keys, q, padded, scores, stride),
        3 => score_rows::<3, 4>(keys, q, padded, scores, stride),
        4 => score_rows::<4, 4>(keys, q, padded, scores, stride),
        5 => score_rows::<5, 4>(keys, q, padded, scores, stride),
        6 => score_rows::<6, 4>(keys, q, padded, scores, stride),
        7 => score_rows::<7, 2>(keys, q, padded, scores, stride),
        _ => score_rows::<LANES, 2>(keys, q, padded, scores, stride),
    }
}

/// R queries; V · 16 positions at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn score_rows<const R: usize, const V: usize>(
    keys: &[i16],
    q: &[i16],
    padded: usize,
    scores: &mut [i32],
    stride: usize,
) {
    for from in (0..BLOCK).step_by(V * WIDTH) {
        let mut sums = [[_mm512_setzero_si512(); V]; R];
        for (pair, keys) in keys.chunks_exact(2 * BLOCK).enumerate().take(padded / 2) {
            let keys = &keys[2 * from..][..2 * V * WIDTH];
            let mut vectors = [_mm512_setzero_si512(); V];
            for (vector, keys) in vectors.iter_mut().zip(keys.chunks_exact(2 * WIDTH)) {
                // SAFETY: 32 numbers of two bytes are a vector.
                *vector = unsafe { _mm512_loadu_si512(keys.as_ptr().cast()) };
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let q = &q[r * padded + 2 * pair..][..2];
                // SAFETY: two numbers of two bytes; alignment is not needed.
                let q = unsafe { q.as_ptr().cast::<i32>().read_unaligned() };
                let q = _mm512_set1_epi32(q);
                for (sum, keys) in sums.iter_mut().zip(vectors) {
                    *sum = _mm512_dpwssd_epi32(*sum, q, keys);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let scores = &mut scores[r * stride + from..][..V * WIDTH];
            for (sum, scores) in sums.into_iter().zip(scores.chunks_exact_mut(WIDTH)) {
                // SAFETY: 16 scores are a vector.
                unsafe { _mm512_storeu_si512(scores.as_mut_ptr().cast(), sum) };
            }
        }
    }
}

/// Queries whose values are summed at a time.
const ROWS: usize = 4;

/// `sums[lane, i] += Σ_j w[lane·stride + j] · v[j, i]` over the 64 positions j of a block, for the first ⌊e/16⌋·16
/// elements; returns how many these are.
///
/// A sum over the block fits 32 bits if the weights' sum is below 2^16; otherwise weights are cut in two limbs of 7 bits.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
pub(super) fn add_values(
    values: &[i16],
    w: &[i16],
    stride: usize,
    e: usize,
    sums: &mut [i64],
) -> usize {
    for (part, sums) in sums.chunks_mut(e * ROWS).enumerate() {
        let w = &w[part * ROWS * stride..];
        match sums.len() / e {
            1 => value_rows::<1>(values, w, stride, e, sums),
            2 => value_rows::<2>(values, w, stride, e, sums),
            3 => value_rows::<3>(values, w, stride, e, sums),
            _ => value_rows::<ROWS>(values, w, stride, e, sums),
        }
    }
    e / WIDTH * WIDTH
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
fn value_rows<const R: usize>(
    values: &[i16],
    w: &[i16],
    stride: usize,
    e: usize,
    sums: &mut [i64],
) {
    let mut rows = [w; R];
    let (mut all, mut largest) = (0, 0);
    for (r, row) in rows.iter_mut().enumerate() {
        *row = &w[r * stride..][..BLOCK];
        let total: i32 = row.iter().map(|&w| i32::from(w)).sum();
        all += total;
        largest = largest.max(total);
    }
    if all == 0 {
        return;
    }
    let fits = largest < 1 << 16;
    let (vectors, most) = (e / WIDTH, if fits { 4 } else { 2 });
    let mut at = 0;
    while at < vectors {
        let count = (vectors - at).min(most);
        match (count, fits) {
            (1, true) => columns::<R, 1, false>(values, rows, e, at, sums),
            (2, true) => columns::<R, 2, false>(values, rows, e, at, sums),
            (3, true) => columns::<R, 3, false>(values, rows, e, at, sums),
            (_, true) => columns::<R, 4, false>(values, rows, e, at, sums),
            (1, false) => columns::<R, 1, true>(values, rows, e, at, sums),
            (_, false) => columns::<R, 2, true>(values, rows, e, at, sums),
        }
        at += count;
    }
}

/// R rows by V · 16 elements from vector `at` on.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
fn columns<const R: usize, const V: usize, const CUT: bool>(
    values: &[i16],
    w: [&[i16]; R],
    e: usize,
    at: usize,
    sums: &mut [i64],
) {
    let mut low = [[_mm512_setzero_si512(); V]; R];
    let mut high = [[_mm512_setzero_si512(); V]; R];
    for (pair, values) in values.chunks_exact(2 * e).enumerate().take(BLOCK / 2) {
        let values = &values[at * 2 * WIDTH..][..V * 2 * WIDTH];
        let mut vectors = [_mm512_setzero_si512(); V];
        for (vector, values) in vectors.iter_mut().zip(values.chunks_exact(2 * WIDTH)) {
            // SAFETY: 32 numbers of two bytes are a vector.
            *vector = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
        }
        for ((low, high), w) in low.iter_mut().zip(&mut high).zip(w) {
            let w = &w[2 * pair..][..2];
            // SAFETY: two numbers of two bytes; alignment is not needed.
            let w = unsafe { w.as_ptr().cast::<i32>().read_unaligned() };
            if CUT {
                let w_low = _mm512_set1_epi32(w & 0x007F_007F);
                let w_high = _mm512_set1_epi32((w >> 7) & 0x01FF_01FF);
                for ((low, high), values) in low.iter_mut().zip(high).zip(vectors) {
                    *low = _mm512_dpwssd_epi32(*low, w_low, values);
                    *high = _mm512_dpwssd_epi32(*high, w_high, values);
                }
            } else {
                let w = _mm512_set1_epi32(w);
                for (low, values) in low.iter_mut().zip(vectors) {
                    *low = _mm512_dpwssd_epi32(*low, w, values);
                }
            }
        }
    }
    for (r, (low, high)) in low.into_iter().zip(high).enumerate() {
        let sums = &mut sums[r * e + at * WIDTH..][..V * WIDTH];
        for ((low, high), sums) in low.into_iter().zip(high).zip(sums.chunks_exact_mut(WIDTH)) {
            let (low, high) = (halves(low), halves(high));
            for half in 0..2 {
                let sum = if CUT {
                    _mm512_add_epi64(low[half], _mm512_slli_epi64::<7>(high[half]))
                } else {
                    low[half]
                };
                // SAFETY: 16 sums of eight bytes are two vectors.
                unsafe {
                    let place = sums.as_mut_ptr().add(half * 8).cast::<__m512i>();
                    let old = _mm512_loadu_si512(place);
                    _mm512_storeu_si512(place, _mm512_add_epi64(old, sum));
                }
            }
        }
    }
}

/// Sixteen numbers, widened.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn halves(x: __m512i) -> [__m512i; 2] {
    [
        _mm512_cvtepi32_epi64(_mm512_castsi512_si256(x)),
        _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(x)),
    ]
}

/// P in 32 bits, to gather from.
static WIDE: [i32; 1024] = {
    let mut wide = [0; 1024];
    let mut f = 0;
    while f < 1024 {
        wide[f] = WEIGHTS[f] as i32;
        f += 1;
    }
    wide
};

/// Writes `w(M − u_j)` for `u = rshift(x·m, s)`, M being the largest u, and returns the sum. `x` is not empty.
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn weigh(x: &[i32], m: i32, s: u32, w: &mut [i16]) -> i64 {
    // In chunks, so that 32 bits hold a lane's sum of weights.
    const CHUNK: usize = 1 << 16;
    let top = rshift(i64::from(extreme(x, m < 0)) * i64::from(m), s);
    let mut total = 0;
    for (x, w) in x.chunks(CHUNK).zip(w.chunks_mut(CHUNK)) {
        let mut sums = _mm512_setzero_si512();
        for (x, w) in x.chunks(WIDTH).zip(w.chunks_mut(WIDTH)) {
            assert_eq!(x.len(), w.len(), "a weight for each score");
            let mask = u16::MAX >> (WIDTH - x.len());
            // SAFETY: only the lanes that the chunk has are read.
            let scores = unsafe { _mm512_maskz_loadu_epi32(mask, x.as_ptr()) };
            let [low, high] = halves(scores);
            let delta = _mm512_inserti64x4::<1>(
                _mm512_castsi256_si512(argument(low, m, s, top)),
                argument(high, m, s, top),
            );
            let place = _mm512_and_si512(delta, _mm512_set1_epi32(1023));
            // SAFETY: places are below 1024.
            let p = unsafe { _mm512_i32gather_epi32::<4>(place, WIDE.as_ptr()) };
            // 16,384 is shifted by 16, which leaves nothing of 14 bits and one more.
            let weights = _mm512_maskz_srlv_epi32(mask, p, _mm512_srli_epi32::<10>(delta));
            sums = _mm512_add_epi32(sums, weights);
            // SAFETY: only the lanes that the chunk has are written.
            unsafe { _mm512_mask_cvtepi32_storeu_epi16(w.as_mut_ptr().cast(), mask, weights) };
        }
        total += i64::from(_mm512_reduce_add_epi32(sums));
    }
    total
}

/// The largest of the numbers, or the smallest.
#[target_feature(enable = "avx512f")]
fn extreme(x: &[i32], smallest: bool) -> i32 {
    let all = x.iter().copied();
    let extreme = if smallest { all.min() } else { all.max() };
    extreme.unwrap_or(0)
}

/// `min(top − rshift(x·m, s), 16384)` of eight scores.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn argument(x: __m512i, m: i32, s: u32, top: i64) -> __m256i {
    // As in `rshift`: with s = 0 nothing is added and nothing shifted.
    let (below_half, odd) = match s {
        0 => (0, 0),
        s => ((1_i64 << (s - 1)) - 1, 1),
    };
    let s = _mm_cvtsi32_si128(s as i32);
    let p = _mm512_mul_epi32(x, _mm512_set1_epi64(i64::from(m)));
    let odd = _mm512_and_si512(_mm512_sra_epi64(p, s), _mm512_set1_epi64(odd));
    let sum = _mm512_add_epi64(_mm512_add_epi64(p, _mm512_set1_epi64(below_half)), odd);
    let delta = _mm512_sub_epi64(_mm512_set1_epi64(top), _mm512_sra_epi64(sum, s));
    _mm512_cvtepi64_epi32(_mm512_min_epu64(delta, _mm512_set1_epi64(END)))
}
