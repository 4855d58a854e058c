//! What one attack did to one method.

use proofmark_confidence::Rate;
use serde::{Deserialize, Serialize};

use crate::Method;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Every forgery was refused, and every honest answer accepted.
    Caught {
        /// Forgeries.
        tries: u64,
        /// By which code or check.
        how: String,
    },
    /// Some forgery was accepted.
    Missed {
        /// Forgeries.
        tries: u64,
        /// Those that were refused.
        caught: u64,
        /// Why it passes.
        how: String,
    },
    /// A count, and what it supports.
    Measured {
        /// Cheating answers.
        answers: u64,
        /// Those that were flagged.
        flagged: u64,
        /// One-sided 95 % lower limit of the power.
        power_at_least: Rate,
        /// One-sided 95 % upper limit of the power.
        power_at_most: Rate,
        /// Rate of false alarms that the threshold was set for, at 95 %.
        false_alarms_for: Rate,
        /// One-sided 95 % upper limit of the false alarms of the worst benign environment, on answers that set no threshold.
        false_alarms_at_most: Rate,
    },
    /// The method says nothing that the attack would make false.
    NoClaim {
        /// What it does not say.
        why: String,
    },
    /// The method has nothing that this attack is about.
    NotApplicable {
        /// What it has not.
        why: String,
    },
}

/// One line of the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Number of the threat.
    pub threat: u8,
    /// Id of the attack.
    pub attack: String,
    /// Id of the method.
    pub method: Method,
    /// Whether the method's hardware is simulated.
    pub simulated: bool,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Cell {
    pub(crate) fn new(attack: &crate::Attack, method: Method, outcome: Outcome) -> Self {
        Self {
            threat: attack.threat,
            attack: attack.id.to_owned(),
            method,
            simulated: method.simulated(),
            outcome,
        }
    }

    /// Upper limit on the share of such forgeries that pass: 1 for a miss. A protocol cell that caught all is judged by its tries, as if
    /// they had been drawn.
    pub fn miss_at_most(&self, alpha: Rate) -> Option<Rate> {
        match &self.outcome {
            Outcome::Caught { tries, .. } => {
                Some(proofmark_confidence::audit::upper_limit(0, *tries, alpha))
            }
            Outcome::Missed { .. } => Some(Rate::ONE),
            Outcome::Measured { power_at_least, .. } => Some(power_at_least.complement()),
            Outcome::NoClaim { .. } | Outcome::NotApplicable { .. } => None,
        }
    }
}

/// A protocol cell from its tries: whether each forgery was refused, and by what.
pub(crate) fn protocol(tries: &[Result<String, String>]) -> Outcome {
    let count = tries.len() as u64;
    let caught: Vec<&String> = tries.iter().filter_map(|t| t.as_ref().ok()).collect();
    match tries.iter().find_map(|t| t.as_ref().err()) {
        Some(how) => Outcome::Missed {
            tries: count,
            caught: caught.len() as u64,
            how: how.clone(),
        },
        None => {
            let mut codes: Vec<&str> = caught.iter().map(|c| c.as_str()).collect();
            codes.sort_unstable();
            codes.dedup();
            codes.truncate(3);
            Outcome::Caught {
                tries: count,
                how: codes.join(", "),
            }
        }
    }
}

/// What a method costs, as this run measured it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The method.
    pub method: Method,
    /// Bytes of evidence for one answer.
    pub evidence_bytes: u64,
    /// Milliseconds to check one answer; median.
    pub check_ms: f64,
    /// Work that the evidence takes beside the answer itself, by anybody, as a multiple of making the answer; median.
    pub overhead: f64,
    /// What was measured, in words.
    pub of: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_accepted_forgery_is_a_miss() {
        let caught = || Ok("a.code".to_owned());
        assert!(matches!(
            protocol(&[caught(), caught()]),
            Outcome::Caught { tries: 2, .. }
        ));
        let missed = protocol(&[caught(), Err("why".into()), caught()]);
        assert_eq!(
            missed,
            Outcome::Missed {
                tries: 3,
                caught: 2,
                how: "why".into()
            }
        );
    }

    #[test]
    fn cells_are_read_as_they_are_written() {
        let cell = Cell::new(
            &crate::ATTACKS[0],
            Method::Replay,
            Outcome::Measured {
                answers: 3,
                flagged: 2,
                power_at_least: Rate::ZERO,
                power_at_most: Rate::ONE,
                false_alarms_for: Rate::ONE,
                false_alarms_at_most: Rate::ONE,
            },
        );
        let text = serde_json::to_string(&cell).unwrap();
        assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell);
    }
}
