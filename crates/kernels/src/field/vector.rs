//! Vectors of 32-bit words: arithmetic modulo p and modulo 2^32, for each instruction set.

#![expect(unsafe_code, reason = "vector instructions")]
#![expect(
    clippy::inline_always,
    reason = "a method is compiled for the instruction set of the function that it is inlined into"
)]

use proofmark_field::{DEGREE, F, P};

/// p^−1 mod 2^32.
pub(super) const P_INVERSE: u32 = 0x8100_0001;
const _: () = assert!(P.wrapping_mul(P_INVERSE) == 1);

/// 2^64 mod p.
const SQUARE: u32 = F::new(((1_u64 << 32) % P as u64) as u32).to_word();
/// The word of 2^31.
const SHIFT: u32 = F::new(((1_u64 << 31) % P as u64) as u32).to_word();

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
    /// a·b/2^32 modulo p of any word and one below p.
    fn mul(self, other: Self) -> Self;
    /// Sum modulo 2^32.
    fn wrapping_add(self, other: Self) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Rotation to the right by 16, 12, 8 or 7 bits.
    fn rotate<const BITS: i32>(self) -> Self;

    /// Words of the elements that these words are as signed integers.
    #[inline(always)]
    fn integer(self) -> Self {
        // v + 2^31 is a word; its product with 2^64 mod p is 2^32·(v + 2^31).
        // SAFETY: the value shows that the instruction set is there.
        unsafe {
            let shifted = self.xor(Self::splat(1 << 31));
            shifted.mul(Self::splat(SQUARE)).sub(Self::splat(SHIFT))
        }
    }

    /// Σ aᵢ·bᵢ/2^32 modulo p of words below p.
    #[inline(always)]
    fn dot(a: [Self; DEGREE], b: [Self; DEGREE]) -> Self {
        let sum = a[0].mul(b[0]).add(a[1].mul(b[1]));
        let sum = sum.add(a[2].mul(b[2]).add(a[3].mul(b[3])));
        sum.add(a[4].mul(b[4]))
    }

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
mod x86;

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
