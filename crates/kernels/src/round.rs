//! Rounding: to the nearest integer, ties to the even one (specs/04-program.md §1.2).

/// `p / 2^s`, rounded to nearest, ties to even. |p| < 2^62, s ≤ 62.
#[inline(always)]
#[must_use]
pub const fn rshift(p: i64, s: u32) -> i64 {
    debug_assert!(s <= 62 && p.unsigned_abs() <= 1 << 62);
    if s == 0 {
        return p;
    }
    // With p = q·2^s + r: the addend carries into q iff r > 2^(s−1), or r = 2^(s−1) and q is odd.
    let q = p >> s;
    (p + ((1 << (s - 1)) - 1) + (q & 1)) >> s
}

/// `a / b`, rounded to nearest, ties to even. b > 0.
#[inline(always)]
#[must_use]
pub const fn rdiv(a: i64, b: i64) -> i64 {
    debug_assert!(b > 0);
    let (mut q, mut r) = (a / b, a % b);
    if r < 0 {
        (q, r) = (q - 1, r + b);
    }
    let rest = b - r;
    if r > rest || (r == rest && q & 1 == 1) {
        q + 1
    } else {
        q
    }
}

/// A divisor of many numbers: [`rdiv`] by multiplication.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Divisor {
    divisor: u64,
    /// ⌊(2^64 − 1) / divisor⌋.
    reciprocal: u64,
}

impl Divisor {
    /// 0 < divisor < 2^62.
    pub(crate) const fn new(divisor: i64) -> Self {
        debug_assert!(0 < divisor && divisor < 1 << 62);
        Self {
            divisor: divisor as u64,
            reciprocal: u64::MAX / divisor as u64,
        }
    }

    /// `rdiv(a, divisor)` for |a| ≤ 2^62.
    #[inline(always)]
    pub(crate) const fn rdiv(self, a: i64) -> i64 {
        // Rounding to even is symmetric.
        let n = a.unsigned_abs();
        debug_assert!(n <= 1 << 62);
        // The reciprocal is less than 1 below 2^64 / divisor, so that q is at most n / 2^64 + 1 < 2 below n / divisor,
        // rounded down: at most 1 below its floor.
        let mut q = ((n as u128 * self.reciprocal as u128) >> 64) as u64;
        let mut r = n - q * self.divisor;
        let low = (r >= self.divisor) as u64;
        q += low;
        r -= low * self.divisor;
        let rest = self.divisor - r;
        q += ((r > rest) | ((r == rest) & (q & 1 == 1))) as u64;
        let sign = a >> 63;
        (q as i64 ^ sign) - sign
    }
}

/// A type that holds activations: `i16` or `i32`.
pub trait Element: Copy + Default + Send + Sync + sealed::Sealed + 'static {
    /// The smallest value.
    const LOWEST: i64;
    /// The largest value.
    const HIGHEST: i64;
    /// The value, widened.
    fn wide(self) -> i64;
    /// A value that is known to be in the type's range.
    fn narrow(value: i64) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i16 {}
    impl Sealed for i32 {}
}

macro_rules! element {
    ($type:ty) => {
        impl Element for $type {
            const LOWEST: i64 = <$type>::MIN as i64;
            const HIGHEST: i64 = <$type>::MAX as i64;
            #[inline(always)]
            fn wide(self) -> i64 {
                i64::from(self)
            }
            #[inline(always)]
            fn narrow(value: i64) -> Self {
                debug_assert!((Self::LOWEST..=Self::HIGHEST).contains(&value));
                value as $type
            }
        }
    };
}
element!(i16);
element!(i32);

/// A declared range [lo, hi] of results; clamping saturates to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    lo: i32,
    hi: i32,
}

impl Bounds {
    /// All of `i16`.
    pub const I16: Self = Self {
        lo: i16::MIN as i32,
        hi: i16::MAX as i32,
    };
    /// All of `i32`.
    pub const I32: Self = Self {
        lo: i32::MIN,
        hi: i32::MAX,
    };

    /// The range [lo, hi].
    ///
    /// # Panics
    /// If `lo > hi`.
    #[must_use]
    pub const fn new(lo: i32, hi: i32) -> Self {
        assert!(lo <= hi, "an empty range");
        Self { lo, hi }
    }

    /// The smallest value.
    #[must_use]
    pub const fn lo(self) -> i32 {
        self.lo
    }

    /// The largest value.
    #[must_use]
    pub const fn hi(self) -> i32 {
        self.hi
    }

    /// Asserts that `T` holds the range: once per call, outside of loops.
    #[inline]
    pub(crate) fn fit<T: Element>(self) {
        assert!(
            i64::from(self.lo) >= T::LOWEST && i64::from(self.hi) <= T::HIGHEST,
            "the range {self:?} is wider than the results' type"
        );
    }

    #[inline(always)]
    pub(crate) fn clamp(self, value: i64) -> i64 {
        value.max(self.lo as i64).min(self.hi as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_even_on_both_sides_of_zero() {
        let expected = [(-5, -2), (-3, -2), (-1, 0), (1, 0), (3, 2), (5, 2), (7, 4)];
        for (twice, rounded) in expected {
            assert_eq!(rshift(twice, 1), rounded);
            assert_eq!(rdiv(twice, 2), rounded);
        }
    }

    #[test]
    fn multiplying_by_a_reciprocal_is_dividing() {
        let divisors = (0..62).flat_map(|bit| [(1_i64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for b in divisors.filter(|&b| b > 0) {
            let divisor = Divisor::new(b);
            let multiples = [0, 1, 2, 3, 1000, (1 << 62) / b - 1, (1 << 62) / b];
            for multiple in multiples {
                for offset in [-b, -b / 2 - 1, -b / 2, -1, 0, 1, b / 2, b / 2 + 1, b - 1] {
                    let Some(a) = b.checked_mul(multiple).and_then(|a| a.checked_add(offset))
                    else {
                        continue;
                    };
                    if a.unsigned_abs() <= 1 << 62 {
                        assert_eq!(divisor.rdiv(a), rdiv(a, b), "{a} / {b}");
                        assert_eq!(divisor.rdiv(-a), rdiv(-a, b), "-{a} / {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn shifting_is_dividing_by_a_power_of_two() {
        for s in 0..=62 {
            for base in [0_i64, 1, 2, 3, 1 << 20, (1 << 62) - 1] {
                for p in [base, -base] {
                    assert_eq!(rshift(p, s), rdiv(p, 1 << s), "{p} / 2^{s}");
                }
            }
        }
    }
}
