//! What a policy says (specs/07-policy.md §1).

use std::collections::{BTreeMap, BTreeSet};

use proofmark_verify::Required;

use crate::{Date, Money, Party, Rate, Threats};

/// What a gateway does with an answer that is below the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Below {
    /// It is not handed out.
    #[default]
    Withhold,
    /// It is handed out, and says so.
    Flag,
}

/// A policy. All of its parts can be had only by parsing, which checks it (§2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) adversary: BTreeSet<Party>,
    pub(super) confidence: Rate,
    pub(super) luck_floor: Rate,
    pub(super) freshness_s: Option<u64>,
    pub(super) below: Below,
    pub(super) accept_table: bool,
    pub(super) accepted: BTreeMap<String, (Rate, Option<Date>)>,
    pub(super) threats: Vec<ThreatRule>,
    pub(super) models: Vec<ModelBlock>,
}

/// What is asked of some threats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreatRule {
    /// Which.
    pub threats: Threats,
    /// What.
    pub demand: Demand,
}

/// What is asked of a threat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// This holds for each of them.
    Require(Expr),
    /// Nothing, for this reason.
    Ignore(String),
}

/// What is asked of the answers of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelBlock {
    /// Digest of its closure; none: of every other answer.
    pub model: Option<[u8; 32]>,
    /// All of these hold.
    pub clauses: Vec<Clause>,
}

/// One demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    /// This holds.
    Require(Expr),
    /// If the answer is worth that much, these hold.
    WhenValue {
        /// From this value on.
        at_least: Money,
        /// All of these.
        clauses: Vec<Clause>,
    },
}

/// A formula without negation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// Each of these.
    All(Vec<Expr>),
    /// At least one of these.
    Any(Vec<Expr>),
    /// One thing.
    Term(Term),
}

/// One thing that can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A grade is reached.
    Grade(Required),
    /// The threat of the rule is covered for this receipt.
    Covered,
    /// So many rooted replayers confirm it.
    ReplayedBy(u32),
    /// The verifier itself re-executed it.
    ReplayedHere,
    /// Undetected cheating is at most this probable, for every required threat.
    Probability(Rate),
    /// For every required threat, cheating on `receipts` receipts costs at least that.
    CostToCheat {
        /// How many receipts are exploited.
        receipts: u32,
        /// The least cost.
        at_least: Amount,
    },
    /// The receipt is in a population of which an audit shows this.
    Audited(AuditTerm),
}

/// An amount, in money or in values of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Money.
    Money(Money),
    /// So many times the value of the answer.
    Values(u32),
}

/// What an audit has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditTerm {
    /// At most this share of the audited draws is bad.
    pub rate: Option<Rate>,
    /// At most so many receipts are bad.
    pub count: Option<u64>,
    /// With this confidence; none: a share of what the policy's budget leaves.
    pub confidence: Option<Rate>,
    /// The audit finds a cheat with this probability at least.
    pub power: Option<Rate>,
    /// The statement is not older than that, in seconds.
    pub window_s: Option<u64>,
    /// So many audits were made.
    pub audits: Option<u64>,
}

impl Policy {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What a gateway does with answers below it.
    pub fn below(&self) -> Below {
        self.below
    }

    /// Digests of the closures that it has blocks for.
    pub fn closures(&self) -> impl Iterator<Item = [u8; 32]> + '_ {
        self.models.iter().filter_map(|block| block.model)
    }

    /// The confidence that all audit terms together have.
    pub fn confidence(&self) -> Rate {
        self.confidence
    }

    /// Every audit term, in the order of the text.
    pub(super) fn audit_terms(&self) -> Vec<&AuditTerm> {
        let mut found = Vec::new();
        self.visit(&mut |term| {
            if let Term::Audited(audited) = term {
                found.push(audited);
            }
        });
        found
    }

    /// Shows every term to `see`, in the order of the text.
    pub(super) fn visit<'p>(&'p self, see: &mut dyn FnMut(&'p Term)) {
        for rule in &self.threats {
            if let Demand::Require(expr) = &rule.demand {
                expr.visit(see);
            }
        }
        for clause in self.models.iter().flat_map(|block| &block.clauses) {
            clause.visit(see);
        }
    }

    /// The threats that something is required of.
    pub(super) fn required_threats(&self) -> Threats {
        let required = self
            .threats
            .iter()
            .filter(|rule| matches!(rule.demand, Demand::Require(_)));
        required.fold(Threats::NONE, |all, rule| all.union(rule.threats))
    }
}

impl Clause {
    fn visit<'p>(&'p self, see: &mut dyn FnMut(&'p Term)) {
        match self {
            Self::Require(expr) => expr.visit(see),
            Self::WhenValue { clauses, .. } => clauses.iter().for_each(|clause| clause.visit(see)),
        }
    }
}

impl Expr {
    pub(super) fn visit<'p>(&'p self, see: &mut dyn FnMut(&'p Term)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(see)),
            Self::Term(term) => see(term),
        }
    }
}
