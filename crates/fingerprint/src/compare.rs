//! What a comparison of activations counts (specs/09-fingerprint.md §3).

/// Most that one value counts, in units of the last place.
pub const CAP_ULPS: u32 = 128;

/// Counts over the values that both sides kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Values compared.
    pub points: u64,
    /// Those whose sign or exponent differs.
    pub exponents_differ: u64,
    /// Sum of the differences in units of the last place, each at most [`CAP_ULPS`].
    pub ulps: u64,
    /// How many of the others have mantissas that differ by 0, 1, … 127.
    mantissas: Vec<u64>,
}

/// Limits that a comparison must not exceed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedLimits {
    /// Share of values whose exponent differs.
    pub exponents_differ: f64,
    /// Mean difference of the mantissas of the others.
    pub mean: f64,
    /// Median of the same.
    pub median: u32,
}

/// The constants of TOPLOC's published experiments: 90 exponents of 128, mean 10, median 8. They are another model's, in bfloat16: not
/// thresholds of this crate.
pub const PUBLISHED: PublishedLimits = PublishedLimits {
    exponents_differ: 90.0 / 128.0,
    mean: 10.0,
    median: 8,
};

impl Comparison {
    pub(crate) fn add(&mut self, own: u16, claimed: u16) {
        self.points = self.points.saturating_add(1);
        let difference = u32::from(own.abs_diff(claimed));
        let same_sign = (own ^ claimed) & 0x8000 == 0;
        let ulps = if same_sign {
            difference.min(CAP_ULPS)
        } else {
            CAP_ULPS
        };
        self.ulps = self.ulps.saturating_add(ulps.into());
        if (own ^ claimed) & 0xff80 != 0 {
            self.exponents_differ = self.exponents_differ.saturating_add(1);
            return;
        }
        self.mantissas.resize(CAP_ULPS as usize, 0);
        if let Some(count) = self.mantissas.get_mut(difference as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// Mean difference in units of the last place, from 0 to [`CAP_ULPS`]; the largest if nothing was compared.
    pub fn distance(&self) -> f64 {
        if self.points == 0 {
            return f64::from(CAP_ULPS);
        }
        self.ulps as f64 / self.points as f64
    }

    /// Mean difference of mantissas where the exponents agree; `None` if they nowhere do.
    pub fn mean(&self) -> Option<f64> {
        let (count, sum) =
            (0_u64..)
                .zip(&self.mantissas)
                .fold((0_u64, 0_u64), |(n, sum), (difference, count)| {
                    (
                        n.saturating_add(*count),
                        sum.saturating_add(difference.saturating_mul(*count)),
                    )
                });
        (count > 0).then(|| sum as f64 / count as f64)
    }

    /// Lower median of the same.
    pub fn median(&self) -> Option<u32> {
        let all: u64 = self
            .mantissas
            .iter()
            .fold(0, |sum, n| sum.saturating_add(*n));
        let half = all.div_ceil(2);
        let mut below = 0_u64;
        (0_u32..).zip(&self.mantissas).find_map(|(at, count)| {
            below = below.saturating_add(*count);
            (all > 0 && below >= half).then_some(at)
        })
    }

    /// Whether published limits accept it.
    pub fn within(&self, limits: &PublishedLimits) -> bool {
        let share = self.exponents_differ as f64 / (self.points.max(1)) as f64;
        share <= limits.exponents_differ
            && self.mean().is_some_and(|mean| mean <= limits.mean)
            && self.median().is_some_and(|median| median <= limits.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_specification() {
        let mut all = Comparison::default();
        // Equal; 3 units off; the next binade, one unit off; another sign.
        for (own, claimed) in [
            (0x3f80, 0x3f80),
            (0x3f83, 0x3f80),
            (0x3f80, 0x3f7f),
            (0x3f80, 0xbf80),
        ] {
            all.add(own, claimed);
        }
        assert_eq!((all.points, all.exponents_differ), (4, 2));
        assert_eq!(all.ulps, 3 + 1 + 128);
        assert_eq!(all.distance(), 33.0);
        assert_eq!((all.mean(), all.median()), (Some(1.5), Some(0)));
        assert!(all.within(&PUBLISHED));
        all.add(0x3f80, 0x0000);
        all.add(0x3f80, 0x0000);
        all.add(0x3f80, 0x0000);
        assert!(!all.within(&PUBLISHED));
    }

    #[test]
    fn nothing_compared_is_the_worst() {
        let none = Comparison::default();
        assert_eq!(none.distance(), 128.0);
        assert_eq!((none.mean(), none.median()), (None, None));
        assert!(!none.within(&PUBLISHED));
    }
}
