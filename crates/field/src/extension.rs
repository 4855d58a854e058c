//! The extension of degree five, of about 2^154.9 elements.

use core::fmt;
use core::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::base::{F, P, reduce};

/// Coordinates of an element over the base field.
pub const DEGREE: usize = 5;

/// Bytes of an element of [`E`] in a proof.
pub const E_BYTES: usize = 4 * DEGREE;

/// An element c₀ + c₁·x + … + c₄·x⁴ of `F[x]` modulo x⁵ + x² − 1 (specs/05-proof.md §1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct E(pub [F; DEGREE]);

impl E {
    /// 0.
    pub const ZERO: Self = Self([F::ZERO; DEGREE]);
    /// 1.
    pub const ONE: Self = Self::from_base(F::ONE);
    /// x.
    pub const X: Self = Self([F::ZERO, F::ONE, F::ZERO, F::ZERO, F::ZERO]);

    /// The element of the base field, as one of the extension.
    #[must_use]
    pub const fn from_base(value: F) -> Self {
        Self([value, F::ZERO, F::ZERO, F::ZERO, F::ZERO])
    }

    /// `value` mod p.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self::from_base(F::new(value))
    }

    /// The sum.
    #[must_use]
    #[inline]
    pub const fn plus(self, other: Self) -> Self {
        let ([a, b, c, d, e], [v, w, x, y, z]) = (self.0, other.0);
        Self([a.plus(v), b.plus(w), c.plus(x), d.plus(y), e.plus(z)])
    }

    /// The difference.
    #[must_use]
    #[inline]
    pub const fn minus(self, other: Self) -> Self {
        let ([a, b, c, d, e], [v, w, x, y, z]) = (self.0, other.0);
        Self([a.minus(v), b.minus(w), c.minus(x), d.minus(y), e.minus(z)])
    }

    /// The product.
    #[must_use]
    #[inline]
    pub const fn times(self, other: Self) -> Self {
        let [b0, b1, b2, b3, b4] = other.0;
        // With x⁵ = 1 − x², each coordinate is a sum of five products with these.
        let (b14, b03, b42) = (b1.minus(b4), b0.minus(b3), b4.minus(b2));
        let b341 = b3.minus(b14);
        Self([
            dot(self.0, [b0, b4, b3, b2, b14]),
            dot(self.0, [b1, b0, b4, b3, b2]),
            dot(self.0, [b2, b14, b03, b42, b341]),
            dot(self.0, [b3, b2, b14, b03, b42]),
            dot(self.0, [b4, b3, b2, b14, b03]),
        ])
    }

    /// The product with an element of the base field.
    #[must_use]
    #[inline]
    pub const fn scale(self, factor: F) -> Self {
        let [a, b, c, d, e] = self.0;
        Self([
            a.times(factor),
            b.times(factor),
            c.times(factor),
            d.times(factor),
            e.times(factor),
        ])
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
        let mut bit = u64::BITS.wrapping_sub(exponent.leading_zeros());
        while bit > 0 {
            bit = bit.wrapping_sub(1);
            result = result.square();
            if exponent >> bit & 1 == 1 {
                result = result.times(self);
            }
        }
        result
    }

    /// a^p, which is a linear map over the base field.
    #[must_use]
    pub const fn frobenius(self) -> Self {
        let mut result = Self::ZERO;
        let [a, b, c, d, e] = self.0;
        let [x0, x1, x2, x3, x4] = X_TO_P;
        result = result.plus(x0.scale(a)).plus(x1.scale(b));
        result = result.plus(x2.scale(c)).plus(x3.scale(d));
        result.plus(x4.scale(e))
    }

    /// 1/a; none for 0.
    #[must_use]
    pub const fn inverse(self) -> Option<Self> {
        // a^(p + p² + p³ + p⁴) is the norm of a, an element of the base field, divided by a.
        let a1 = self.frobenius();
        let a2 = a1.frobenius();
        let a12 = a1.times(a2);
        let cofactor = a12.times(a12.frobenius().frobenius());
        let [norm, ..] = cofactor.times(self).0;
        match norm.inverse() {
            Some(inverse) => Some(cofactor.scale(inverse)),
            None => None,
        }
    }

    /// The coordinates' canonical words, little-endian: how a proof has it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; E_BYTES] {
        let mut bytes = [0; E_BYTES];
        for (place, value) in bytes.chunks_exact_mut(4).zip(self.0) {
            place.copy_from_slice(&value.canonical().to_le_bytes());
        }
        bytes
    }
}

/// x^(i·p) for i = 0 … 4.
const X_TO_P: [E; DEGREE] = {
    let one = E::X.pow(P as u64);
    let two = one.times(one);
    let three = two.times(one);
    [E::ONE, one, two, three, three.times(one)]
};

/// Σ aᵢ·bᵢ.
#[inline]
const fn dot(a: [F; DEGREE], b: [F; DEGREE]) -> F {
    // A product is below p²; 4·p² < 2^64, and what is kept below 2^32·p can be reduced.
    const LIMIT: u64 = (P as u64) << 32;
    let ([a0, a1, a2, a3, a4], [b0, b1, b2, b3, b4]) = (a, b);
    let four = a0
        .product(b0)
        .wrapping_add(a1.product(b1))
        .wrapping_add(a2.product(b2))
        .wrapping_add(a3.product(b3));
    let four = if four >= LIMIT {
        four.wrapping_sub(LIMIT)
    } else {
        four
    };
    let five = four.wrapping_add(a4.product(b4));
    F::from_reduced(reduce(if five >= LIMIT {
        five.wrapping_sub(LIMIT)
    } else {
        five
    }))
}

impl From<F> for E {
    fn from(value: F) -> Self {
        Self::from_base(value)
    }
}

impl Add for E {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sub for E {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        self.minus(other)
    }
}

impl Mul for E {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        self.times(other)
    }
}

impl Mul<F> for E {
    type Output = Self;
    #[inline]
    fn mul(self, other: F) -> Self {
        self.scale(other)
    }
}

impl Neg for E {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self::ZERO.minus(self)
    }
}

impl AddAssign for E {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(other);
    }
}

impl SubAssign for E {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = self.minus(other);
    }
}

impl MulAssign for E {
    #[inline]
    fn mul_assign(&mut self, other: Self) {
        *self = self.times(other);
    }
}

impl core::iter::Sum for E {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Debug for E {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0).finish()
    }
}
