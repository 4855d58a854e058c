//! Evaluation: total, monotone; unknown denies, a refutation vetoes (specs/07-policy.md §3).

use std::collections::BTreeMap;

use proofmark_verify::Required;
use serde::Serialize;

use super::ast::{Amount, AuditTerm, Clause, Demand, Expr, ModelBlock, Policy, Term};
use super::print::ranges;
use super::truth::Truth;
use super::values::{duration_text, model_text};
use crate::audit::Population;
use crate::evidence::OF_EVIDENCE;
use crate::{
    Assessment, AssumptionTable, Facts, Money, Origin, Stance, Threat, ThreatLine, ThreatState,
    Threats, Warrant, WayToCheat, assess,
};

/// What a policy comes to for one receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that the policy requires holds.
    Satisfied,
    /// Something that it requires does not hold.
    Denied,
    /// Something that it requires could not be checked; it denies, too.
    Undecided,
    /// The receipt is refuted.
    Vetoed,
}

impl Outcome {
    /// Exit code of every tool: 0, 11, 12 or 10.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Satisfied => 0,
            Self::Denied => 11,
            Self::Undecided => 12,
            Self::Vetoed => 10,
        }
    }
}

/// What one clause came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClauseResult {
    /// The clause in its canonical text.
    pub clause: String,
    /// Whether it holds.
    pub holds: Truth,
    /// Why not, one sentence for each term that does not.
    pub why: Vec<String>,
}

/// A decision and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What it comes to.
    pub outcome: Outcome,
    /// Code of the refutation of a veto.
    pub veto: Option<String>,
    /// Every clause that applied, in the order of the policy.
    pub clauses: Vec<ClauseResult>,
    /// The vector over threats under the policy's assumptions and adversary; none if it rests on too many.
    pub assessment: Option<Assessment>,
}

/// What an expression is about: one threat and its line of the vector, or the receipt as a whole.
#[derive(Clone, Copy, Default)]
struct About<'l> {
    threat: Option<Threat>,
    line: Option<&'l ThreatLine>,
}

/// Everything that terms read.
struct Evaluation<'e> {
    policy: &'e Policy,
    facts: &'e Facts,
    /// By the number of receipts that are exploited.
    vectors: BTreeMap<u32, Option<Assessment>>,
}

impl Policy {
    /// Whose assumptions count under this policy, and against whom.
    pub fn stance<'t>(&self, table: &'t AssumptionTable) -> Stance<'t> {
        Stance {
            table,
            accept_table: self.accept_table,
            accepted: self.accepted.clone(),
            adversary: self.adversary.clone(),
            luck_floor: self.luck_floor,
        }
    }

    /// Warrants of the audits of `facts`, at the least error that a term of the policy has.
    fn sampled(&self, facts: &Facts) -> Vec<Warrant> {
        let alphas = self
            .audit_terms()
            .into_iter()
            .map(|term| self.alpha_of(term));
        let Some(alpha) = alphas.min() else {
            return Vec::new();
        };
        let warrant = |population: &Population| Warrant::Sampled {
            rate_at_most: population.rate_at_most(alpha),
            confidence: alpha.complement(),
            population: population.ledger.auditable,
        };
        facts.audits.iter().map(warrant).collect()
    }

    /// Decides. Pure: the same inputs give the same decision everywhere.
    pub fn evaluate(&self, facts: &Facts, table: &AssumptionTable) -> Decision {
        let stance = self.stance(table);
        let sampled = self.sampled(facts);
        let mut wanted = vec![1];
        self.visit(&mut |term| {
            if let Term::CostToCheat { receipts, .. } = term {
                wanted.push(*receipts);
            }
        });
        wanted.sort_unstable();
        wanted.dedup();
        let vector = |receipts: u32| assess(facts, &stance, receipts.into(), &sampled).ok();
        let evaluation = Evaluation {
            policy: self,
            facts,
            vectors: wanted
                .into_iter()
                .map(|receipts| (receipts, vector(receipts)))
                .collect(),
        };
        evaluation.decide()
    }

    fn block(&self, origin: Origin) -> Option<&ModelBlock> {
        let named = |closure| {
            self.models
                .iter()
                .find(|block| block.model == Some(closure))
        };
        let own = match origin {
            Origin::Executed { closure, .. } => named(closure),
            Origin::Relayed | Origin::Unknown => None,
        };
        own.or_else(|| self.models.iter().find(|block| block.model.is_none()))
    }
}

impl Evaluation<'_> {
    fn decide(mut self) -> Decision {
        let mut clauses = Vec::new();
        for rule in &self.policy.threats {
            if let Demand::Require(expr) = &rule.demand {
                clauses.push(self.threat_rule(rule.threats, expr));
            }
        }
        match self.policy.block(self.facts.origin) {
            Some(block) => {
                clauses.extend(block.clauses.iter().map(|clause| self.clause(clause)));
            }
            None => clauses.push(ClauseResult {
                clause: "for model …".into(),
                holds: Truth::False,
                why: vec![match self.facts.origin {
                    Origin::Executed { closure, .. } => {
                        format!(
                            "the policy has no block for the model {}",
                            model_text(&closure)
                        )
                    }
                    Origin::Relayed => {
                        "the policy has blocks for exact models only, and the answer was relayed"
                            .into()
                    }
                    Origin::Unknown => "the receipt could not be read".into(),
                }],
            }),
        }
        if let Some(limit_s) = self.policy.freshness_s {
            clauses.push(self.freshness(limit_s));
        }
        // A receipt that nobody rooted stands behind satisfies nothing, whatever the policy leaves out.
        let base = self.grade(Required::Relayed);
        if base.0 != Truth::True {
            clauses.push(ClauseResult {
                clause: "require relayed".into(),
                holds: base.0,
                why: vec![base.1],
            });
        }
        let assessment = self.vectors.remove(&1).flatten();
        let first = assessment.as_ref().and_then(|a| a.lines.first());
        let contradiction = match first.map(|line| &line.state) {
            Some(ThreatState::Contradicted { code }) => Some(code.clone()),
            _ => None,
        };
        let veto = self.facts.refutation.clone().or(contradiction);
        let outcome = match Truth::all(clauses.iter().map(|clause| clause.holds)) {
            _ if veto.is_some() => Outcome::Vetoed,
            Truth::True => Outcome::Satisfied,
            Truth::Unknown => Outcome::Undecided,
            Truth::False => Outcome::Denied,
        };
        Decision {
            outcome,
            veto,
            clauses,
            assessment,
        }
    }

    fn line(&self, threat: Threat) -> Option<&ThreatLine> {
        self.vectors.get(&1)?.as_ref()?.line(threat)
    }

    /// One rule on threats: it holds for each of them, but for those that are ways in which an evidence fails.
    fn threat_rule(&self, threats: Threats, expr: &Expr) -> ClauseResult {
        let mut truths = Vec::new();
        let mut why: Vec<String> = Vec::new();
        for threat in threats.without(OF_EVIDENCE).iter() {
            let about = About {
                threat: Some(threat),
                line: self.line(threat),
            };
            let mut reasons = Vec::new();
            let truth = self.expr(expr, about, &mut reasons);
            truths.push(truth);
            if truth != Truth::True {
                for reason in reasons {
                    if !why.contains(&reason) {
                        why.push(reason);
                    }
                }
            }
        }
        ClauseResult {
            clause: format!("threats {} require {expr}", ranges(threats)),
            holds: Truth::all(truths),
            why,
        }
    }

    fn clause(&self, clause: &Clause) -> ClauseResult {
        match clause {
            Clause::Require(expr) => {
                let mut why = Vec::new();
                let holds = self.expr(expr, About::default(), &mut why);
                if holds == Truth::True {
                    why.clear();
                }
                ClauseResult {
                    clause: format!("require {expr}"),
                    holds,
                    why,
                }
            }
            Clause::WhenValue { at_least, clauses } => {
                let inner: Vec<ClauseResult> =
                    clauses.iter().map(|clause| self.clause(clause)).collect();
                let text: Vec<&str> = inner.iter().map(|result| result.clause.as_str()).collect();
                let text = format!("when value >= {at_least} {{ {} }}", text.join(" "));
                let holds = Truth::all(inner.iter().map(|result| result.holds));
                let mut why: Vec<String> =
                    inner.into_iter().flat_map(|result| result.why).collect();
                let holds = match self.facts.value {
                    Some(value) if value < *at_least => Truth::True,
                    None if holds != Truth::True => {
                        why.insert(0, "what the answer is worth is not known".into());
                        Truth::Unknown
                    }
                    Some(_) | None => holds,
                };
                if holds == Truth::True {
                    why.clear();
                }
                ClauseResult {
                    clause: text,
                    holds,
                    why,
                }
            }
        }
    }

    /// The value of `expr`; reasons of terms that are not true are put into `why`.
    fn expr(&self, expr: &Expr, about: About<'_>, why: &mut Vec<String>) -> Truth {
        match expr {
            Expr::All(parts) => Truth::all(parts.iter().map(|part| self.expr(part, about, why))),
            Expr::Any(parts) => Truth::any(parts.iter().map(|part| self.expr(part, about, why))),
            Expr::Term(term) => {
                let (truth, reason) = self.term(term, about);
                if truth != Truth::True {
                    why.push(reason);
                }
                truth
            }
        }
    }

    fn term(&self, term: &Term, about: About<'_>) -> (Truth, String) {
        match term {
            Term::Grade(required) => self.grade(*required),
            Term::Covered => covered(about.line),
            Term::ReplayedBy(k) => self.replayed_by(*k),
            Term::ReplayedHere => (
                self.facts.replayed_here.into(),
                "it was not re-executed here".into(),
            ),
            Term::Probability(limit) => self.worst(1, |line| {
                (line.probability_at_most > *limit).then(|| {
                    format!(
                        "undetected cheating by {} is bounded by {} only",
                        line.threat, line.probability_at_most
                    )
                })
            }),
            Term::CostToCheat { receipts, at_least } => self.cost_to_cheat(*receipts, *at_least),
            Term::Audited(term) => self.audited(term, about.threat),
        }
    }

    fn grade(&self, required: Required) -> (Truth, String) {
        if self.facts.has(required) {
            return (Truth::True, String::new());
        }
        let anything = self.facts.unchecked.get(&Required::Relayed);
        match self.facts.unchecked.get(&required).or(anything) {
            Some(code) => (
                Truth::Unknown,
                format!("{required} could not be checked ({code})"),
            ),
            None => (
                Truth::False,
                format!("the receipt does not reach {required}"),
            ),
        }
    }

    fn replayed_by(&self, k: u32) -> (Truth, String) {
        let (reached, why) = self.grade(Required::Replayed);
        if reached != Truth::True {
            return (reached, why);
        }
        let count = self.facts.replayers.len();
        let enough = usize::try_from(k).is_ok_and(|k| count >= k);
        (
            enough.into(),
            format!("re-executed by {count} of {k} replayers whom you believe"),
        )
    }

    /// Whether no required, applicable line of the vector fails; why the first one does.
    fn worst(
        &self,
        receipts: u32,
        fails: impl Fn(&ThreatLine) -> Option<String>,
    ) -> (Truth, String) {
        let Some(Some(vector)) = self.vectors.get(&receipts) else {
            return (
                Truth::Unknown,
                "the receipt rests on too many assumptions to be assessed".into(),
            );
        };
        let required = self.policy.required_threats().without(OF_EVIDENCE);
        let lines = vector
            .lines
            .iter()
            .filter(|line| required.contains(line.threat));
        let failures = lines.filter_map(|line| {
            let truth = if line.unchecked.is_some() {
                Truth::Unknown
            } else {
                Truth::False
            };
            Some((truth, fails(line)?))
        });
        failures
            .min_by_key(|(truth, _)| *truth)
            .unwrap_or((Truth::True, String::new()))
    }

    fn cost_to_cheat(&self, receipts: u32, at_least: Amount) -> (Truth, String) {
        let wanted = match (at_least, self.facts.value) {
            (Amount::Money(money), _) => money,
            (Amount::Values(times), Some(value)) => value.times(times.into()),
            (Amount::Values(_), None) => {
                return (
                    Truth::Unknown,
                    "what the answer is worth is not known".into(),
                );
            }
        };
        self.worst(receipts, |line| {
            let cheapest = line.cheapest.as_ref()?;
            let cost = cheapest.cost.filter(|cost| *cost < wanted)?;
            Some(format!(
                "{} costs {cost}, less than {wanted}: {}",
                line.threat,
                breaks(cheapest, cost)
            ))
        })
    }

    fn audited(&self, term: &AuditTerm, threat: Option<Threat>) -> (Truth, String) {
        if let Some(threat) = threat
            && !self.facts.sampled_threats().contains(threat)
        {
            let why = match (threat.number(), self.facts.executed()) {
                (13, Some(false)) => {
                    ": the node chose the seed, and an audit cannot see which others it tried"
                }
                _ => "",
            };
            return (
                Truth::False,
                format!(
                    "an audit bounds nothing about {threat} {}{why}",
                    threat.name()
                ),
            );
        }
        let alpha = self.policy.alpha_of(term);
        let mut why = format!("no audited population with {term} holds the receipt");
        for population in &self.facts.audits {
            match shortfall(population, term, alpha, self.facts.now) {
                None => return (Truth::True, String::new()),
                Some(reason) => why = format!("audit by {:?}: {reason}", population.auditor),
            }
        }
        (Truth::False, why)
    }

    fn freshness(&self, limit_s: u64) -> ClauseResult {
        let seen = self.facts.witnessed_at.or(self.facts.issued_at);
        let age = seen.map(|seen| self.facts.now.saturating_sub(seen));
        let (holds, why) = match age {
            Some(age) if age <= limit_s => (Truth::True, None),
            Some(age) => (
                Truth::False,
                Some(format!("the receipt is {age} seconds old")),
            ),
            None => (
                Truth::Unknown,
                Some("how old the receipt is is not known".into()),
            ),
        };
        ClauseResult {
            clause: format!("freshness <= {}", duration_text(limit_s)),
            holds,
            why: why.into_iter().collect(),
        }
    }
}

fn breaks(way: &WayToCheat, cost: Money) -> String {
    if way.assumptions.is_empty() {
        "nothing has to be broken".into()
    } else {
        format!("break {} for {cost}", way.assumptions.join(" and "))
    }
}

fn covered(line: Option<&ThreatLine>) -> (Truth, String) {
    let Some(line) = line else {
        return (
            Truth::Unknown,
            "the receipt rests on too many assumptions to be assessed".into(),
        );
    };
    let name = format!("{} {}", line.threat, line.threat.name());
    match &line.state {
        ThreatState::Covered | ThreatState::NotApplicable => (Truth::True, String::new()),
        ThreatState::CouldNotCheck { code } => (
            Truth::Unknown,
            format!("{name}: what would cover it could not be checked ({code})"),
        ),
        ThreatState::Contradicted { code } => (Truth::False, format!("{name}: refuted ({code})")),
        ThreatState::Sampled => (
            Truth::False,
            format!("{name} is bounded for the population only, not for this receipt"),
        ),
        ThreatState::NotCovered if line.warrants.is_empty() => {
            (Truth::False, format!("{name} is not covered"))
        }
        ThreatState::NotCovered => {
            let rests_on = line
                .cheapest
                .as_ref()
                .map_or_else(String::new, |way| way.assumptions.join(" and "));
            (
                Truth::False,
                format!("{name} is covered only if one accepts what is not accepted: {rests_on}"),
            )
        }
    }
}

/// What a population lacks to satisfy `term` at error `alpha`.
fn shortfall(
    population: &Population,
    term: &AuditTerm,
    alpha: crate::Rate,
    now: u64,
) -> Option<String> {
    let ledger = &population.ledger;
    if let Some(power) = term.power.filter(|power| population.power < *power) {
        return Some(format!(
            "it finds a cheat with {} only, not {power}",
            population.power
        ));
    }
    if let Some(window_s) = term.window_s {
        let age = now.saturating_sub(population.audited_at);
        if age > window_s {
            return Some(format!("it is {age} seconds old"));
        }
    }
    if let Some(audits) = term.audits.filter(|audits| ledger.audited < *audits) {
        return Some(format!("{} audits of {audits}", ledger.audited));
    }
    let shown = || {
        format!(
            "{} audits with {} findings",
            ledger.audited, ledger.findings
        )
    };
    if let Some(rate) = term.rate.filter(|rate| !population.certifies(*rate, alpha)) {
        let most = population.rate_at_most(alpha);
        return Some(format!(
            "{} show a rate of at most {most} at confidence {}, not {rate}",
            shown(),
            alpha.complement()
        ));
    }
    if let Some(count) = term.count {
        let most = population.count_at_most(alpha);
        if most > count {
            return Some(format!(
                "{} show at most {most} bad receipts at confidence {}, not {count}",
                shown(),
                alpha.complement()
            ));
        }
    }
    None
}
