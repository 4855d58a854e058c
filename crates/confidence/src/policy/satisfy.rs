//! What would satisfy a policy: minimal sets of further evidence, found by evaluating (specs/07-policy.md §4.2).

use std::fmt;

use proofmark_verify::Required;
use serde::Serialize;

use super::ast::{AuditTerm, Policy};
use super::evaluate::Outcome;
use crate::audit::{Ledger, Population, audits_needed};
use crate::{AssumptionTable, Facts, Rate};

/// Most members of a set.
const STEPS_MAX: usize = 3;
/// Most sets.
const SETS_MAX: usize = 8;
/// Coins of an imagined audit, which nobody bounds by counts.
const EVERY: Rate = Rate::ONE;

/// One piece of further evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A proof that it is in the log.
    Logged,
    /// A quorum of independent witnesses.
    Witnessed,
    /// A witnessed snapshot of the registry.
    Unrevoked,
    /// The answer opened.
    Answer,
    /// The question opened.
    Question,
    /// What the answer is worth, told.
    ValueTold,
    /// Re-executed by the verifier itself.
    ReplayedHere,
    /// Re-executed by one more rooted replayer.
    ReplayedByOne,
    /// Re-executed by two more.
    ReplayedByTwo,
    /// Attested.
    Attested,
    /// Proven.
    Proven,
    /// So many clean audits of the population that it is in.
    Audited {
        /// How many.
        audits: u64,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logged => "an inclusion proof of its log (fetch the bundle again)",
            Self::Witnessed => "cosignatures of a quorum of independent witnesses",
            Self::Unrevoked => "a witnessed snapshot of the registry (--snapshot FILE)",
            Self::Answer => "the answer, disclosed (--disclose answer) or given (--answer FILE)",
            Self::Question => {
                "the question, disclosed (--disclose question) or given (--request FILE)"
            }
            Self::ValueTold => "what the answer is worth, if it is little (--value AMOUNT)",
            Self::ReplayedHere => "re-executing it yourself (--replay)",
            Self::ReplayedByOne => "a replay by one more replayer whom you believe",
            Self::ReplayedByTwo => "replays by two more replayers whom you believe",
            Self::Attested => "an attestation of the machine that executed it",
            Self::Proven => "a proof of the execution",
            Self::Audited { audits } => {
                return write!(f, "{audits} clean audits of the population that it is in");
            }
        })
    }
}

impl Step {
    /// `facts`, had this been there.
    fn taken(self, facts: &Facts) -> Facts {
        let mut facts = facts.clone();
        let grade = match self {
            Self::Logged => Some(Required::Logged),
            Self::Witnessed => Some(Required::Witnessed),
            Self::Unrevoked => Some(Required::Unrevoked),
            Self::Answer => Some(Required::Answer),
            Self::Question => Some(Required::Question),
            Self::ReplayedByOne | Self::ReplayedByTwo => Some(Required::Replayed),
            Self::Attested => Some(Required::Attested),
            Self::Proven => Some(Required::Proven),
            Self::ValueTold | Self::ReplayedHere | Self::Audited { .. } => None,
        };
        if let Some(grade) = grade {
            facts.unchecked.remove(&grade);
            facts.reached.insert(grade);
        }
        match self {
            Self::Witnessed => {
                facts.reached.insert(Required::Logged);
                facts.witnessed_at = facts.witnessed_at.or(facts.issued_at);
            }
            Self::ReplayedHere => facts.replayed_here = true,
            Self::ReplayedByOne | Self::ReplayedByTwo => {
                let names = if self == Self::ReplayedByOne { 1 } else { 2 };
                // No replayer's name has a control character.
                facts
                    .replayers
                    .extend((0..names).map(|number| format!("\u{1}{number}")));
            }
            Self::Attested => {
                facts.platforms.insert("\u{1}".into());
            }
            // A small value is the most that telling it can do.
            Self::ValueTold => facts.value = facts.value.or(Some(crate::Money::ZERO)),
            Self::Audited { audits } => facts.audits.push(imagined(audits, facts.now)),
            _ => {}
        }
        facts
    }
}

fn imagined(audits: u64, now: u64) -> Population {
    Population {
        auditor: String::new(),
        log: String::new(),
        from: 0,
        to: audits,
        audited_at: now,
        coin: EVERY,
        ledger: Ledger {
            auditable: audits,
            selected: audits,
            audited: audits,
            ..Ledger::default()
        },
        power: Rate::ONE,
        power_alpha: Rate::ZERO,
    }
}

impl Policy {
    /// Clean audits that satisfy every audit term at once.
    fn clean_audits(&self) -> Option<u64> {
        let needed = |term: &&AuditTerm| {
            let alpha = self.alpha_of(term);
            let for_rate = match term.rate {
                Some(rate) => audits_needed(0, rate, Rate::ONE, alpha)?,
                None => 1,
            };
            Some(for_rate.max(term.audits.unwrap_or(1)))
        };
        let terms = self.audit_terms();
        let numbers: Option<Vec<u64>> = terms.iter().map(needed).collect();
        numbers?.into_iter().max()
    }

    /// Minimal sets of further evidence with which the policy is satisfied, the smallest first. Empty if it is satisfied,
    /// vetoed, or if nothing of the kind helps.
    pub fn what_would_satisfy(&self, facts: &Facts, table: &AssumptionTable) -> Vec<Vec<Step>> {
        let mut found: Vec<Vec<Step>> = Vec::new();
        let now = self.evaluate(facts, table).outcome;
        if matches!(now, Outcome::Satisfied | Outcome::Vetoed) {
            return found;
        }
        let steps = self.steps(facts);
        let mut open: Vec<(Vec<Step>, usize, Facts)> = vec![(Vec::new(), 0, facts.clone())];
        for _ in 0..STEPS_MAX {
            let mut longer = Vec::new();
            for (taken, next, facts) in open {
                for (at, step) in steps.iter().enumerate().skip(next) {
                    let set: Vec<Step> = taken.iter().copied().chain([*step]).collect();
                    if found
                        .iter()
                        .any(|known| known.iter().all(|step| set.contains(step)))
                    {
                        continue;
                    }
                    let facts = step.taken(&facts);
                    if self.evaluate(&facts, table).outcome == Outcome::Satisfied {
                        found.push(set);
                        if found.len() == SETS_MAX {
                            return found;
                        }
                    } else {
                        longer.push((set, at.saturating_add(1), facts));
                    }
                }
            }
            open = longer;
        }
        found
    }

    /// The steps that are not taken yet and that the receipt can have.
    fn steps(&self, facts: &Facts) -> Vec<Step> {
        let executed = facts.executed().is_some();
        let mut steps = Vec::new();
        let grades = [
            (Required::Logged, Step::Logged),
            (Required::Witnessed, Step::Witnessed),
            (Required::Unrevoked, Step::Unrevoked),
            (Required::Answer, Step::Answer),
            (Required::Question, Step::Question),
        ];
        let missing = grades.iter().filter(|(required, _)| !facts.has(*required));
        steps.extend(missing.map(|(_, step)| *step));
        if facts.value.is_none() {
            steps.push(Step::ValueTold);
        }
        if executed {
            if !facts.replayed_here {
                steps.push(Step::ReplayedHere);
            }
            steps.extend([Step::ReplayedByOne, Step::ReplayedByTwo]);
            if !facts.has(Required::Attested) {
                steps.push(Step::Attested);
            }
            if !facts.has(Required::Proven) {
                steps.push(Step::Proven);
            }
            steps.extend(self.clean_audits().map(|audits| Step::Audited { audits }));
        }
        steps
    }
}
