//! Bounds on how many receipts, and how much value, are bad under coins (specs/06-confidence.md §7.7, §7.8).

use super::process::{SLACK, log_findings, log_mixture, log_threshold};
use crate::{Money, Rate};

/// Logarithm of the evidence against `cheats` cheats under coins of probability `coin` and detection power `power`.
pub fn log_count_evidence(cheats: u64, findings: u64, coin: Rate, power: Rate) -> f64 {
    let seen = coin.as_f64() * power.as_f64();
    log_mixture(|c| log_findings(c, findings) - cheats as f64 * libm::log1p(-c * seen))
}

/// The most cheats that are not excluded with confidence 1 − `alpha`, at all times together, whatever the traffic.
/// `u64::MAX` if none are excluded.
pub fn count_at_most(findings: u64, coin: Rate, power: Rate, alpha: Rate) -> u64 {
    let threshold = log_threshold(alpha) + SLACK;
    largest(|cheats| log_count_evidence(cheats, findings, coin, power) < threshold)
}

/// The same for an audit that stops at its first finding, and had none (c = 1 alone).
pub fn count_at_most_clean(coin: Rate, power: Rate, alpha: Rate) -> u64 {
    let threshold = log_threshold(alpha) + SLACK;
    let seen = coin.as_f64() * power.as_f64();
    largest(|cheats| -(cheats as f64) * libm::log1p(-seen) < threshold)
}

/// The largest number for which `holds`; it holds up to some number and not beyond, and for 0.
fn largest(holds: impl Fn(u64) -> bool) -> u64 {
    const LIMIT: u64 = 1 << 62;
    let mut high = 1_u64;
    while holds(high) {
        if high >= LIMIT {
            return u64::MAX;
        }
        high = high.saturating_mul(2);
    }
    let mut low = 0_u64;
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Most value of bad receipts below the cap J under coins of v/J, without findings: J log(1/α)/d for an audit that stops
/// at its first finding, J log(2/α)/d for one that goes on.
pub fn value_at_most(cap: Money, power: Rate, alpha: Rate, goes_on: bool) -> Money {
    let log = log_threshold(alpha) + if goes_on { libm::log(2.0) } else { 0.0 };
    let micros = libm::ceil(cap.micros() as f64 * log / power.as_f64());
    if micros >= 0.0 && micros < Money::MAX.micros() as f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an integer below 2^63"
        )]
        return Money::from_micros(micros as u64).unwrap_or(Money::MAX);
    }
    Money::MAX
}
