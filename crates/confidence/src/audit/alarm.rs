//! Alarms over flags of a detector that errs, and how e-values are put together (specs/06-confidence.md §7.9, §7.10).

use super::process::{SLACK, log_sum, log_threshold};
use crate::Rate;

/// How much worse than the tolerated flag rate the alternatives are.
const FACTORS: [f64; 4] = [2.0, 5.0, 20.0, 50.0];

/// Evidence that flags come more often than a detector's false-flag rate explains.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Per alternative: log-likelihood ratio of a flag, and of none.
    steps: [(f64, f64); 4],
    once: [f64; 4],
    running: [f64; 4],
}

impl Alarm {
    /// For a detector that flags at most this share of honest answers. `None` unless the rate is above 0 and below 1/2.
    pub fn new(false_flags: Rate) -> Option<Self> {
        let q0 = false_flags.as_f64();
        if q0 <= 0.0 || q0 >= 0.5 {
            return None;
        }
        let step = |factor: f64| {
            let q = (q0 * factor).min(0.5);
            (libm::log(q / q0), libm::log1p(-q) - libm::log1p(-q0))
        };
        Some(Self {
            steps: FACTORS.map(step),
            once: [0.0; 4],
            running: [f64::NEG_INFINITY; 4],
        })
    }

    /// Takes one look into account.
    pub fn observe(&mut self, flagged: bool) {
        for ((step, once), running) in self.steps.iter().zip(&mut self.once).zip(&mut self.running)
        {
            let ratio = if flagged { step.0 } else { step.1 };
            *once += ratio;
            *running = log_sum(&[0.0, *running]) + ratio;
        }
    }

    /// Logarithm of the e-value since the beginning.
    pub fn log_evidence(&self) -> f64 {
        log_sum(&self.once) - libm::log(FACTORS.len() as f64)
    }

    /// Whether flags are too many, at error `alpha` over all looks together.
    pub fn rings(&self, alpha: Rate) -> bool {
        self.log_evidence() >= log_threshold(alpha) + SLACK
    }

    /// Logarithm of the Shiryaev–Roberts statistic, which also finds a change that comes late.
    pub fn log_change_evidence(&self) -> f64 {
        log_sum(&self.running) - libm::log(FACTORS.len() as f64)
    }

    /// Whether something changed; false alarms come at least 1/α looks apart on average.
    pub fn change_rings(&self, alpha: Rate) -> bool {
        self.log_change_evidence() >= log_threshold(alpha) + SLACK
    }
}

/// Logarithm of the mean of e-values given by logarithms: valid under any dependence. Nothing has evidence of 1.
pub fn merge_any(log_evidences: &[f64]) -> f64 {
    if log_evidences.is_empty() {
        return 0.0;
    }
    log_sum(log_evidences) - libm::log(log_evidences.len() as f64)
}

/// Logarithm of the product of e-values, each of which was begun after the one before was finished.
pub fn merge_sequential(log_evidences: &[f64]) -> f64 {
    log_evidences.iter().fold(0.0, |sum, log| sum + log)
}

/// Those of many hypotheses that can be rejected together with a false discovery rate of at most `alpha` (e-BH), by
/// their positions, ascending.
pub fn discoveries(log_evidences: &[f64], alpha: Rate) -> Vec<usize> {
    let mut order: Vec<usize> = (0..log_evidences.len()).collect();
    let log_of = |at: &usize| log_evidences.get(*at).copied().unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|a, b| log_of(b).total_cmp(&log_of(a)).then(a.cmp(b)));
    let log_all = libm::log(log_evidences.len() as f64);
    let mut rejected = 0_usize;
    for (rank, at) in order.iter().enumerate() {
        let rank = rank.saturating_add(1);
        let needed = log_all + log_threshold(alpha) - libm::log(rank as f64) + SLACK;
        if log_of(at) >= needed {
            rejected = rank;
        }
    }
    order.truncate(rejected);
    order.sort_unstable();
    order
}
