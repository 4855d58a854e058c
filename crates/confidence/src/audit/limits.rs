//! Clopper–Pearson limits, one-sided, for numbers that were fixed beforehand (specs/06-confidence.md §7.5).

use crate::Rate;

/// P(X ≤ `successes`) for X binomial in `trials` and `probability`.
pub fn binomial_cdf(successes: u64, trials: u64, probability: f64) -> f64 {
    if successes >= trials || probability <= 0.0 {
        return 1.0;
    }
    if probability >= 1.0 {
        return 0.0;
    }
    // The smaller tail is summed, from its largest term outwards.
    let mean = trials as f64 * probability;
    if successes as f64 <= mean {
        tail(successes, trials, probability)
    } else {
        let others = trials.saturating_sub(successes).saturating_sub(1);
        1.0 - tail(others, trials, 1.0 - probability)
    }
}

/// P(X ≤ `k`) where `k` is not above the mean: terms fall downwards from `k`.
fn tail(k: u64, n: u64, p: f64) -> f64 {
    let (k_f, n_f) = (k as f64, n as f64);
    let log_term =
        libm::lgamma(n_f + 1.0) - libm::lgamma(k_f + 1.0) - libm::lgamma(n_f - k_f + 1.0)
            + k_f * libm::log(p)
            + (n_f - k_f) * libm::log1p(-p);
    let odds = (1.0 - p) / p;
    let (mut ratio, mut sum, mut at) = (1.0, 1.0, k_f);
    while at > 0.0 {
        ratio *= at / (n_f - at + 1.0) * odds;
        sum += ratio;
        at -= 1.0;
        if ratio < sum * 1e-18 {
            break;
        }
    }
    (libm::exp(log_term) * sum).min(1.0)
}

/// Upper limit at confidence 1 − `alpha` on a share of which `successes` of `trials` were seen.
pub fn upper_limit(successes: u64, trials: u64, alpha: Rate) -> Rate {
    if successes >= trials {
        return Rate::ONE;
    }
    let (mut low, mut high) = (0_u64, Rate::ONE.units());
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        let share = Rate::from_units(middle).unwrap_or(Rate::ONE).as_f64();
        if binomial_cdf(successes, trials, share) <= alpha.as_f64() {
            high = middle;
        } else {
            low = middle;
        }
    }
    Rate::from_units(high).unwrap_or(Rate::ONE)
}

/// Lower limit at confidence 1 − `alpha`.
pub fn lower_limit(successes: u64, trials: u64, alpha: Rate) -> Rate {
    let misses = trials.saturating_sub(successes.min(trials));
    upper_limit(misses, trials, alpha).complement()
}
