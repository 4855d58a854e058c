//! What will be run, said before it is.

use proofmark_confidence::{Rate, Threat};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{ATTACKS, Method};

/// How much of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Forgeries of a protocol cell.
    pub tries: u64,
    /// Proofs of a proof cell.
    pub proofs: u64,
    /// Changed bits of a proof.
    pub flips: u64,
    /// Benign answers per environment that set thresholds.
    pub calibrate: u64,
    /// Benign answers per environment that measure false alarms.
    pub test: u64,
    /// Answers of each cheat in floats.
    pub answers: u64,
    /// Answers of each mixture of an adaptive cheat.
    pub mixture: u64,
    /// Tokens of an answer in floats.
    pub tokens: usize,
    /// Leaves of an audited stretch.
    pub audited_leaves: u64,
    /// Audited stretches.
    pub audit_histories: u64,
}

/// The plan of a run. Its digest is logged before the first attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format.
    pub format: String,
    /// Everything random derives from it.
    pub seed: u64,
    /// Whether this is the quick run.
    pub quick: bool,
    /// Sizes.
    pub sizes: Sizes,
    /// Rate of false alarms that thresholds are set for.
    pub false_alarms: Rate,
    /// Error of every limit, one-sided.
    pub alpha: Rate,
    /// Probability of a coin.
    pub coin: Rate,
    /// Names of the threats.
    pub threats: Vec<String>,
    /// Ids of the methods.
    pub methods: Vec<Method>,
    /// Ids of the attacks.
    pub attacks: Vec<String>,
    /// Digest of the catalogue of attackers: who, knowledge, budget, gain.
    pub attackers: String,
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap_or(Rate::ONE)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Plan {
    /// The plan of a run; `scale` multiplies the sizes of the full one.
    pub fn new(seed: u64, quick: bool, scale: u64) -> Self {
        let sizes = if quick {
            Sizes {
                tries: 3,
                proofs: 2,
                flips: 64,
                calibrate: 60,
                test: 60,
                answers: 30,
                mixture: 16,
                tokens: 32,
                audited_leaves: 1_000,
                audit_histories: 100,
            }
        } else {
            Sizes {
                tries: 8 * scale,
                proofs: 4 * scale,
                flips: 1_000 * scale,
                calibrate: 300 * scale,
                test: 150 * scale,
                answers: 100 * scale,
                mixture: 40 * scale,
                tokens: 64,
                audited_leaves: 5_000,
                audit_histories: 500 * scale,
            }
        };
        let catalogue = serde_json::to_vec(&ATTACKS.as_slice()).unwrap_or_default();
        Self {
            format: "proofmark:proofbench:draft-1".into(),
            seed,
            quick,
            sizes,
            // What the smallest number of benign answers supports.
            false_alarms: if quick { rate("5%") } else { rate("1%") },
            alpha: rate("5%"),
            coin: rate("10%"),
            threats: Threat::all().map(|t| format!("{t} {}", t.name())).collect(),
            methods: Method::ALL.to_vec(),
            attacks: ATTACKS.iter().map(|a| a.id.to_owned()).collect(),
            attackers: hex(&Sha256::digest(catalogue)),
        }
    }

    /// The bytes that are hashed and logged.
    pub fn encode(&self) -> Vec<u8> {
        // Members stand in the order of their declaration.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// SHA-256 of them.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.encode()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_everything() {
        let plan = Plan::new(1, true, 1);
        assert_eq!(plan.digest(), Plan::new(1, true, 1).digest());
        assert_ne!(plan.digest(), Plan::new(2, true, 1).digest());
        assert_ne!(plan.digest(), Plan::new(1, false, 1).digest());
        let read: Plan = serde_json::from_slice(&plan.encode()).unwrap();
        assert_eq!(read, plan);
    }

    #[test]
    fn the_sizes_support_the_rate_of_false_alarms() {
        use proofmark_confidence::audit::upper_limit;
        for quick in [true, false] {
            let plan = Plan::new(1, quick, 1);
            let limit = upper_limit(0, plan.sizes.calibrate, plan.alpha);
            assert!(limit <= plan.false_alarms, "{limit}");
        }
    }
}
