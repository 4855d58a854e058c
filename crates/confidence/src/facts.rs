//! What a report established, as the assessment and policies read it.

use std::collections::{BTreeMap, BTreeSet};

use proofmark_verify::{AuditedPopulation, Report, Required, Verdict, WeightsSource};

use crate::audit::{Ledger, Population};
use crate::{Money, Rate, Threats};

/// How the answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The receipt could not be read.
    Unknown,
    /// Somebody else's API answered.
    Relayed,
    /// The node executed this model closure.
    Executed {
        /// Digest of the closure.
        closure: [u8; 32],
        /// Whether the caller chose the seed.
        caller_seed: bool,
    },
}

/// Everything about one receipt that a decision may use. [`Facts::of`] takes it from a report; the rest is the caller's knowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// How the answer came about.
    pub origin: Origin,
    /// Grades that were reached.
    pub reached: BTreeSet<Required>,
    /// Grades that could not be checked, with the code of the cause.
    pub unchecked: BTreeMap<Required, String>,
    /// Whether the receipt carries the nonce that was sent.
    pub nonce: bool,
    /// Names of the rooted replayers who confirmed it.
    pub replayers: BTreeSet<String>,
    /// Whether the verifier itself re-executed it, with the same result.
    pub replayed_here: bool,
    /// Names of the rooted parties on whose word the weights of a proof are the model's; none if the verifier knows it itself.
    pub proof_vouchers: BTreeSet<String>,
    /// Platforms of the attestations.
    pub platforms: BTreeSet<String>,
    /// Audited populations that the receipt is in.
    pub audits: Vec<Population>,
    /// Code of a valid refutation.
    pub refutation: Option<String>,
    /// Unix seconds at which witnesses had seen it.
    pub witnessed_at: Option<u64>,
    /// Unix seconds at which the issuer says it was issued.
    pub issued_at: Option<u64>,
    /// What the answer is worth to whoever decides.
    pub value: Option<Money>,
    /// Unix seconds.
    pub now: u64,
}

impl Facts {
    /// Nothing is known, as of `now` in Unix seconds.
    pub fn nothing(now: u64) -> Self {
        Self {
            origin: Origin::Unknown,
            reached: BTreeSet::new(),
            unchecked: BTreeMap::new(),
            nonce: false,
            replayers: BTreeSet::new(),
            replayed_here: false,
            proof_vouchers: BTreeSet::new(),
            platforms: BTreeSet::new(),
            audits: Vec::new(),
            refutation: None,
            witnessed_at: None,
            issued_at: None,
            value: None,
            now,
        }
    }

    /// What `report`, made at `now` for no requirement, established. Of a report that comes to could-not-check nothing counts.
    pub fn of(report: &Report, now: u64) -> Self {
        let mut facts = Self::nothing(now);
        facts.issued_at = report.issued_at();
        let established = report.established();
        facts.reached = report.grades().iter().copied().collect();
        for (required, code) in &established.unchecked {
            facts.unchecked.insert(*required, (*code).to_owned());
        }
        match report.verdict() {
            Verdict::Rejected { code, .. } => facts.refutation = Some((*code).to_owned()),
            // The receipt as a whole cannot be relied on, so nothing of it counts.
            Verdict::CouldNotCheck { code, .. } => {
                facts.reached.clear();
                facts
                    .unchecked
                    .insert(Required::Relayed, (*code).to_owned());
            }
            Verdict::Accepted(_) | Verdict::BelowRequirement { .. } => {}
        }
        facts.nonce = established.nonce;
        facts.replayers = established.replayers.iter().cloned().collect();
        // Of several proofs the one that needs nobody's word counts.
        let vouched = established.proofs.iter().map(|proof| match &proof.weights {
            WeightsSource::Vouched(parties) => parties.as_slice(),
            WeightsSource::Recomputed | WeightsSource::Read => &[],
        });
        if let Some(parties) = vouched.min_by_key(|parties| parties.len()) {
            facts.proof_vouchers = parties.iter().cloned().collect();
        }
        if facts.has(Required::Audited) {
            facts.audits = established
                .audits
                .iter()
                .filter_map(population_of)
                .collect();
        }
        facts.witnessed_at = established.witnessed_at;
        facts.origin = match &established.executed {
            Some(executed) => Origin::Executed {
                closure: executed.closure,
                caller_seed: executed.caller_seed,
            },
            None if report.receipt().is_some() => Origin::Relayed,
            None => Origin::Unknown,
        };
        facts
    }

    /// Whether `required` was reached.
    pub fn has(&self, required: Required) -> bool {
        self.reached.contains(&required)
    }

    /// Whether the node executed it itself, and whether the caller chose the seed.
    pub(crate) fn executed(&self) -> Option<bool> {
        match self.origin {
            Origin::Executed { caller_seed, .. } => Some(caller_seed),
            Origin::Unknown | Origin::Relayed => None,
        }
    }

    /// What an audit of the population that the receipt is in bounds (§4.5): auditors open question and answer. Where the node chose the
    /// seed, no replay sees which others it tried.
    pub(crate) fn sampled_threats(&self) -> Threats {
        let threats = Threats::of([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 21]);
        if self.executed() == Some(true) {
            threats.union(Threats::of([13]))
        } else {
            threats
        }
    }

    /// What evidence on the execution covers (§4.3): more, if question and answer are at hand.
    pub(crate) fn model_threats(&self) -> Threats {
        let mut threats = Threats::of([1, 2, 3, 4, 5, 6, 7, 9, 21]);
        if self.has(Required::Question) {
            threats = threats.union(Threats::of([8, 10]));
        }
        if self.has(Required::Answer) {
            threats = threats.union(Threats::of([11, 12]));
        }
        threats
    }
}

/// The population of an audit statement; its rates were bounded when it was decoded.
fn population_of(audited: &AuditedPopulation) -> Option<Population> {
    let statement = &audited.statement;
    Some(Population {
        auditor: audited.auditor.clone(),
        log: statement.log.clone(),
        from: statement.from,
        to: statement.to,
        audited_at: statement.audited_at,
        coin: Rate::from_units(statement.coin)?,
        ledger: Ledger {
            auditable: statement.auditable,
            without_permission: statement.without_permission,
            relayed: statement.relayed,
            selected: statement.selected,
            audited: statement.audited,
            findings: statement.findings,
        },
        power: Rate::from_units(statement.power)?,
        power_alpha: Rate::from_units(statement.power_alpha)?,
    })
}
