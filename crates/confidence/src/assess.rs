//! The vector over threats (specs/06-confidence.md §6).

use std::collections::{BTreeMap, BTreeSet};

use proofmark_verify::Required;
use serde::Serialize;

use crate::evidence::{Evidence, OF_EVIDENCE, Warrant, evidence_of, would_cover};
use crate::facts::Facts;
use crate::tree::{ATOMS_MAX, Atom, AtomSet, Cut, EVIDENCE_MAX, FaultTree, Support, TreeError};
use crate::{Assumption, AssumptionTable, Date, Money, Party, Rate, Scope, Threat, Threats};

/// Whose assumptions count, and against whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stance<'t> {
    /// The table.
    pub table: &'t AssumptionTable,
    /// Whether the table's probabilities are accepted.
    pub accept_table: bool,
    /// Probabilities accepted one by one, and until when. They take the place of the table's.
    pub accepted: BTreeMap<String, (Rate, Option<Date>)>,
    /// Who may cheat.
    pub adversary: BTreeSet<Party>,
    /// Bad luck of at most this probability cannot be used.
    pub luck_floor: Rate,
}

impl<'t> Stance<'t> {
    /// Everything in `table` is accepted; the provider and the network may cheat.
    pub fn of(table: &'t AssumptionTable) -> Self {
        Self {
            table,
            accept_table: true,
            accepted: BTreeMap::new(),
            adversary: [Party::Provider, Party::Network].into(),
            luck_floor: Rate::from_units(1_000_000).unwrap_or(Rate::ZERO),
        }
    }

    fn is_adversary(&self, party: Party) -> bool {
        self.adversary.contains(&party)
            || (party == Party::Log && self.adversary.contains(&Party::Provider))
    }

    /// The figures of assumption `id` as of `now`.
    fn atom(&self, id: &str, now: u64) -> Atom {
        let record = self.table.find(id);
        let own = self.accepted.get(id).or_else(|| {
            let (general, _) = id.split_once(':')?;
            self.accepted.get(general)
        });
        let over = |date: Option<Date>| date.is_some_and(|date| now >= date.start_s());
        let from_table = record
            .filter(|_| self.accept_table)
            .and_then(|record| record.probability);
        let probability = match own {
            Some((rate, until)) if !over(*until) => Some(*rate),
            Some(_) => None,
            None => from_table.filter(|_| !over(record.and_then(|record| record.expires))),
        };
        let mut atom = Atom {
            probability: probability.unwrap_or(Rate::ONE),
            // Nobody knows what it costs to break what is in no table.
            fixed: record.map_or(Some(Money::ZERO), |record| record.fixed_cost),
            marginal: record.map_or(Money::ZERO, |record| record.marginal_cost),
            scope: record.map_or(Scope::Receipt, |record| record.scope),
        };
        let held_by = record
            .and_then(|record| record.held_by)
            .filter(|party| *party != Party::Auditor);
        if held_by.is_some_and(|party| self.is_adversary(party)) {
            atom = free(atom);
        }
        atom
    }
}

/// An assumption that the adversary breaks at will.
fn free(atom: Atom) -> Atom {
    Atom {
        probability: Rate::ONE,
        fixed: Some(Money::ZERO),
        marginal: Money::ZERO,
        ..atom
    }
}

/// What is known about one threat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ThreatState {
    /// The receipt is refuted: this overrides everything.
    Contradicted {
        /// Code of the refutation.
        code: String,
    },
    /// Some evidence covers it, and all that it rests on is accepted.
    Covered,
    /// Nothing covers it for this receipt; an audit bounds the population.
    Sampled,
    /// What would cover it is there and could not be checked.
    CouldNotCheck {
        /// Code of the cause.
        code: String,
    },
    /// It is a way in which an evidence fails that the receipt does not have, or that nobody relies on.
    NotApplicable,
    /// Nothing covers it.
    NotCovered,
}

/// A way to cheat: what has to break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WayToCheat {
    /// Ids of the assumptions that have to fail together. None: cheating is free.
    pub assumptions: Vec<String>,
    /// What that costs; none: a figure is missing, so no money is known to do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// What else breaks with it.
    pub radius: Scope,
}

/// One line of the vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreatLine {
    /// The threat.
    pub threat: Threat,
    /// What is known.
    #[serde(flatten)]
    pub state: ThreatState,
    /// Code of why a further evidence that would cover it could not be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
    /// Warrants of the evidences that cover it, in the order of the specification; each of its own kind.
    pub warrants: Vec<Warrant>,
    /// Upper bound on the probability of undetected cheating, without assuming independence.
    pub probability_at_most: Rate,
    /// The cheapest way to cheat; none: there is no way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cheapest: Option<WayToCheat>,
    /// The way with the fewest assumptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest: Option<WayToCheat>,
}

/// The vector over all threats. It has no sum, mean or maximum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assessment {
    /// How many receipts a way to cheat is priced for.
    pub receipts: u64,
    /// One line for each threat, in order.
    pub lines: Vec<ThreatLine>,
}

impl Assessment {
    /// The line about `threat`.
    pub fn line(&self, threat: Threat) -> Option<&ThreatLine> {
        self.lines.iter().find(|line| line.threat == threat)
    }
}

/// One tree, worst over what the adversary may hold.
#[derive(Clone)]
struct Branch {
    accepted: bool,
    bound: Rate,
    cheapest: Option<Cut>,
    smallest: Option<Cut>,
}

impl Branch {
    /// The worse of both in each figure.
    fn worse(self, other: &Self) -> Self {
        Self {
            accepted: self.accepted && other.accepted,
            bound: self.bound.max(other.bound),
            cheapest: cheaper(self.cheapest, other.cheapest, |cut| {
                (cut.cost.map_or(u64::MAX, Money::micros), cut.atoms.len())
            }),
            smallest: cheaper(self.smallest, other.smallest, |cut| {
                (cut.atoms.len() as u64, cut.cost.map_or(usize::MAX, |_| 0))
            }),
        }
    }
}

fn cheaper<K: Ord>(a: Option<Cut>, b: Option<Cut>, key: impl Fn(&Cut) -> K) -> Option<Cut> {
    [a, b].into_iter().flatten().min_by_key(key)
}

/// The numbered assumptions of one assessment.
struct Numbered<'e> {
    ids: Vec<String>,
    atoms: Vec<Atom>,
    common: AtomSet,
    replayers: Vec<usize>,
    evidence: &'e [Evidence],
    sets: Vec<AtomSet>,
}

impl<'e> Numbered<'e> {
    fn new(evidence: &'e [Evidence], stance: &Stance<'_>, now: u64) -> Result<Self, TreeError> {
        let common = stance.table.iter().filter(|record| record.common);
        let common: BTreeSet<&str> = common.map(|record| record.id.as_str()).collect();
        let named = evidence
            .iter()
            .flat_map(|e| e.rests_on.iter().map(String::as_str));
        let ids: BTreeSet<&str> = named.chain(common.iter().copied()).collect();
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        if ids.len() > ATOMS_MAX {
            return Err(TreeError::TooManyAtoms { got: ids.len() });
        }
        let number = |id: &str| ids.binary_search_by(|known| known.as_str().cmp(id)).ok();
        let held = |id: &String| {
            stance.adversary.contains(&Party::Auditor)
                && stance.table.find(id).and_then(|r: &Assumption| r.held_by)
                    == Some(Party::Auditor)
        };
        Ok(Self {
            atoms: ids.iter().map(|id| stance.atom(id, now)).collect(),
            common: common.iter().filter_map(|id| number(id)).collect(),
            replayers: (0..ids.len())
                .filter(|at| ids.get(*at).is_some_and(held))
                .collect(),
            sets: evidence
                .iter()
                .map(|e| e.rests_on.iter().filter_map(|id| number(id)).collect())
                .collect(),
            evidence,
            ids,
        })
    }

    /// Figures of the tree of the evidences in `mask`, worst over which replayer is the adversary's.
    fn branch(&self, mask: u64, stance: &Stance<'_>, receipts: u64) -> Result<Branch, TreeError> {
        let own: Vec<Option<usize>> = if self.replayers.is_empty() {
            vec![None]
        } else {
            self.replayers.iter().copied().map(Some).collect()
        };
        let mut worst: Option<Branch> = None;
        for replayer in own {
            let branch = self.one_branch(mask, replayer, stance, receipts)?;
            worst = Some(match worst {
                Some(worst) => worst.worse(&branch),
                None => branch,
            });
        }
        // There is at least one.
        worst.ok_or(TreeError::UnknownAtom)
    }

    fn one_branch(
        &self,
        mask: u64,
        replayer: Option<usize>,
        stance: &Stance<'_>,
        receipts: u64,
    ) -> Result<Branch, TreeError> {
        let mut atoms = self.atoms.clone();
        if let Some(atom) = replayer.and_then(|at| atoms.get_mut(at)) {
            *atom = free(*atom);
        }
        let of_mask = self.evidence.iter().zip(&self.sets).enumerate();
        let supports: Vec<Support> = of_mask
            .filter(|(at, _)| in_mask(mask, *at))
            .map(|(_, (evidence, set))| Support {
                rests_on: *set,
                residual: evidence.residual,
            })
            .collect();
        let is_accepted = |set: AtomSet| {
            let mut members = set.iter().filter_map(|at| atoms.get(at));
            members.all(|atom| atom.probability < Rate::ONE)
        };
        let accepted = is_accepted(self.common) && supports.iter().any(|s| is_accepted(s.rests_on));
        let tree = FaultTree::new(&atoms, self.common, &supports, stance.luck_floor)?;
        Ok(Branch {
            accepted,
            bound: tree.bound(),
            cheapest: tree.cheapest(receipts),
            smallest: tree.smallest(receipts),
        })
    }

    fn way(&self, cut: Cut) -> WayToCheat {
        let name = |at: usize| match self.ids.get(at) {
            Some(id) => id.clone(),
            None => "luck".to_owned(),
        };
        WayToCheat {
            assumptions: cut.atoms.iter().map(name).collect(),
            cost: cut.cost,
            radius: cut.radius,
        }
    }
}

fn in_mask(mask: u64, at: usize) -> bool {
    let shift = u32::try_from(at).unwrap_or(u32::MAX);
    mask.checked_shr(shift).unwrap_or(0) & 1 == 1
}

/// Code of a revoked assumption that an evidence rests on, unless witnesses saw the receipt before.
fn revoked(evidence: &[Evidence], stance: &Stance<'_>, facts: &Facts) -> Option<String> {
    let ids = evidence.iter().flat_map(|e| &e.rests_on);
    ids.filter_map(|id| stance.table.find(id))
        .find_map(|record| {
            let since = record.revoked.map(Date::start_s)?;
            let saved = facts.witnessed_at.is_some_and(|at| at < since);
            (facts.now >= since && !saved).then(|| format!("assumption.revoked:{}", record.id))
        })
}

/// The vector over threats for one receipt. `receipts` is how many an attacker exploits at once; `warrants` of audits
/// are given by the caller, who has the error budget.
pub fn assess(
    facts: &Facts,
    stance: &Stance<'_>,
    receipts: u64,
    sampled: &[Warrant],
) -> Result<Assessment, TreeError> {
    let evidence = evidence_of(facts);
    let refutation = facts.refutation.clone();
    let contradicted = refutation.or_else(|| revoked(&evidence, stance, facts));
    let numbered = Numbered::new(&evidence, stance, facts.now)?;
    let model = facts
        .executed()
        .map_or(Threats::NONE, |_| facts.model_threats());
    let mut branches: BTreeMap<u64, Branch> = BTreeMap::new();
    let mut lines = Vec::with_capacity(Threat::COUNT);
    for threat in Threat::all() {
        let mut mask = 0_u64;
        let mut warrants = Vec::new();
        for (at, evidence) in evidence
            .iter()
            .enumerate()
            .filter(|(_, e)| e.covers.contains(threat))
        {
            // More replays than a tree holds add nothing that the first do not show.
            if warrants.len() == EVIDENCE_MAX {
                break;
            }
            mask |= 1_u64
                .checked_shl(u32::try_from(at).unwrap_or(u32::MAX))
                .unwrap_or(0);
            warrants.push(evidence.warrant.clone());
        }
        let branch = match branches.get(&mask) {
            Some(branch) => branch.clone(),
            None => {
                let branch = numbered.branch(mask, stance, receipts)?;
                branches.insert(mask, branch.clone());
                branch
            }
        };
        let audited = !sampled.is_empty() && model.contains(threat);
        if audited {
            warrants.extend(sampled.iter().cloned());
        }
        let unchecked = unchecked(facts, threat);
        let state = match &contradicted {
            Some(code) => ThreatState::Contradicted { code: code.clone() },
            None if branch.accepted => ThreatState::Covered,
            None if OF_EVIDENCE.contains(threat) => ThreatState::NotApplicable,
            None => match &unchecked {
                Some(code) => ThreatState::CouldNotCheck { code: code.clone() },
                None if audited => ThreatState::Sampled,
                None => ThreatState::NotCovered,
            },
        };
        lines.push(ThreatLine {
            threat,
            state,
            unchecked,
            warrants,
            probability_at_most: branch.bound,
            cheapest: branch.cheapest.map(|cut| numbered.way(cut)),
            smallest: branch.smallest.map(|cut| numbered.way(cut)),
        });
    }
    Ok(Assessment { receipts, lines })
}

/// Code of why an evidence that would cover `threat` could not be checked.
fn unchecked(facts: &Facts, threat: Threat) -> Option<String> {
    let wanted = would_cover(facts, threat.number()).iter();
    let mut codes = wanted.filter_map(|required| facts.unchecked.get(required));
    let anything = facts.unchecked.get(&Required::Relayed);
    codes.next().or(anything).cloned()
}
