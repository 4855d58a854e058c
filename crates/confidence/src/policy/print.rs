//! The canonical text (specs/07-policy.md §1.3).

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use super::ast::{Amount, AuditTerm, Below, Clause, Demand, Expr, Policy, Term};
use super::values::{duration_text, model_text, party_text};
use crate::{Threat, Threats};

impl Policy {
    /// Digest of the canonical text: what names a policy in receipts, requests and terms.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"proofmark/policy/1\n");
        hash.update(self.to_string());
        hash.finalize().into()
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "policy \"{}\" version {} {{", self.name, self.version)?;
        let parties: Vec<&str> = self
            .adversary
            .iter()
            .map(|party| party_text(*party))
            .collect();
        writeln!(f, "  adversary = [{}]", parties.join(", "))?;
        writeln!(f, "  confidence = {}", self.confidence)?;
        writeln!(f, "  luck_floor = {}", self.luck_floor)?;
        if let Some(freshness_s) = self.freshness_s {
            writeln!(f, "  freshness <= {}", duration_text(freshness_s))?;
        }
        let below = match self.below {
            Below::Withhold => "withhold",
            Below::Flag => "flag",
        };
        writeln!(f, "  below = {below}")?;
        writeln!(f, "  on_unknown = deny")?;
        if self.accept_table || !self.accepted.is_empty() {
            writeln!(f, "  accept {{")?;
            if self.accept_table {
                writeln!(f, "    table")?;
            }
            for (id, (rate, until)) in &self.accepted {
                write!(f, "    {id} <= {rate}")?;
                if let Some(until) = until {
                    write!(f, " until {until}")?;
                }
                writeln!(f)?;
            }
            writeln!(f, "  }}")?;
        }
        for rule in &self.threats {
            write!(f, "  threats {} ", ranges(rule.threats))?;
            match &rule.demand {
                Demand::Require(expr) => writeln!(f, "require {expr}")?,
                Demand::Ignore(reason) => writeln!(f, "ignore \"{reason}\"")?,
            }
        }
        for block in &self.models {
            match &block.model {
                Some(digest) => writeln!(f, "  for model \"{}\" {{", model_text(digest))?,
                None => writeln!(f, "  for model * {{")?,
            }
            write_clauses(f, &block.clauses, "    ")?;
            writeln!(f, "  }}")?;
        }
        writeln!(f, "}}")
    }
}

fn write_clauses(f: &mut fmt::Formatter<'_>, clauses: &[Clause], indent: &str) -> fmt::Result {
    for clause in clauses {
        match clause {
            Clause::Require(expr) => writeln!(f, "{indent}require {expr}")?,
            Clause::WhenValue { at_least, clauses } => {
                writeln!(f, "{indent}when value >= {at_least} {{")?;
                write_clauses(f, clauses, &format!("{indent}  "))?;
                writeln!(f, "{indent}}}")?;
            }
        }
    }
    Ok(())
}

/// `T01..T07, T09`.
pub(super) fn ranges(threats: Threats) -> String {
    let mut text = String::new();
    let mut members = threats.iter().peekable();
    while let Some(first) = members.next() {
        let mut last = first;
        let follows =
            |last: Threat, next: &Threat| next.number().checked_sub(1) == Some(last.number());
        while let Some(next) = members.next_if(|next| follows(last, next)) {
            last = next;
        }
        let comma = if text.is_empty() { "" } else { ", " };
        let range = if first == last {
            String::new()
        } else {
            format!("..{last}")
        };
        // Writing into a string does not fail.
        let _ = write!(text, "{comma}{first}{range}");
    }
    text
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Term(term) => return fmt::Display::fmt(term, f),
            Self::All(parts) => (parts, " and "),
            Self::Any(parts) => (parts, " or "),
        };
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                f.write_str(word)?;
            }
            match part {
                Self::Term(term) => fmt::Display::fmt(term, f)?,
                Self::All(_) if word == " or " => fmt::Display::fmt(part, f)?,
                Self::All(_) | Self::Any(_) => write!(f, "({part})")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grade(required) => f.write_str(required.name()),
            Self::Covered => f.write_str("covered"),
            Self::ReplayedBy(k) => write!(f, "replayed(k >= {k})"),
            Self::ReplayedHere => f.write_str("replayed_here"),
            Self::Probability(rate) => write!(f, "probability <= {rate}"),
            Self::CostToCheat { receipts, at_least } => {
                write!(f, "cost_to_cheat(n = {receipts}) >= ")?;
                match at_least {
                    Amount::Money(money) => write!(f, "{money}"),
                    Amount::Values(times) => write!(f, "{times} * value"),
                }
            }
            Self::Audited(term) => write!(f, "audited({term})"),
        }
    }
}

impl fmt::Display for AuditTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = [
            self.rate.map(|rate| format!("rate <= {rate}")),
            self.count.map(|count| format!("count <= {count}")),
            self.confidence
                .map(|confidence| format!("confidence >= {confidence}")),
            self.power.map(|power| format!("power >= {power}")),
            self.window_s
                .map(|window_s| format!("window <= {}", duration_text(window_s))),
            self.audits.map(|audits| format!("audits >= {audits}")),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        f.write_str(&limits.join(", "))
    }
}
