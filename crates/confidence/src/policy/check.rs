//! Reading a policy in any form, and whether it means something (specs/07-policy.md §2).

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{AuditTerm, Below, Clause, Policy, Term};
use super::error::PolicyError;
use super::form::{parse_json, parse_toml};
use super::parse::parse_text;
use crate::evidence::OF_EVIDENCE;
use crate::{Party, Rate, Threats};

fn meaning(code: &'static str, why: impl Into<String>) -> PolicyError {
    PolicyError::Meaning {
        code,
        why: why.into(),
    }
}

impl Policy {
    /// A policy that says nothing yet, with the defaults.
    pub(super) fn new(name: String, version: u32) -> Self {
        let unit = |units| Rate::from_units(units).unwrap_or(Rate::ZERO);
        Self {
            name,
            version,
            adversary: [Party::Provider, Party::Network].into(),
            confidence: unit(990_000_000_000),
            luck_floor: unit(1_000_000),
            freshness_s: None,
            below: Below::Withhold,
            accept_table: false,
            accepted: BTreeMap::new(),
            threats: Vec::new(),
            models: Vec::new(),
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        checked(parse_text(text)?)
    }

    /// Reads the JSON form.
    pub fn from_json(text: &str) -> Result<Self, PolicyError> {
        checked(parse_json(text)?)
    }

    /// Reads the TOML form.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        checked(parse_toml(text)?)
    }

    /// The error that an audit term has of the policy's budget (§3.5).
    pub(super) fn alpha_of(&self, term: &AuditTerm) -> Rate {
        match term.confidence {
            Some(confidence) => confidence.complement(),
            None => self.remaining_alpha(),
        }
    }

    fn remaining_alpha(&self) -> Rate {
        let terms = self.audit_terms();
        let stated = terms.iter().filter_map(|term| term.confidence);
        let taken = stated.fold(Rate::ZERO, |sum, confidence| {
            sum.plus(confidence.complement())
        });
        let others = terms
            .iter()
            .filter(|term| term.confidence.is_none())
            .count();
        self.confidence.complement().minus(taken).split(others)
    }
}

fn checked(policy: Policy) -> Result<Policy, PolicyError> {
    check_alpha(&policy)?;
    check_threats(&policy)?;
    check_models(&policy)?;
    Ok(policy)
}

fn check_alpha(policy: &Policy) -> Result<(), PolicyError> {
    let terms = policy.audit_terms();
    let errors = terms.iter().map(|term| policy.alpha_of(term));
    let spent = errors.clone().fold(Rate::ZERO, Rate::plus);
    let budget = policy.confidence.complement();
    if spent > budget {
        return Err(meaning(
            "policy.alpha-exceeded",
            format!(
                "the audit terms together may err with {spent}, the policy with {budget}: state lower `confidence` in the policy, or higher in the terms"
            ),
        ));
    }
    if errors.into_iter().any(|alpha| alpha == Rate::ZERO) {
        return Err(meaning(
            "policy.alpha-exceeded",
            "an audit term is left without any error: no audit shows anything with a confidence of 100%",
        ));
    }
    Ok(())
}

fn check_threats(policy: &Policy) -> Result<(), PolicyError> {
    let mut seen = Threats::NONE;
    for rule in &policy.threats {
        if let Some(threat) = rule.threats.iter().find(|threat| seen.contains(*threat)) {
            return Err(meaning(
                "policy.threat-twice",
                format!("{threat} stands in two rules"),
            ));
        }
        seen = seen.union(rule.threats);
    }
    let mut wanted = None;
    policy.visit(&mut |term| match term {
        Term::Probability(_) | Term::CostToCheat { .. } => wanted = Some(term.to_string()),
        _ => {}
    });
    match wanted {
        Some(term) if policy.required_threats().without(OF_EVIDENCE) == Threats::NONE => {
            Err(meaning(
                "policy.threats-missing",
                format!(
                    "`{term}` is about the required threats, and there are none: add `threats T01..T07 require covered`"
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn check_models(policy: &Policy) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for block in &policy.models {
        if !seen.insert(block.model) {
            return Err(meaning("policy.model-twice", "a model has two blocks"));
        }
        if block.clauses.is_empty() && policy.required_threats() == Threats::NONE {
            return Err(meaning(
                "policy.empty",
                "a block requires nothing, and neither do the rules on threats",
            ));
        }
        check_values(&block.clauses, false)?;
    }
    if policy.models.is_empty() {
        return Err(meaning(
            "policy.empty",
            "no model has a block: add `for model * { … }`",
        ));
    }
    Ok(())
}

/// That no population bound stands for one valuable answer.
fn check_values(clauses: &[Clause], valued: bool) -> Result<(), PolicyError> {
    for clause in clauses {
        match clause {
            Clause::Require(expr) => {
                let mut audited = false;
                expr.visit(&mut |term| audited |= matches!(term, Term::Audited(_)));
                if valued && audited {
                    return Err(meaning(
                        "policy.value-of-one",
                        "`audited` inside `when value`: a bound on a population says nothing of one valuable answer",
                    ));
                }
            }
            Clause::WhenValue { clauses, .. } => check_values(clauses, true)?,
        }
    }
    Ok(())
}
