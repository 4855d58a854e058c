//! Vectors of AVX2 and AVX-512.

#![expect(unsafe_code, reason = "vector instructions")]
#![expect(
    clippy::inline_always,
    reason = "a method is compiled for the instruction set of the function that it is inlined into"
)]

use std::arch::x86_64::*;

use super::{DEGREE, P, P_INVERSE, Vector};

/// 8 words with AVX2.
#[derive(Clone, Copy)]
pub(in crate::field) struct Avx2(__m256i);

/// 16 words with AVX-512.
#[derive(Clone, Copy)]
pub(in crate::field) struct Avx512(__m512i);

// SAFETY: all constructors are unsafe and ask for the instruction set.
unsafe impl Vector for Avx2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const u32) -> Self {
        // SAFETY: the caller's word; alignment is not needed.
        Self(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) };
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller's word.
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn transposed(from: *const u32, stride: usize) -> [Self; 16] {
        // SAFETY: the caller's word: 8 rows of 16 words.
        unsafe {
            let left = eight(from, stride);
            let right = eight(from.add(8), stride);
            std::array::from_fn(|i| Self(if i < 8 { left[i] } else { right[i - 8] }))
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the value shows that AVX2 is there.
        unsafe {
            let sum = _mm256_add_epi32(self.0, other.0);
            let p = _mm256_set1_epi32(P.cast_signed());
            Self(_mm256_min_epu32(sum, _mm256_sub_epi32(sum, p)))
        }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let difference = _mm256_sub_epi32(self.0, other.0);
            let p = _mm256_set1_epi32(P.cast_signed());
            Self(_mm256_min_epu32(
                difference,
                _mm256_add_epi32(difference, p),
            ))
        }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let p = _mm256_set1_epi32(P.cast_signed());
            let inverse = _mm256_set1_epi32(P_INVERSE.cast_signed());
            let even = _mm256_mul_epu32(self.0, other.0);
            let odd = _mm256_mul_epu32(
                _mm256_srli_epi64::<32>(self.0),
                _mm256_srli_epi64::<32>(other.0),
            );
            let even_multiple = _mm256_mul_epu32(_mm256_mul_epu32(even, inverse), p);
            let odd_multiple = _mm256_mul_epu32(_mm256_mul_epu32(odd, inverse), p);
            let high = _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd);
            let multiple =
                _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even_multiple), odd_multiple);
            let difference = _mm256_sub_epi32(high, multiple);
            Self(_mm256_min_epu32(
                difference,
                _mm256_add_epi32(difference, p),
            ))
        }
    }

    #[inline(always)]
    fn wrapping_add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let right = _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(BITS));
            let left = _mm256_sll_epi32(self.0, _mm_cvtsi32_si128(32 - BITS));
            Self(_mm256_or_si256(right, left))
        }
    }
}

/// Eight rows of eight words, transposed.
#[inline(always)]
unsafe fn eight(from: *const u32, stride: usize) -> [__m256i; 8] {
    // SAFETY: the caller's word: AVX2 is there, and the rows can be read.
    unsafe {
        let row: [__m256i; 8] =
            std::array::from_fn(|i| _mm256_loadu_si256(from.add(i * stride).cast()));
        let pair: [__m256i; 8] = std::array::from_fn(|i| {
            let (a, b) = (row[i / 2 * 2], row[i / 2 * 2 + 1]);
            if i % 2 == 0 {
                _mm256_unpacklo_epi32(a, b)
            } else {
                _mm256_unpackhi_epi32(a, b)
            }
        });
        // Words 0,4 / 1,5 / 2,6 / 3,7 of rows 0 to 3, then of rows 4 to 7.
        let quad: [__m256i; 8] = std::array::from_fn(|i| {
            let base = i / 4 * 4;
            let (a, b) = (pair[base + i % 4 / 2], pair[base + i % 4 / 2 + 2]);
            if i % 2 == 0 {
                _mm256_unpacklo_epi64(a, b)
            } else {
                _mm256_unpackhi_epi64(a, b)
            }
        });
        std::array::from_fn(|i| {
            if i < 4 {
                _mm256_permute2x128_si256::<0x20>(quad[i], quad[i + 4])
            } else {
                _mm256_permute2x128_si256::<0x31>(quad[i - 4], quad[i])
            }
        })
    }
}

/// Σ aᵢ·bᵢ of the even words, which are below p, modulo 2^32·p.
#[inline(always)]
unsafe fn five(a: [__m512i; DEGREE], b: [__m512i; DEGREE]) -> __m512i {
    // A product is below p²; 4·p² < 2^64, and 4·p² < 2·2^32·p.
    const LIMIT: u64 = (P as u64) << 32;
    // SAFETY: the caller's word: AVX-512 is there.
    unsafe {
        let limit = _mm512_set1_epi64(LIMIT.cast_signed());
        let two = _mm512_add_epi64(_mm512_mul_epu32(a[0], b[0]), _mm512_mul_epu32(a[1], b[1]));
        let more = _mm512_add_epi64(_mm512_mul_epu32(a[2], b[2]), _mm512_mul_epu32(a[3], b[3]));
        let four = _mm512_add_epi64(two, more);
        let four = _mm512_min_epu64(four, _mm512_sub_epi64(four, limit));
        let sum = _mm512_add_epi64(four, _mm512_mul_epu32(a[4], b[4]));
        _mm512_min_epu64(sum, _mm512_sub_epi64(sum, limit))
    }
}

// SAFETY: all constructors are unsafe and ask for the instruction set.
unsafe impl Vector for Avx512 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const u32) -> Self {
        // SAFETY: the caller's word; alignment is not needed.
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) };
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller's word.
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn transposed(from: *const u32, stride: usize) -> [Self; 16] {
        // SAFETY: the caller's word: 16 rows of 16 words.
        unsafe {
            let row: [__m512i; 16] =
                std::array::from_fn(|i| _mm512_loadu_si512(from.add(i * stride).cast()));
            let pair: [__m512i; 16] = std::array::from_fn(|i| {
                let (a, b) = (row[i / 2 * 2], row[i / 2 * 2 + 1]);
                if i % 2 == 0 {
                    _mm512_unpacklo_epi32(a, b)
                } else {
                    _mm512_unpackhi_epi32(a, b)
                }
            });
            // quad[4g + k] has words k, 4 + k, 8 + k, 12 + k of rows 4g to 4g + 3, a quarter each.
            let quad: [__m512i; 16] = std::array::from_fn(|i| {
                let base = i / 4 * 4;
                let (a, b) = (pair[base + i % 4 / 2], pair[base + i % 4 / 2 + 2]);
                if i % 2 == 0 {
                    _mm512_unpacklo_epi64(a, b)
                } else {
                    _mm512_unpackhi_epi64(a, b)
                }
            });
            // Quarters of four vectors, transposed.
            let mut words = [Self(_mm512_setzero_si512()); 16];
            for k in 0..4 {
                let (a, b, c, d) = (quad[k], quad[4 + k], quad[8 + k], quad[12 + k]);
                let ab_low = _mm512_shuffle_i32x4::<0x88>(a, b);
                let ab_high = _mm512_shuffle_i32x4::<0xdd>(a, b);
                let cd_low = _mm512_shuffle_i32x4::<0x88>(c, d);
                let cd_high = _mm512_shuffle_i32x4::<0xdd>(c, d);
                words[k] = Self(_mm512_shuffle_i32x4::<0x88>(ab_low, cd_low));
                words[4 + k] = Self(_mm512_shuffle_i32x4::<0x88>(ab_high, cd_high));
                words[8 + k] = Self(_mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low));
                words[12 + k] = Self(_mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high));
            }
            words
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the value shows that AVX-512 is there.
        unsafe {
            let sum = _mm512_add_epi32(self.0, other.0);
            let p = _mm512_set1_epi32(P.cast_signed());
            Self(_mm512_min_epu32(sum, _mm512_sub_epi32(sum, p)))
        }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let difference = _mm512_sub_epi32(self.0, other.0);
            let p = _mm512_set1_epi32(P.cast_signed());
            Self(_mm512_min_epu32(
                difference,
                _mm512_add_epi32(difference, p),
            ))
        }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let p = _mm512_set1_epi32(P.cast_signed());
            let inverse = _mm512_set1_epi32(P_INVERSE.cast_signed());
            let even = _mm512_mul_epu32(self.0, other.0);
            let odd = _mm512_mul_epu32(
                _mm512_srli_epi64::<32>(self.0),
                _mm512_srli_epi64::<32>(other.0),
            );
            let even_multiple = _mm512_mul_epu32(_mm512_mul_epu32(even, inverse), p);
            let odd_multiple = _mm512_mul_epu32(_mm512_mul_epu32(odd, inverse), p);
            let high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd);
            let multiple = _mm512_mask_blend_epi32(
                0xaaaa,
                _mm512_srli_epi64::<32>(even_multiple),
                odd_multiple,
            );
            let difference = _mm512_sub_epi32(high, multiple);
            Self(_mm512_min_epu32(
                difference,
                _mm512_add_epi32(difference, p),
            ))
        }
    }

    #[inline(always)]
    fn dot(a: [Self; DEGREE], b: [Self; DEGREE]) -> Self {
        // SAFETY: as above.
        unsafe {
            let even = five(
                [a[0].0, a[1].0, a[2].0, a[3].0, a[4].0],
                [b[0].0, b[1].0, b[2].0, b[3].0, b[4].0],
            );
            let odd = five(
                [
                    _mm512_srli_epi64::<32>(a[0].0),
                    _mm512_srli_epi64::<32>(a[1].0),
                    _mm512_srli_epi64::<32>(a[2].0),
                    _mm512_srli_epi64::<32>(a[3].0),
                    _mm512_srli_epi64::<32>(a[4].0),
                ],
                [
                    _mm512_srli_epi64::<32>(b[0].0),
                    _mm512_srli_epi64::<32>(b[1].0),
                    _mm512_srli_epi64::<32>(b[2].0),
                    _mm512_srli_epi64::<32>(b[3].0),
                    _mm512_srli_epi64::<32>(b[4].0),
                ],
            );
            let p = _mm512_set1_epi32(P.cast_signed());
            let inverse = _mm512_set1_epi32(P_INVERSE.cast_signed());
            let even_multiple = _mm512_mul_epu32(_mm512_mul_epu32(even, inverse), p);
            let odd_multiple = _mm512_mul_epu32(_mm512_mul_epu32(odd, inverse), p);
            let high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd);
            let multiple = _mm512_mask_blend_epi32(
                0xaaaa,
                _mm512_srli_epi64::<32>(even_multiple),
                odd_multiple,
            );
            let difference = _mm512_sub_epi32(high, multiple);
            Self(_mm512_min_epu32(
                difference,
                _mm512_add_epi32(difference, p),
            ))
        }
    }

    #[inline(always)]
    fn wrapping_add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ror_epi32::<BITS>(self.0) })
    }
}
