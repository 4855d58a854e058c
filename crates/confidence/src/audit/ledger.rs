//! The books of an audit: strata, what was found, and what follows (specs/06-confidence.md §8.1, §8.5).

use serde::Serialize;

use super::count::count_at_most;
use super::process::{certifies, rate_at_most};
use crate::Rate;

/// Which part of a population a leaf belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stratum {
    /// Executed by the node, with permission to audit: the only one that has a bound.
    Auditable,
    /// Executed by the node, without permission.
    WithoutPermission,
    /// Relayed: there is nothing to execute again.
    Relayed,
}

/// What became of a selected receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The same came out.
    Same,
    /// Something else came out, or it was not opened in time, or is not what its leaf says.
    Finding,
    /// The auditor could not make the audit, for reasons of its own.
    NotAudited,
}

/// Tallies of a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Ledger {
    /// Executed, with permission.
    pub auditable: u64,
    /// Executed, without permission.
    pub without_permission: u64,
    /// Relayed.
    pub relayed: u64,
    /// Selected by the coin.
    pub selected: u64,
    /// Audited: the same, or a finding.
    pub audited: u64,
    /// Findings.
    pub findings: u64,
}

impl Ledger {
    /// Books a leaf.
    pub fn offer(&mut self, stratum: Stratum) {
        let tally = match stratum {
            Stratum::Auditable => &mut self.auditable,
            Stratum::WithoutPermission => &mut self.without_permission,
            Stratum::Relayed => &mut self.relayed,
        };
        *tally = tally.saturating_add(1);
    }

    /// Books the outcome of a selected leaf.
    pub fn record(&mut self, outcome: Outcome) {
        self.selected = self.selected.saturating_add(1);
        if outcome != Outcome::NotAudited {
            self.audited = self.audited.saturating_add(1);
        }
        if outcome == Outcome::Finding {
            self.findings = self.findings.saturating_add(1);
        }
    }

    /// All leaves.
    pub fn leaves(&self) -> u64 {
        let executed = self.auditable.saturating_add(self.without_permission);
        executed.saturating_add(self.relayed)
    }

    /// Share of the executed receipts about which nothing is known, rounded up.
    pub fn share_without_permission(&self) -> Rate {
        let executed = self.auditable.saturating_add(self.without_permission);
        if executed == 0 {
            return Rate::ZERO;
        }
        Rate::at_least(self.without_permission as f64 / executed as f64)
    }

    /// This and what was booked after it.
    #[must_use]
    pub fn plus(&self, later: &Self) -> Self {
        Self {
            auditable: self.auditable.saturating_add(later.auditable),
            without_permission: self
                .without_permission
                .saturating_add(later.without_permission),
            relayed: self.relayed.saturating_add(later.relayed),
            selected: self.selected.saturating_add(later.selected),
            audited: self.audited.saturating_add(later.audited),
            findings: self.findings.saturating_add(later.findings),
        }
    }
}

/// An audited population: one line of statistics that a decision may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Population {
    /// Who audited.
    pub auditor: String,
    /// Origin of the log.
    pub log: String,
    /// First index.
    pub from: u64,
    /// Index after the last.
    pub to: u64,
    /// Unix seconds at which the audit was finished.
    pub audited_at: u64,
    /// Probability of a coin, if it was the same for all; otherwise the smallest.
    pub coin: Rate,
    /// The tallies.
    pub ledger: Ledger,
    /// Lower bound on the probability that an audit finds a cheat.
    pub power: Rate,
    /// Error at which that bound was estimated; 0 if it is exact.
    pub power_alpha: Rate,
}

impl Population {
    /// What is left of `alpha` once the bound on the power is paid for.
    fn own_alpha(&self, alpha: Rate) -> Rate {
        alpha.minus(self.power_alpha)
    }

    /// Whether at most `rate` of the audited draws were bad, with confidence 1 − `alpha`.
    pub fn certifies(&self, rate: Rate, alpha: Rate) -> bool {
        let Ledger {
            audited, findings, ..
        } = self.ledger;
        let alpha = self.own_alpha(alpha);
        alpha > Rate::ZERO && certifies(audited, findings, rate, self.power, alpha)
    }

    /// The least rate that is certified; 1 if none is.
    pub fn rate_at_most(&self, alpha: Rate) -> Rate {
        let Ledger {
            audited, findings, ..
        } = self.ledger;
        match self.own_alpha(alpha) {
            Rate::ZERO => Rate::ONE,
            alpha => rate_at_most(audited, findings, self.power, alpha),
        }
    }

    /// Most bad receipts among the auditable ones, with confidence 1 − `alpha`. Coins that were not looked at for the
    /// auditor's own reasons count as findings here.
    pub fn count_at_most(&self, alpha: Rate) -> u64 {
        let unseen = self.ledger.selected.saturating_sub(self.ledger.audited);
        let findings = self.ledger.findings.saturating_add(unseen);
        match self.own_alpha(alpha) {
            Rate::ZERO => self.ledger.auditable,
            alpha => {
                count_at_most(findings, self.coin, self.power, alpha).min(self.ledger.auditable)
            }
        }
    }
}
