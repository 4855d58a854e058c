//! The e-process of an audit: valid whenever one looks, and against providers that adapt (specs/06-confidence.md §7.1–7.4).

use crate::Rate;

/// Grid of bets and their weights.
pub(super) const GRID: [(f64, f64); 4] = [(1.0, 0.5), (0.9, 0.2), (0.75, 0.15), (0.5, 0.15)];

/// A comparison with a threshold holds only if the logarithm exceeds it by this much, 2⁻³⁰.
pub(super) const SLACK: f64 = 1.0 / 1_073_741_824.0;

/// Logarithm of 1/α; infinite for α = 0.
pub(super) fn log_threshold(alpha: Rate) -> f64 {
    -libm::log(alpha.as_f64())
}

/// Logarithm of `Σ w exp(log term)` over the grid, in its order.
pub(super) fn log_mixture(term: impl Fn(f64) -> f64) -> f64 {
    let logs = GRID.map(|(c, w)| libm::log(w) + term(c));
    log_sum(&logs)
}

/// Logarithm of the sum of exponentials, in the order of `logs`.
pub(super) fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most.is_infinite() {
        return most;
    }
    let sum = logs
        .iter()
        .fold(0.0, |sum, log| sum + libm::exp(log - most));
    most + libm::log(sum)
}

/// `S log(1 − c)`, with 0 log 0 = 0.
pub(super) fn log_findings(c: f64, findings: u64) -> f64 {
    if findings == 0 {
        0.0
    } else {
        findings as f64 * libm::log1p(-c)
    }
}

/// Logarithm of E_n(ε) after `audited` audits with `findings` findings.
pub fn log_evidence(audited: u64, findings: u64, rate: f64) -> f64 {
    log_mixture(|c| log_findings(c, findings) - audited as f64 * libm::log1p(-rate * c))
}

/// Whether the mean cheat rate of the audited draws is below `rate`, with confidence 1 − `alpha`, if an audit finds a
/// cheat with probability `power` at least.
pub fn certifies(audited: u64, findings: u64, rate: Rate, power: Rate, alpha: Rate) -> bool {
    let detected = rate.as_f64() * power.as_f64();
    log_evidence(audited, findings, detected) >= log_threshold(alpha) + SLACK
}

/// The least rate that is certified, or 1 if none is.
pub fn rate_at_most(audited: u64, findings: u64, power: Rate, alpha: Rate) -> Rate {
    let (mut low, mut high) = (0_u64, Rate::ONE.units());
    let is_certified = |units| {
        let rate = Rate::from_units(units).unwrap_or(Rate::ONE);
        certifies(audited, findings, rate, power, alpha)
    };
    // high is certified, or 1.
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if is_certified(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Rate::from_units(high).unwrap_or(Rate::ONE)
}
