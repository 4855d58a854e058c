//! Vectors of 32-bit words: arithmetic modulo p and modulo 2^32, for each instruction set.

#![expect(unsafe_code, reason = "vector instructions")]
#![expect(
    clippy::inline_always,
    reason = "a method is compiled for the instruction set of the function that it is inlined into"
)]

use proofmark_field::P;

/// p^−1 mod 2^32.
pub(super) const P_INVERSE: u32 = 0x8100_0001;
const _: () = assert!(P.wrapping_mul(P_INVERSE) == 1);

/// A vector of [`LANES`](Self::LANES) words.
///
/// # Safety
/// A value exists only where the processor has the type's instruction set, which whoever calls an unsafe constructor vouches
/// for; so the safe methods may use it.
pub(super) unsafe trait Vector: Copy {
    /// Words; a power of two, at most 16.
    const LANES: usize;

    /// # Safety
    /// The instruction set is there, and `LANES` words can be read.
    unsafe fn load(from: *const u32) -> Self;

    /// # Safety
    /// `LANES` words can be written.
    unsafe fn store(self, to: *mut u32);

    /// # Safety
    /// The instruction set is there.
    unsafe fn splat(word: u32) -> Self;

    /// LANES rows of 16 words, `stride` words apart, transposed: word i of each.
    ///
    /// # Safety
    /// The instruction set is there, and the rows can be read.
    unsafe fn transposed(from: *const u32, stride: usize) -> [Self; 16];

    /// Sum modulo p of words below p.
    fn add(self, other: Self) -> Self;
    /// Difference modulo p of words below p.
    fn sub(self, other: Self) -> Self;
    /// a·b/2^32 modulo p of words below p.
    fn mul(self, other: Self) -> Self;
    /// Sum modulo 2^32.
    fn wrapping_add(self, other: Self) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Rotation to the right by 16, 12, 8 or 7 bits.
    fn rotate<const BITS: i32>(self) -> Self;

    /// The words.
    #[inline(always)]
    fn words(self) -> [u32; 16] {
        let mut words = [0; 16];
        // SAFETY: LANES ≤ 16.
        unsafe { self.store(words.as_mut_ptr()) };
        words
    }
}

/// One word in plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Plain(u32);

// SAFETY: needs no instruction set.
unsafe impl Vector for Plain {
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn load(from: *const u32) -> Self {
        // SAFETY: the caller's word.
        Self(unsafe { from.read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32) {
        // SAFETY: the caller's word.
        unsafe { to.write(self.0) };
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        Self(word)
    }

    #[inline(always)]
    unsafe fn transposed(from: *const u32, _stride: usize) -> [Self; 16] {
        // SAFETY: one row of 16 words.
        std::array::from_fn(|i| Self(unsafe { from.add(i).read() }))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let sum = self.0.wrapping_add(other.0);
        Self(sum.min(sum.wrapping_sub(P)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let difference = self.0.wrapping_sub(other.0);
        Self(difference.min(difference.wrapping_add(P)))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let product = u64::from(self.0) * u64::from(other.0);
        let multiple = u64::from((product as u32).wrapping_mul(P_INVERSE)) * u64::from(P);
        let difference = ((product >> 32) as u32).wrapping_sub((multiple >> 32) as u32);
        Self(difference.min(difference.wrapping_add(P)))
    }

    #[inline(always)]
    fn wrapping_add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    #[inline(always)]
    fn rotate<const BITS: i32>(self) -> Self {
        Self(self.0.rotate_right(BITS.unsigned_abs()))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{P, P_INVERSE, Vector};

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
                let multiple = _mm256_blend_epi32::<0xaa>(
                    _mm256_srli_epi64::<32>(even_multiple),
                    odd_multiple,
                );
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
}

/// Calls a function that is generic over [`Vector`], inlined, as compiled for an instruction set:
/// `vectors!(isa, body(x: &[u32], y: &mut [u32]) -> u32)`, the names being variables in scope. The body may construct
/// vectors of its type.
macro_rules! vectors {
    ($isa:expr, $body:ident($($name:ident : $type:ty),* $(,)?) $(-> $result:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2($($name: $type),*) $(-> $result)? {
                // SAFETY: compiled for it, so it is there.
                unsafe { $body::<$crate::field::vector::Avx2>($($name),*) }
            }
            #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512($($name: $type),*) $(-> $result)? {
                // SAFETY: compiled for it, so it is there.
                unsafe { $body::<$crate::field::vector::Avx512>($($name),*) }
            }
            match $isa.kind() {
                // SAFETY: plain Rust needs nothing.
                $crate::isa::Kind::Scalar => unsafe { $body::<$crate::field::vector::Plain>($($name),*) },
                // SAFETY: an `Isa` is made only where the processor has the features.
                $crate::isa::Kind::Avx2 => unsafe { avx2($($name),*) },
                // SAFETY: as above.
                $crate::isa::Kind::Avx512Vnni => unsafe { avx512($($name),*) },
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = $isa;
            // SAFETY: plain Rust needs nothing.
            unsafe { $body::<$crate::field::vector::Plain>($($name),*) }
        }
    }};
}
pub(super) use vectors;
