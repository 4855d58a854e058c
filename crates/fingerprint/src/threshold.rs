//! Thresholds that are measured (specs/09-fingerprint.md §5).

use proofmark_confidence::Rate;
use proofmark_confidence::audit::upper_limit;

/// A distance above which an answer is flagged, with what is known of its false alarms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Largest distance that is not flagged.
    pub distance: f64,
    /// Upper limit on the share of benign answers above it, in the environment that was measured.
    pub false_alarms_at_most: Rate,
    /// Error of that limit.
    pub alpha: Rate,
    /// Benign answers measured.
    pub measured_on: u64,
    /// How many of them it flags.
    pub flags: u64,
}

impl Threshold {
    /// The lowest threshold of which `benign` answers support that it flags at most `rate` of such answers, with confidence 1 − `alpha`;
    /// `None` if they are too few. It needs no distribution: an order statistic, and Clopper–Pearson.
    pub fn measured(benign: &[f64], rate: Rate, alpha: Rate) -> Option<Self> {
        let count = benign.len() as u64;
        if benign.iter().any(|distance| !distance.is_finite()) {
            return None;
        }
        let supported = |flags: u64| {
            let limit = upper_limit(flags, count, alpha);
            (limit <= rate).then_some((flags, limit))
        };
        let (flags, limit) = (0..count).map_while(supported).last()?;
        let mut sorted = benign.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let distance = *sorted.get(usize::try_from(flags).ok()?)?;
        Some(Self {
            distance,
            false_alarms_at_most: limit,
            alpha,
            measured_on: count,
            flags: sorted.iter().filter(|d| **d > distance).count() as u64,
        })
    }

    /// The highest of thresholds of several environments: each one's false alarms stay within their limit.
    pub fn of_environments(thresholds: impl IntoIterator<Item = Self>) -> Option<Self> {
        thresholds
            .into_iter()
            .max_by(|a, b| a.distance.total_cmp(&b.distance))
    }

    /// Whether an answer at this distance is flagged. What is no number is.
    pub fn flags(&self, distance: f64) -> bool {
        distance.is_nan() || distance > self.distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_threshold_needs_the_answers_that_support_it() {
        let benign: Vec<f64> = (0..299).map(f64::from).collect();
        let threshold = Threshold::measured(&benign, rate("1%"), rate("5%")).unwrap();
        assert_eq!((threshold.distance, threshold.flags), (298.0, 0));
        assert!(threshold.false_alarms_at_most <= rate("1%"));
        assert!(Threshold::measured(&benign[..298], rate("1%"), rate("5%")).is_none());
        assert!(Threshold::measured(&benign, rate("0.1%"), rate("5%")).is_none());
        // 473 carry one flag at 1 %, as the table of fixed samples has it.
        let benign: Vec<f64> = (0..473).map(f64::from).collect();
        let threshold = Threshold::measured(&benign, rate("1%"), rate("5%")).unwrap();
        assert_eq!((threshold.distance, threshold.flags), (471.0, 1));
    }

    #[test]
    fn what_is_no_number_is_flagged_and_calibrates_nothing() {
        let threshold = Threshold::measured(&[1.0; 59], rate("5%"), rate("5%")).unwrap();
        assert!(threshold.flags(f64::NAN) && threshold.flags(1.5) && !threshold.flags(1.0));
        let mut broken = [1.0; 59];
        broken[3] = f64::NAN;
        assert!(Threshold::measured(&broken, rate("5%"), rate("5%")).is_none());
        assert!(Threshold::measured(&[], Rate::ONE, rate("5%")).is_none());
    }
}
