//! Integers as digits (specs/05-proof.md §8.5).

use alloc::vec::Vec;

use super::identity::Interval;
use super::rule::TensorId;

/// An integer as digits: Σ 2^place·digit − offset.
#[derive(Debug, Clone)]
pub struct Number {
    /// Tensors of the digits, the lowest first, and their places.
    pub digits: Vec<(TensorId, u32)>,
    /// The layout.
    pub layout: NumberLayout,
}

/// How an interval is cut into digits.
#[derive(Debug, Clone)]
pub struct NumberLayout {
    /// Place and width of each digit in bits, the lowest first.
    pub digits: Vec<(u32, u32)>,
    /// Zero or a power of two.
    pub offset: i64,
    /// Whether the last digit lies over the others.
    pub extra: bool,
}

impl NumberLayout {
    /// The smallest layout for all integers of an interval.
    pub(super) fn of(interval: Interval, width: u32) -> Option<Self> {
        let offset = if interval.lo < 0 {
            u64::try_from(interval.lo.checked_neg()?)
                .ok()?
                .checked_next_power_of_two()?
        } else {
            0
        };
        let offset = i64::try_from(offset).ok()?;
        let largest = u64::try_from(interval.hi.checked_add(i128::from(offset))?).ok()?;
        let bits = u64::BITS.saturating_sub(largest.leading_zeros());
        let mut digits = Vec::new();
        let mut place = 0;
        while place < bits {
            digits.push((place, width.min(bits.saturating_sub(place))));
            place = place.saturating_add(width);
        }
        Some(Self {
            digits,
            offset,
            extra: false,
        })
    }

    /// A layout that reaches little beyond the interval: digits for the largest power of two within it, and one more digit for
    /// what is left. An integer may have several representations.
    pub(super) fn tight(interval: Interval, width: u32) -> Option<Self> {
        let plain = Self::of(interval, width)?;
        let offset = i128::from(plain.offset);
        let largest = u64::try_from(interval.hi.checked_add(offset)?).ok()?;
        let bits = largest.checked_add(1)?.checked_ilog2()?;
        let left = largest
            .checked_add(1)?
            .checked_sub(1_u64.checked_shl(bits)?)?;
        if left == 0 {
            return Some(plain);
        }
        let below = Interval {
            lo: offset.saturating_neg(),
            hi: (1_i128 << bits).saturating_sub(1).saturating_sub(offset),
        };
        let mut digits = Self::of(below, width)?.digits;
        let places = u64::BITS.saturating_sub(left.leading_zeros());
        let extra = width.min(places);
        let reach = |place: u32| (1_u64 << extra).saturating_sub(1).checked_shl(place);
        let place = places.saturating_sub(extra);
        let place = if reach(place)? >= left {
            place
        } else {
            place.saturating_add(1)
        };
        digits.push((place, extra));
        Some(Self {
            digits,
            offset: plain.offset,
            extra: true,
        })
    }

    /// All integers that the digits can stand for.
    pub(super) fn interval(&self) -> Interval {
        let offset = i128::from(self.offset);
        let largest = self.digits.iter().fold(0_i128, |sum, &(place, width)| {
            sum.saturating_add((1_i128 << width).saturating_sub(1) << place)
        });
        Interval {
            lo: offset.saturating_neg(),
            hi: largest.saturating_sub(offset),
        }
    }

    /// Writes the digits of an integer, in the order of the layout; none if it has none.
    pub fn write_digits(&self, value: i64, out: &mut [i32]) -> Option<()> {
        let mut rest = u64::try_from(value.checked_add(self.offset)?).ok()?;
        let (regular, extra) = match self.digits.split_last() {
            Some((last, regular)) if self.extra => (regular, Some(last)),
            _ => (self.digits.as_slice(), None),
        };
        let bits = regular
            .last()
            .map_or(0, |(place, width)| place.saturating_add(*width));
        let limit = 1_u64.checked_shl(bits)?;
        if let (Some(&(place, width)), Some(top)) = (extra, out.get_mut(regular.len())) {
            let over = rest.saturating_add(1).saturating_sub(limit);
            let digit = over.div_ceil(1_u64.checked_shl(place)?);
            if digit >= 1_u64.checked_shl(width)? {
                return None;
            }
            rest = rest.checked_sub(digit.checked_shl(place)?)?;
            *top = i32::try_from(digit).ok()?;
        }
        if rest >= limit {
            return None;
        }
        for (&(place, width), digit) in regular.iter().zip(out) {
            let mask = 1_u64.checked_shl(width)?.checked_sub(1)?;
            *digit = i32::try_from(rest >> place & mask).ok()?;
        }
        Some(())
    }
}
