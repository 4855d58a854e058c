//! The prime field of p = 2^31 − 2^24 + 1 elements.

#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        reason = "words are below p and products below 2^63: bounds stand where they are used"
    )
)]

use core::fmt;
use core::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// p, "KoalaBear": p − 1 = 2^24 · 127.
pub const P: u32 = 0x7f00_0001;

/// The largest k such that the field has an element of order 2^k.
pub const TWO_ADICITY: u32 = 24;

/// p^−1 mod 2^32.
const P_INVERSE: u32 = {
    // Each step of Newton's iteration doubles the number of right bits; p is its own inverse modulo 8.
    let mut inverse = P;
    let mut step = 0;
    while step < 4 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(P.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
};

/// 2^64 mod p.
#[expect(clippy::cast_possible_truncation, reason = "a remainder modulo p")]
const R_SQUARED: u32 = ((1_u128 << 64) % P as u128) as u32;

/// An element of the base field (specs/05-proof.md §1).
///
/// Kept as a·2^32 mod p (Montgomery's form), below p, so that equality of words is equality of elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct F(u32);

impl F {
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self::new(1);
    /// 2.
    pub const TWO: Self = Self::new(2);
    /// 1/2.
    pub const HALF: Self = Self::new(P.div_ceil(2));
    /// Generates the multiplicative group.
    pub const GENERATOR: Self = Self::new(3);

    /// `value` mod p.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(reduce(value as u64 * R_SQUARED as u64))
    }

    /// The element that bytes stand for; none if `value` ≥ p, which is not canonical.
    #[must_use]
    pub const fn from_canonical(value: u32) -> Option<Self> {
        if value < P {
            Some(Self::new(value))
        } else {
            None
        }
    }

    /// `value` mod p.
    #[must_use]
    pub const fn from_u64(value: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder modulo p")]
        Self::new((value % P as u64) as u32)
    }

    /// `value` mod p, as integers: −1 is p − 1.
    #[must_use]
    pub const fn from_i64(value: i64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a non-negative remainder modulo p"
        )]
        Self::new(value.rem_euclid(P as i64) as u32)
    }

    /// `value` mod p, as integers; no division.
    #[must_use]
    pub const fn from_i32(value: i32) -> Self {
        // |value| ≤ 2^31 < 2p; adding 2p leaves 0 < sum < 2^33.
        Self(reduce(
            (value as i64).wrapping_add(2 * P as i64) as u64 * R_SQUARED as u64,
        ))
    }

    /// The representative in [0, p).
    #[must_use]
    pub const fn canonical(self) -> u32 {
        reduce(self.0 as u64)
    }

    /// a·2^32 mod p, the word that is kept; what vector code loads.
    #[must_use]
    pub const fn to_word(self) -> u32 {
        self.0
    }

    /// The element whose word this is: `word`/2^32.
    ///
    /// A word of p or more is reduced, so that every value of the type is canonical.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self(word % P)
    }

    /// The element of a word that is below p already.
    #[inline]
    pub(crate) const fn from_reduced(word: u32) -> Self {
        Self(word)
    }

    /// The product of the words, below p².
    #[inline]
    pub(crate) const fn product(self, other: Self) -> u64 {
        self.0 as u64 * other.0 as u64
    }

    /// The sum.
    #[must_use]
    #[inline]
    pub const fn plus(self, other: Self) -> Self {
        // Both are below 2^31.
        let sum = self.0.wrapping_add(other.0);
        let reduced = sum.wrapping_sub(P);
        Self(if sum < P { sum } else { reduced })
    }

    /// The difference.
    #[must_use]
    #[inline]
    pub const fn minus(self, other: Self) -> Self {
        let (difference, below) = self.0.overflowing_sub(other.0);
        Self(if below {
            difference.wrapping_add(P)
        } else {
            difference
        })
    }

    /// The product.
    #[must_use]
    #[inline]
    pub const fn times(self, other: Self) -> Self {
        Self(reduce(self.0 as u64 * other.0 as u64))
    }

    /// a².
    #[must_use]
    pub const fn square(self) -> Self {
        self.times(self)
    }

    /// a + a.
    #[must_use]
    pub const fn double(self) -> Self {
        self.plus(self)
    }

    /// a^e; 0^0 is 1.
    #[must_use]
    pub const fn pow(self, exponent: u64) -> Self {
        let mut result = Self::ONE;
        let mut bit = 64;
        while bit > 0 {
            bit -= 1;
            result = result.square();
            if exponent >> bit & 1 == 1 {
                result = result.times(self);
            }
        }
        result
    }

    /// 1/a; none for 0.
    #[must_use]
    pub const fn inverse(self) -> Option<Self> {
        if self.0 == 0 {
            None
        } else {
            Some(self.pow(P as u64 - 2))
        }
    }

    /// The root of unity ω of order 2^`log2_order` with ω_k² = ω_(k−1): 3^((p−1)/2^k). None beyond [`TWO_ADICITY`].
    #[must_use]
    pub const fn root_of_unity(log2_order: u32) -> Option<Self> {
        if log2_order > TWO_ADICITY {
            return None;
        }
        Some(Self::GENERATOR.pow((P as u64 - 1) >> log2_order))
    }
}

/// `value`/2^32 mod p, for `value` < 2^32·p.
#[inline]
pub(crate) const fn reduce(value: u64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low and the high half are meant"
    )]
    let (low, high) = (value as u32, (value >> 32) as u32);
    let multiple = low.wrapping_mul(P_INVERSE) as u64 * P as u64;
    // The low halves are equal, so the difference of the high ones is the quotient, above −p and below p.
    let (difference, below) = high.overflowing_sub((multiple >> 32) as u32);
    if below {
        difference.wrapping_add(P)
    } else {
        difference
    }
}

impl Add for F {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sub for F {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        self.minus(other)
    }
}

impl Mul for F {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        self.times(other)
    }
}

impl Neg for F {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self::ZERO.minus(self)
    }
}

impl AddAssign for F {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(other);
    }
}

impl SubAssign for F {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = self.minus(other);
    }
}

impl MulAssign for F {
    #[inline]
    fn mul_assign(&mut self, other: Self) {
        *self = self.times(other);
    }
}

impl core::iter::Sum for F {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Debug for F {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.canonical())
    }
}
