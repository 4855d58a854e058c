//! Counts: thresholds on benign answers, false alarms on others, power on cheats.

use std::collections::BTreeMap;

use proofmark_confidence::Rate;
use proofmark_confidence::audit::{lower_limit, upper_limit};
use proofmark_fingerprint::Threshold;
use proofmark_testkit::SeededRng;
use serde::{Deserialize, Serialize};

use super::{BENIGN, Distances, LENGTHS};
use crate::cell::{Cell, Outcome};
use crate::{Attack, Method, Plan};

/// A count with its limits, for the plots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Attack, or benign environment.
    pub group: String,
    /// Method.
    pub method: Method,
    /// Tokens of the answers, at most.
    pub tokens: u64,
    /// Answers.
    pub answers: u64,
    /// Those that were flagged.
    pub flagged: u64,
    /// Lower limit, one-sided 95 %.
    pub at_least: Rate,
    /// Upper limit, one-sided 95 %.
    pub at_most: Rate,
    /// Share of the reading of weights that the cheat saves.
    pub saves: f64,
}

/// Everything that was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    /// One line per group, method and length.
    pub(crate) lines: Vec<Measured>,
    /// Thresholds of each method by length; none where the benign answers support none.
    pub(crate) thresholds: BTreeMap<String, Vec<Option<f64>>>,
    /// Rate of false alarms that they were set for.
    pub(crate) false_alarms_for: Rate,
}

const METHODS: [Method; 2] = [Method::Activations, Method::Tokens];

fn distance(found: &Distances, method: Method, length: usize) -> f64 {
    let of = match method {
        Method::Activations => &found.activations,
        _ => &found.tokens,
    };
    of.get(length).copied().unwrap_or(f64::NAN)
}

/// The label under which benign answers of an environment are drawn, for thresholds or for false alarms.
pub(crate) fn label(environment: &str, calibrates: bool) -> String {
    let part = if calibrates { "calibrate" } else { "test" };
    format!("{part}/{environment}")
}

/// Counts of all answers; `saves` says what the cheats save.
pub(crate) fn statistics(plan: &Plan, all: &[Distances], saves: &[(String, f64)]) -> Statistics {
    let mut groups: BTreeMap<&str, Vec<&Distances>> = BTreeMap::new();
    for found in all {
        groups.entry(found.group.as_str()).or_default().push(found);
    }
    let of = |name: &str| groups.get(name).map_or(&[][..], Vec::as_slice);
    let benign = BENIGN.iter().map(|group| (label(group.id, false), 0.0));
    let saves: Vec<(String, f64)> = benign.chain(saves.iter().cloned()).collect();
    let mut lines = Vec::new();
    let mut thresholds = BTreeMap::new();
    for method in METHODS {
        let mut by_length = Vec::new();
        for (at, length) in LENGTHS.into_iter().enumerate() {
            if length > plan.sizes.tokens {
                continue;
            }
            let environments = BENIGN.iter().map(|group| {
                let benign = of(&label(group.id, true)).iter();
                let distances: Vec<f64> = benign.map(|d| distance(d, method, at)).collect();
                Threshold::measured(&distances, plan.false_alarms, plan.alpha)
            });
            // All environments, or none: what one does not support, the others cannot.
            let supported: Option<Vec<Threshold>> = environments.collect();
            let threshold = supported.and_then(Threshold::of_environments);
            by_length.push(threshold.map(|t| t.distance));
            let Some(threshold) = threshold else { continue };
            for (group, saves) in &saves {
                let cheats: Vec<_> = of(group).iter().filter(|d| d.cheated).collect();
                if cheats.is_empty() {
                    continue;
                }
                let flags = |d: &&&Distances| threshold.flags(distance(d, method, at));
                let flagged = cheats.iter().filter(|d| flags(d)).count() as u64;
                let answers = cheats.len() as u64;
                lines.push(Measured {
                    group: group.clone(),
                    method,
                    tokens: length as u64,
                    answers,
                    flagged,
                    at_least: lower_limit(flagged, answers, plan.alpha),
                    at_most: upper_limit(flagged, answers, plan.alpha),
                    saves: *saves,
                });
            }
        }
        thresholds.insert(method.id().to_owned(), by_length);
    }
    Statistics {
        lines,
        thresholds,
        false_alarms_for: plan.false_alarms,
    }
}

impl Statistics {
    fn at_full_length(&self, method: Method) -> impl Iterator<Item = &Measured> {
        let longest = self.lines.iter().map(|line| line.tokens).max();
        self.lines
            .iter()
            .filter(move |line| line.method == method && Some(line.tokens) == longest)
    }

    /// Upper limit of the false alarms of the worst environment.
    fn false_alarms_at_most(&self, method: Method) -> Rate {
        self.at_full_length(method)
            .filter(|line| line.group.starts_with("test/"))
            .map(|line| line.at_most)
            .max()
            .unwrap_or(Rate::ONE)
    }
}

/// What the adaptive provider serves: of the mixtures whose tried answers are flagged once in ten at most the one that saves most, otherwise
/// the one that is flagged least. It tries on answers of its own, and is judged on others.
fn adapted(statistics: &Statistics, method: Method) -> Option<&Measured> {
    let tried = |line: &&Measured| line.group.starts_with("tried/");
    let share = |line: &Measured| line.flagged as f64 / line.answers.max(1) as f64;
    let unseen = statistics
        .at_full_length(method)
        .filter(tried)
        .filter(|line| share(line) <= 0.1);
    let best = unseen
        .max_by(|a, b| a.saves.total_cmp(&b.saves))
        .or_else(|| {
            let tried = statistics.at_full_length(method).filter(tried);
            tried.min_by(|a, b| share(a).total_cmp(&share(b)))
        })?;
    let served = best.group.replace("tried/", "mixed/");
    statistics
        .at_full_length(method)
        .find(|line| line.group == served)
}

/// Cells of the attack; empty if it is one of another group.
pub(crate) fn cells(statistics: &Statistics, attack: &Attack) -> Vec<Cell> {
    let mut cells = Vec::new();
    for method in METHODS {
        let named = |line: &&Measured| line.group == attack.id;
        let line = match attack.id {
            "t03-mixed" => adapted(statistics, method),
            _ => statistics.at_full_length(method).find(named),
        };
        let outcome = match line {
            Some(line) => Outcome::Measured {
                answers: line.answers,
                flagged: line.flagged,
                power_at_least: line.at_least,
                power_at_most: line.at_most,
                false_alarms_for: statistics.false_alarms_for,
                false_alarms_at_most: statistics.false_alarms_at_most(method),
            },
            None if matches!(attack.threat, 19 | 20 | 22 | 23) => Outcome::NotApplicable {
                why: "there is no quote, auditor, proof or coin".into(),
            },
            None if attack.threat >= 14 => Outcome::NoClaim {
                why: "a fingerprint says nothing of the record".into(),
            },
            None => continue,
        };
        cells.push(Cell::new(attack, method, outcome));
    }
    cells
}

/// For each method, the largest share of the reading of weights that a cheat saves while at most `share` of its answers are flagged.
pub(crate) fn frontier(statistics: &Statistics, shares: &[f64]) -> Vec<(Method, f64, f64, String)> {
    let mut all = Vec::new();
    for method in METHODS {
        for share in shares {
            let unseen = statistics.at_full_length(method).filter(|line| {
                // Cheats on the work, not on which answer is shown.
                let work = line.group.starts_with("t0") || line.group.starts_with("mixed/");
                work && line.saves > 0.0 && line.flagged as f64 <= share * line.answers as f64
            });
            let best = unseen.max_by(|a, b| a.saves.total_cmp(&b.saves));
            let (saves, by) = best.map_or((0.0, String::new()), |b| (b.saves, b.group.clone()));
            all.push((method, *share, saves, by));
        }
    }
    all
}

/// The null run: labels of benign answers are shuffled, so that "cheats" are honest. What is flagged of them, and of how many; its limits
/// have to hold the rate of false alarms that the threshold was set for.
pub fn null_power(
    calibrates: &[f64],
    benign: &[f64],
    rate: Rate,
    alpha: Rate,
    seed: u64,
) -> Option<(u64, u64)> {
    let mut pool: Vec<f64> = calibrates.iter().chain(benign).copied().collect();
    let mut rng = SeededRng::new(seed);
    for at in (1..pool.len()).rev() {
        let other = usize::try_from(rng.below(at as u64 + 1)).unwrap_or(0);
        pool.swap(at, other);
    }
    let (calibrates, cheats) = pool.split_at(calibrates.len());
    let threshold = Threshold::measured(calibrates, rate, alpha)?;
    let flagged = cheats.iter().filter(|d| threshold.flags(**d)).count() as u64;
    Some((flagged, cheats.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    /// Distances of some distribution with a long tail.
    fn drawn(rng: &mut SeededRng, count: usize, shift: f64) -> Vec<f64> {
        let uniform = |rng: &mut SeededRng| (rng.below(1 << 32) as f64 + 0.5) / 4_294_967_296.0;
        (0..count).map(|_| shift - uniform(rng).ln()).collect()
    }

    /// A null run, its labels shuffled: power is the rate of false alarms. With r allowed flags of n, (r + 1) / (n + 1) of new answers lie
    /// above the threshold on average.
    #[test]
    fn without_a_cheat_power_is_the_rate_of_false_alarms() {
        for (rate_text, count, allowed) in [("5%", 60, 0), ("5%", 300, 8), ("1%", 300, 0)] {
            let (mut flagged, mut answers) = (0, 0);
            let mut rng = SeededRng::new(11);
            for seed in 0..300 {
                let calibrates = drawn(&mut rng, count, 0.0);
                let benign = drawn(&mut rng, count, 0.0);
                let rate = rate(rate_text);
                let null = null_power(&calibrates, &benign, rate, rate_of_error(), seed).unwrap();
                flagged += null.0;
                answers += null.1;
            }
            let expected = f64::from(allowed + 1) / (count + 1) as f64;
            let share = flagged as f64 / answers as f64;
            assert!(
                (share / expected - 1.0).abs() < 0.2,
                "{rate_text} {count}: {share} instead of {expected}"
            );
            assert!(lower_limit(flagged, answers, rate("1%")) <= rate(rate_text));
        }
    }

    /// The same harness sees a cheat, so that the test above can fail.
    #[test]
    fn with_a_cheat_power_is_more() {
        let mut rng = SeededRng::new(12);
        let benign = drawn(&mut rng, 300, 0.0);
        let cheats = drawn(&mut rng, 300, 8.0);
        let threshold = Threshold::measured(&benign, rate("1%"), rate_of_error()).unwrap();
        let flagged = cheats.iter().filter(|d| threshold.flags(**d)).count();
        assert!(flagged > 200, "{flagged}");
    }

    fn rate_of_error() -> Rate {
        rate("5%")
    }
}
