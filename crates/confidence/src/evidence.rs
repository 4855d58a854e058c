//! Which evidence covers which threats, and what it rests on (specs/06-confidence.md §4).

use proofmark_verify::Required;

use crate::facts::Facts;
use crate::{Rate, Threats};

/// What kind of warrant an evidence gives. There is no arithmetic between kinds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "warrant", rename_all = "lowercase")]
pub enum Warrant {
    /// This receipt, by a proof.
    Proof,
    /// This receipt, checked again by somebody.
    Replicated {
        /// By whom.
        by: String,
    },
    /// This receipt, by hardware and whoever made it.
    Attested {
        /// Which hardware.
        platform: String,
    },
    /// The population that the receipt is in.
    Sampled {
        /// At most this share of it is bad.
        rate_at_most: Rate,
        /// With this confidence.
        confidence: Rate,
        /// Of how many receipts.
        population: u64,
    },
    /// Somebody's word.
    Asserted {
        /// Whose.
        by: &'static str,
    },
}

/// One evidence of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Its name, such as `replay:audit-co`.
    pub name: String,
    /// What kind of warrant it gives.
    pub warrant: Warrant,
    /// What it covers.
    pub covers: Threats,
    /// Ids of the assumptions that it rests on.
    pub rests_on: Vec<String>,
    /// Probability that it shows nothing although all of them hold.
    pub residual: Rate,
}

fn evidence(name: &str, warrant: Warrant, covers: Threats, rests_on: &[&str]) -> Evidence {
    Evidence {
        name: name.into(),
        warrant,
        covers,
        rests_on: rests_on.iter().map(|id| (*id).into()).collect(),
        residual: Rate::ZERO,
    }
}

/// The evidences that `facts` hold, in the order of the specification's table. Audits are not among them: a population
/// bound says nothing of one receipt.
pub fn evidence_of(facts: &Facts) -> Vec<Evidence> {
    let mut all = Vec::new();
    if facts.refutation.is_some() || !facts.has(Required::Relayed) {
        return all;
    }
    records(facts, &mut all);
    if let Some(caller_seed) = facts.executed() {
        executions(facts, caller_seed, &mut all);
    }
    all
}

/// Evidence about the record: who signed, where it stands.
fn records(facts: &Facts, all: &mut Vec<Evidence>) {
    let asserted = |by| Warrant::Asserted { by };
    let mut signed = Threats::of([24]);
    if facts.has(Required::Answer) {
        signed = signed.union(Threats::of([11, 12]));
    }
    if facts.has(Required::Question) {
        signed = signed.union(Threats::of([8]));
    }
    all.push(evidence(
        "signature",
        asserted("the node"),
        signed,
        &["key.node"],
    ));
    if facts.has(Required::Logged) {
        all.push(evidence(
            "log",
            asserted("the log"),
            Threats::of([16]),
            &["log.operator"],
        ));
    }
    if facts.has(Required::Witnessed) {
        let by = "the log's witnesses".to_owned();
        let covers = Threats::of([15, 16, 17]);
        all.push(evidence(
            "witnesses",
            Warrant::Replicated { by },
            covers,
            &["log.quorum"],
        ));
    }
    if facts.has(Required::Unrevoked) {
        let rests_on = ["log.quorum", "key.theft-noticed"];
        all.push(evidence(
            "registry",
            asserted("the operator"),
            Threats::of([18]),
            &rests_on,
        ));
    }
    if !facts.audits.is_empty() {
        let by = "the beacon of the audit".to_owned();
        let covers = Threats::of([23]);
        all.push(evidence(
            "audit",
            Warrant::Replicated { by },
            covers,
            &["audit.beacon"],
        ));
    }
    if facts.nonce {
        all.push(evidence(
            "nonce",
            asserted("the node"),
            Threats::of([14]),
            &["key.node"],
        ));
    }
}

/// Evidence about what was executed.
fn executions(facts: &Facts, caller_seed: bool, all: &mut Vec<Evidence>) {
    let model = facts.model_threats();
    let seeded = |threats: &[u8]| {
        let chosen = if caller_seed { threats } else { &[] };
        model.union(Threats::of(chosen.iter().copied()))
    };
    if facts.has(Required::Replayed) {
        for name in &facts.replayers {
            let replayer = format!("replayer:{name}");
            let covers = seeded(&[13, 14]).union(Threats::of([20]));
            let warrant = Warrant::Replicated { by: name.clone() };
            let rests_on = [replayer.as_str(), "engine.software"];
            all.push(evidence(
                &format!("replay:{name}"),
                warrant,
                covers,
                &rests_on,
            ));
        }
    }
    if facts.replayed_here {
        let by = "you".to_owned();
        let covers = seeded(&[13, 14]).union(Threats::of([20]));
        all.push(evidence(
            "replay-here",
            Warrant::Replicated { by },
            covers,
            &["engine.software"],
        ));
    }
    if facts.has(Required::Attested) {
        for platform in &facts.platforms {
            let hardware = format!("hardware:{platform}");
            let rests_on = [
                hardware.as_str(),
                "physical.access",
                "image.correct",
                "channel.binding",
            ];
            let covers = model.union(Threats::of([13, 14, 18, 19]));
            let warrant = Warrant::Attested {
                platform: platform.clone(),
            };
            all.push(evidence(
                &format!("attestation:{platform}"),
                warrant,
                covers,
                &rests_on,
            ));
        }
    }
    if facts.has(Required::Proven) {
        let covers = seeded(&[13]).union(Threats::of([20, 22]));
        let rests_on = ["proof.software", "proof.soundness"];
        if facts.proof_vouchers.is_empty() {
            all.push(evidence("proof", Warrant::Proof, covers, &rests_on));
        }
        // Each of them alone says that the weights are the model's.
        for name in &facts.proof_vouchers {
            let party = format!("replayer:{name}");
            let rests_on = [party.as_str(), "proof.software", "proof.soundness"];
            let id = format!("proof:{name}");
            all.push(evidence(&id, Warrant::Proof, covers, &rests_on));
        }
    }
}

/// Threats that are ways in which an evidence fails (§4.4): they count wherever that evidence does, through what it rests on.
pub(crate) const OF_EVIDENCE: Threats = Threats::of_const(&[19, 20, 22, 23]);

/// The grades whose evidence would cover `threat`, had it been checked.
pub(crate) fn would_cover(facts: &Facts, number: u8) -> &'static [Required] {
    use Required::{Answer, Attested, Logged, Proven, Question, Replayed, Unrevoked, Witnessed};
    let executed = facts.executed().is_some();
    match number {
        1..=7 | 9 | 13 | 21 if executed => &[Replayed, Attested, Proven],
        8 | 10 => &[Question, Replayed, Attested, Proven],
        11 | 12 => &[Answer, Replayed, Attested, Proven],
        15 | 17 => &[Witnessed],
        16 => &[Logged, Witnessed],
        18 => &[Unrevoked, Attested],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Origin;

    #[test]
    fn a_proof_rests_on_whoever_vouches_for_the_weights_in_it() {
        let proofs = |vouchers: &[&str]| {
            let facts = Facts {
                origin: Origin::Executed {
                    closure: [7; 32],
                    caller_seed: true,
                },
                reached: BTreeSet::from([Required::Relayed, Required::Signed, Required::Proven]),
                proof_vouchers: vouchers.iter().map(|name| (*name).to_owned()).collect(),
                ..Facts::nothing(1_800_000_000)
            };
            let all = evidence_of(&facts);
            let of = |evidence: &Evidence| evidence.warrant == Warrant::Proof;
            let proofs = all.iter().filter(|evidence| of(evidence));
            let rests = |evidence: &Evidence| format!("{:?}", evidence.rests_on);
            proofs.map(rests).collect::<Vec<_>>()
        };
        let [own] = &proofs(&[])[..] else {
            panic!("one proof");
        };
        assert!(!own.contains("replayer:"), "{own}");
        let [a, b] = &proofs(&["a", "b"])[..] else {
            panic!("one for each party");
        };
        assert!(
            a.contains("replayer:a") && b.contains("replayer:b"),
            "{a} {b}"
        );
    }
}
