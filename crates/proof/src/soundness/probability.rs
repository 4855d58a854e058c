//! Upper bounds of probabilities: 64 bits of precision, every operation rounds up, the same on every machine.

use crate::field::P;

/// An upper bound of a probability: `mantissa`·2^−(63 + `exponent`), at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probability {
    /// 0, or with its highest bit set.
    mantissa: u64,
    exponent: u32,
}

impl Probability {
    /// 0.
    pub const ZERO: Self = Self {
        mantissa: 0,
        exponent: 0,
    };

    /// 1.
    pub const ONE: Self = Self {
        mantissa: 1 << 63,
        exponent: 0,
    };

    /// `value`·2^−`shift`, at most 1.
    fn scaled(value: u128, shift: u32) -> Self {
        if value == 0 {
            return Self::ZERO;
        }
        // value = mantissa·2^(64 − zeros), rounded up.
        let zeros = value.leading_zeros();
        let (mantissa, up) = if zeros >= 64 {
            (value << zeros >> 64, 0)
        } else {
            let dropped = 64_u32.saturating_sub(zeros);
            let rest = value & (1_u128 << dropped).wrapping_sub(1);
            (value >> dropped, u128::from(rest > 0))
        };
        let mantissa = mantissa.wrapping_add(up);
        // Rounding up may have made 2^64.
        let (mantissa, carry) = if mantissa >> 64 == 0 {
            (mantissa, 0)
        } else {
            (1 << 63, 1)
        };
        // The value is mantissa·2^(64 − zeros + carry − shift): its exponent is shift + zeros − 127 − carry.
        let above = 127_u32.saturating_add(carry);
        match shift.saturating_add(zeros).checked_sub(above) {
            // With exponent 0 it is 1 or more.
            Some(exponent @ 1..) => Self {
                mantissa: u64::try_from(mantissa).unwrap_or(u64::MAX),
                exponent,
            },
            _ => Self::ONE,
        }
    }

    /// `numerator`/`denominator`; 1 if the denominator is 0.
    #[must_use]
    pub fn ratio(numerator: u64, denominator: u64) -> Self {
        // As many bits of the quotient as there are, rounded up.
        let shift = 64_u32.saturating_add(numerator.leading_zeros()).min(127);
        let scaled = u128::from(numerator) << shift;
        let (wide, one) = (u128::from(denominator), u128::from(numerator > 0));
        scaled
            .saturating_sub(one)
            .checked_div(wide)
            .map_or(Self::ONE, |quotient| {
                Self::scaled(quotient.saturating_add(one), shift)
            })
    }

    /// The chance that a challenge of the transcript is one of `count` elements of E:
    /// `count`·p^−5·(1 + 2^−30), for a challenge is not quite uniform (§2.3).
    #[must_use]
    pub fn field(count: u64) -> Self {
        let one = Self::ratio(1, u64::from(P)).power(5);
        // (1 + 2^-30) = (2^30 + 1)/2^30, applied to the count.
        let count = u128::from(count).saturating_mul((1 << 30) + 1);
        let zeros = count.leading_zeros();
        // A count above 1 is its mantissa times a power of two, which the exponent of p^-5 takes.
        let factor = Self::scaled(count, 128_u32.saturating_sub(zeros));
        let scale = 128_u32.saturating_sub(zeros).saturating_sub(30);
        let product = one.times(factor);
        match product.exponent.checked_sub(scale) {
            Some(exponent) => Self {
                exponent,
                ..product
            },
            None => Self::ONE,
        }
    }

    /// The product.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let product = u128::from(self.mantissa).saturating_mul(u128::from(other.mantissa));
        Self::scaled(
            product,
            126_u32
                .saturating_add(self.exponent)
                .saturating_add(other.exponent),
        )
    }

    /// The sum, at most 1.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        if self.mantissa == 0 {
            return other;
        }
        if other.mantissa == 0 {
            return self;
        }
        let (large, small) = if self.exponent <= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        let apart = small.exponent.saturating_sub(large.exponent);
        // With 62 bits of room below, what is lost of the small one is below 2^−62 of a unit; it counts as one.
        let wide = u128::from(small.mantissa) << 62;
        let shifted = wide.checked_shr(apart).unwrap_or(0);
        let lost = apart > 62;
        let sum = (u128::from(large.mantissa) << 62)
            .saturating_add(shifted)
            .saturating_add(u128::from(lost));
        Self::scaled(sum, 125_u32.saturating_add(large.exponent))
    }

    /// The `count`-th power.
    #[must_use]
    pub fn power(self, count: u32) -> Self {
        (0..count).fold(Self::ONE, |product, _| product.times(self))
    }

    /// Divided by 2^`bits`.
    #[must_use]
    pub const fn halved(self, bits: u32) -> Self {
        Self {
            mantissa: self.mantissa,
            exponent: self.exponent.saturating_add(bits),
        }
    }

    /// −100·log, rounded down: 11,250 is 112.5 bits; the largest number for 0.
    #[must_use]
    pub fn centibits(self) -> u32 {
        if self.mantissa == 0 {
            return u32::MAX;
        }
        if self.mantissa == 1 << 63 {
            return self.exponent.saturating_mul(100);
        }
        // log of mantissa/2^63 in [1, 2): the square reaches 2 where a bit of the logarithm is one; rounded up throughout.
        let mut log = 0_u32;
        let mut value = u128::from(self.mantissa);
        for _ in 0..20 {
            let square = value.saturating_mul(value);
            let (next, bit) = if square >> 127 == 0 { (63, 0) } else { (64, 1) };
            value = square.checked_shr(next).unwrap_or(0).saturating_add(1);
            log = log.wrapping_shl(1) | bit;
        }
        let whole = u64::from(self.exponent) << 20;
        let bits = whole.saturating_sub(u64::from(log).saturating_add(1));
        u32::try_from(bits.saturating_mul(100) >> 20).unwrap_or(u32::MAX)
    }
}
