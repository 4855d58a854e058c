//! Identities of integers that are wider than the field, as constraints on limbs with carries (specs/05-proof.md §8.5).

use alloc::vec::Vec;

use super::check::Monomial;
use crate::field::P;

/// Widest level, in bits.
const MAX_LEVEL_BITS: u32 = 30;

/// An interval of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Smallest.
    pub lo: i128,
    /// Largest.
    pub hi: i128,
}

impl Interval {
    /// One value.
    #[must_use]
    pub const fn of(value: i128) -> Self {
        Self {
            lo: value,
            hi: value,
        }
    }

    /// Sums.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            lo: self.lo.saturating_add(other.lo),
            hi: self.hi.saturating_add(other.hi),
        }
    }

    /// Multiples.
    #[must_use]
    pub const fn scaled(self, factor: i128) -> Self {
        let (a, b) = (
            self.lo.saturating_mul(factor),
            self.hi.saturating_mul(factor),
        );
        if a < b {
            Self { lo: a, hi: b }
        } else {
            Self { lo: b, hi: a }
        }
    }

    /// Products.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let ends = [
            self.lo.saturating_mul(other.lo),
            self.lo.saturating_mul(other.hi),
            self.hi.saturating_mul(other.lo),
            self.hi.saturating_mul(other.hi),
        ];
        Self {
            lo: ends.into_iter().min().unwrap_or(0),
            hi: ends.into_iter().max().unwrap_or(0),
        }
    }

    /// Whether an integer in it is zero if it is zero modulo p.
    #[must_use]
    pub fn fits_field(self) -> bool {
        let p = i128::from(P);
        self.lo > p.saturating_neg() && self.hi < p
    }
}

/// 2^`exponent` · `coefficient` · Π wires.
#[derive(Debug, Clone, Copy)]
pub struct Summand {
    /// Power of two.
    pub exponent: u32,
    /// An integer.
    pub coefficient: i64,
    /// Up to two wires.
    pub wires: [Option<usize>; 2],
    /// Of the product of the wires.
    pub interval: Interval,
}

/// A level: `Σ monomials + constant + carry in = 2^bits · carry out`, without carry out at the last one.
#[derive(Debug, Clone)]
pub struct Level {
    /// Coefficients below 2^31.
    pub monomials: Vec<Monomial>,
    /// A constant.
    pub constant: i64,
    /// Width, and interval of the carry out; none at the last level.
    pub carry: Option<(u32, Interval)>,
}

/// Cuts `Σ summands + constant = 0` into levels, each of which is an identity of integers because it is one modulo p. None if no
/// cut does it.
#[must_use]
pub fn levels(
    summands: &[Summand],
    constant: i128,
    committed: impl Fn(Interval) -> Interval,
) -> Option<Vec<Level>> {
    let mut found = Vec::new();
    let (mut base, mut constant, mut carry_in) = (0_u32, constant, Interval::of(0));
    loop {
        let rest: Vec<&Summand> = summands.iter().filter(|s| s.exponent >= base).collect();
        let all = total(&rest, base, Interval::of(constant).plus(carry_in))?;
        if all.fits_field() {
            found.push(level(&rest, base, constant, None)?);
            return Some(found);
        }
        let (bits, carry, within) = (1..=MAX_LEVEL_BITS).rev().find_map(|bits| {
            let end = base.checked_add(bits)?;
            let within: Vec<&Summand> = rest.iter().copied().filter(|s| s.exponent < end).collect();
            let low = constant & (1_i128 << bits).saturating_sub(1);
            let sum = total(&within, base, Interval::of(low).plus(carry_in))?;
            // The carry is an integer, so its bounds round inwards.
            let carry = Interval {
                lo: sum.lo.saturating_neg().wrapping_shr(bits).saturating_neg(),
                hi: sum.hi.wrapping_shr(bits),
            };
            let moved = committed(carry).scaled((1_i128 << bits).saturating_neg());
            sum.plus(moved)
                .fits_field()
                .then_some((bits, carry, within))
        })?;
        let low = constant & (1_i128 << bits).saturating_sub(1);
        found.push(level(&within, base, low, Some((bits, carry)))?);
        base = base.checked_add(bits)?;
        constant = constant.wrapping_shr(bits);
        carry_in = committed(carry);
    }
}

fn total(summands: &[&Summand], base: u32, start: Interval) -> Option<Interval> {
    summands.iter().try_fold(start, |sum, s| {
        let factor = 1_i128.checked_shl(s.exponent.checked_sub(base)?)?;
        // Widths beyond any identity of the plan are refused rather than saturated.
        if s.exponent.checked_sub(base)? > 124 {
            return None;
        }
        Some(
            sum.plus(
                s.interval
                    .scaled(factor.saturating_mul(i128::from(s.coefficient))),
            ),
        )
    })
}

fn level(
    summands: &[&Summand],
    base: u32,
    constant: i128,
    carry: Option<(u32, Interval)>,
) -> Option<Level> {
    let monomials = summands.iter().map(|s| {
        let factor = 1_i64.checked_shl(s.exponent.checked_sub(base)?)?;
        Some(Monomial {
            coefficient: s.coefficient.checked_mul(factor)?,
            wires: s.wires,
        })
    });
    Some(Level {
        monomials: monomials.collect::<Option<_>>()?,
        constant: i64::try_from(constant).ok()?,
        carry,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summand(exponent: u32, coefficient: i64, wire: usize, lo: i128, hi: i128) -> Summand {
        Summand {
            exponent,
            coefficient,
            wires: [Some(wire), None],
            interval: Interval { lo, hi },
        }
    }

    #[test]
    fn narrow_identities_are_one_level() {
        let summands = [summand(0, 1, 0, 0, 1 << 20), summand(8, -1, 1, 0, 1 << 12)];
        let levels = levels(&summands, 5, |carry| carry).unwrap();
        assert_eq!(levels.len(), 1);
        assert_eq!(levels[0].constant, 5);
        assert_eq!(levels[0].monomials[1].coefficient, -256);
    }

    #[test]
    fn wide_identities_have_carries_that_cannot_wrap() {
        // x0·m + 2^13·x1·m + 2^26·x2·m = ρ0 + 2^13·ρ1 + 2^26·y
        let product = (-(1 << 29), 1 << 29);
        let mut summands: Vec<Summand> = [0, 13, 26]
            .map(|e| summand(e, 1, 0, product.0, product.1))
            .into();
        summands.extend([0, 13].map(|e| summand(e, -1, 1, 0, (1 << 13) - 1)));
        summands.push(summand(26, -1, 2, -(1 << 20), 1 << 20));
        let levels = levels(&summands, -(1_i128 << 40) + 3, |carry| carry).unwrap();
        assert!(levels.len() > 1);
        // The constant is in the levels, whole.
        let (mut constant, mut base) = (0_i128, 0);
        for level in &levels {
            constant += i128::from(level.constant) << base;
            base += level.carry.map_or(0, |(bits, _)| bits);
        }
        assert_eq!(constant, -(1_i128 << 40) + 3);
        assert!(levels.last().unwrap().carry.is_none());
    }

    #[test]
    fn what_no_cut_can_hold_is_refused() {
        assert!(levels(&[summand(0, 1, 0, 0, 1 << 40)], 0, |carry| carry).is_none());
    }
}
