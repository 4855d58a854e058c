//! How many audits it takes (specs/06-confidence.md §7.4–7.6).

use super::limits::binomial_cdf;
use super::process::{SLACK, certifies, log_threshold};
use crate::Rate;

/// More audits than anybody makes.
const AUDITS_MAX: u64 = 1 << 50;

/// Audits that certify `rate` with `findings` findings, whenever one looks. `None`: no number does.
pub fn audits_needed(findings: u64, rate: Rate, power: Rate, alpha: Rate) -> Option<u64> {
    least(|audited| certifies(audited, findings, rate, power, alpha))
}

/// Clean audits that certify `rate` for an audit that ends at its first finding: ⌈log α / log(1 − εd)⌉.
pub fn clean_audits_needed(rate: Rate, power: Rate, alpha: Rate) -> Option<u64> {
    let missed = libm::log1p(-rate.as_f64() * power.as_f64());
    let threshold = log_threshold(alpha) + SLACK;
    least(|audited| -(audited as f64) * missed >= threshold)
}

/// Audits of a number that was fixed beforehand, of which `findings` may be bad (Clopper–Pearson).
pub fn fixed_audits_needed(findings: u64, rate: Rate, power: Rate, alpha: Rate) -> Option<u64> {
    let detected = rate.as_f64() * power.as_f64();
    least(|audited| {
        audited > findings && binomial_cdf(findings, audited, detected) <= alpha.as_f64()
    })
}

/// Clean draws without replacement from `population` receipts that exclude ⌈ε N⌉ bad ones. `None` for an empty
/// population, for one of more than 10¹², and for ε = 0 or α = 0.
pub fn draws_needed(population: u64, rate: Rate, alpha: Rate) -> Option<u64> {
    if population == 0
        || population > 1_000_000_000_000
        || rate == Rate::ZERO
        || alpha == Rate::ZERO
    {
        return None;
    }
    let bad = u128::from(population).saturating_mul(u128::from(rate.units()));
    let bad = u64::try_from(bad.div_ceil(u128::from(Rate::ONE.units())))
        .ok()?
        .max(1);
    if bad == 1 {
        // (N − n)/N ≤ α, exactly.
        let missed = u128::from(alpha.units()).saturating_mul(u128::from(population));
        let missed = missed.checked_div(u128::from(Rate::ONE.units()))?;
        return Some(population.saturating_sub(u64::try_from(missed).ok()?));
    }
    let threshold = -log_threshold(alpha) - SLACK;
    let good = population.saturating_sub(bad);
    if bad <= 4_096 {
        // C(N−n, K)/C(N, K), by its K factors.
        let miss = |drawn: u64| {
            let left = population.saturating_sub(drawn);
            let factors = (0..bad).map(|i| {
                let (above, below) = (left.saturating_sub(i), population.saturating_sub(i));
                libm::log(above as f64) - libm::log(below as f64)
            });
            factors.fold(0.0, |sum, factor| sum + factor)
        };
        return least(|drawn| drawn > good || miss(drawn) <= threshold);
    }
    // C(N−K, n)/C(N, n), one draw after the other: at most about N/K · log(1/α) of them.
    let mut miss = 0.0;
    for drawn in 0..=good {
        if miss <= threshold {
            return Some(drawn);
        }
        let (above, below) = (good.saturating_sub(drawn), population.saturating_sub(drawn));
        miss += libm::log(above as f64) - libm::log(below as f64);
    }
    Some(good.saturating_add(1))
}

/// Canaries that an auditor must catch without a miss, so that its detection power is `power` at confidence 1 − `alpha`.
pub fn canaries_needed(power: Rate, alpha: Rate) -> Option<u64> {
    let threshold = log_threshold(alpha) + SLACK;
    let log_power = libm::log(power.as_f64());
    least(|canaries| -(canaries as f64) * log_power >= threshold)
}

/// The least number from 1 for which `holds`; it does from some number on, or for none.
fn least(holds: impl Fn(u64) -> bool) -> Option<u64> {
    let mut high = 1_u64;
    while !holds(high) {
        if high >= AUDITS_MAX {
            return None;
        }
        high = high.saturating_mul(2);
    }
    let mut low = 0_u64;
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}
