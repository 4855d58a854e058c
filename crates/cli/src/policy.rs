//! Policies on the command line: reading them in any form, deciding by them, and saying how that came about.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use proofmark_confidence::policy::{Decision, Outcome, Policy, PolicyError, Step, Truth};
use proofmark_confidence::{
    AssumptionTable, Facts, Money, NEVER_COVERED, TABLE_MAX_BYTES, ThreatLine, ThreatState, Warrant,
};
use proofmark_verify::printable;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::files;
use crate::hex::hex;
use crate::ui::{BAD, FAINT, GOOD, STRONG, UNKNOWN};

/// Policies are small; this bounds what a stranger's file can make us hold.
const POLICY_MAX_BYTES: usize = 64 << 10;

/// What a decision needs beside the policy.
#[derive(Debug, Args)]
pub(crate) struct Weights {
    /// Table of assumptions to decide by, instead of the shipped, advisory one (proofmark policy assumptions).
    #[arg(long, value_name = "FILE", requires = "policy")]
    assumptions: Option<PathBuf>,
    /// What the answer is worth to you, such as '$5_000'.
    #[arg(long, value_name = "AMOUNT", requires = "policy")]
    value: Option<Money>,
}

impl Weights {
    pub(crate) fn table(&self) -> Result<AssumptionTable, CommandError> {
        let table = match &self.assumptions {
            Some(path) => AssumptionTable::from_toml(&files::read_text(path, TABLE_MAX_BYTES)?),
            None => AssumptionTable::advisory(),
        };
        table.map_err(|error| {
            let code = error.code();
            CommandError::usage("the table of assumptions cannot be used")
                .code(code)
                .because(error)
        })
    }

    pub(crate) fn value(&self) -> Option<Money> {
        self.value
    }
}

/// Reads a policy: JSON and TOML by the ends of their names, the text form otherwise.
pub(crate) fn read(path: &Path) -> Result<Policy, CommandError> {
    let text = files::read_text(path, POLICY_MAX_BYTES)?;
    let policy = match path.extension().and_then(|end| end.to_str()) {
        Some("json") => Policy::from_json(&text),
        Some("toml") => Policy::from_toml(&text),
        _ => Policy::parse(&text),
    };
    policy.map_err(|error| unreadable(path, &text, error))
}

/// The line with the mistake, and a mark under it.
fn unreadable(path: &Path, text: &str, error: PolicyError) -> CommandError {
    let code = error.code();
    let mut shown =
        CommandError::usage(format!("{} is not a usable policy", path.display())).code(code);
    if let Some(place) = error.place()
        && let Some(line) = text.lines().nth(place.line.saturating_sub(1))
    {
        let line = printable(line);
        let before = line.chars().take(place.column.saturating_sub(1)).count();
        shown = shown.hint(format!("{line}\n{:before$}^ here", ""));
    }
    shown.because(error)
}

/// A decision together with what would change it.
pub(crate) struct Decided {
    pub(crate) policy: Policy,
    pub(crate) decision: Decision,
    satisfying: Vec<Vec<Step>>,
}

/// Decides by `policy`.
pub(crate) fn decide(policy: Policy, facts: &Facts, table: &AssumptionTable) -> Decided {
    Decided {
        decision: policy.evaluate(facts, table),
        satisfying: policy.what_would_satisfy(facts, table),
        policy,
    }
}

impl Decided {
    pub(crate) fn exit_code(&self) -> u8 {
        self.decision.outcome.exit_code()
    }

    pub(crate) fn to_json(&self) -> Value {
        let sets = self.satisfying.iter();
        let sets: Vec<Vec<String>> = sets
            .map(|set| set.iter().map(ToString::to_string).collect())
            .collect();
        json!({
            "policy": self.policy.name(),
            "version": self.policy.version(),
            "digest": hex(&self.policy.digest()),
            "decision": self.decision,
            "what_would_satisfy": sets,
            "not_covered": NEVER_COVERED,
        })
    }

    /// For people. With `threats` the whole vector.
    pub(crate) fn write(&self, out: &mut dyn Write, threats: bool) -> io::Result<()> {
        writeln!(
            out,
            "{STRONG}Policy {}{STRONG:#} version {}",
            printable(self.policy.name()),
            self.policy.version()
        )?;
        for clause in &self.decision.clauses {
            let (style, symbol) = match clause.holds {
                Truth::True => (GOOD, "✔"),
                Truth::False => (BAD, "✘"),
                Truth::Unknown => (UNKNOWN, "?"),
            };
            writeln!(
                out,
                "  {style}{symbol}{style:#} {}",
                printable(&clause.clause)
            )?;
            for why in &clause.why {
                writeln!(out, "      {FAINT}{}{FAINT:#}", printable(why))?;
            }
        }
        if threats {
            self.write_threats(out)?;
        }
        let verdict = match self.decision.outcome {
            Outcome::Satisfied => format!("{GOOD}SATISFIED{GOOD:#}"),
            Outcome::Denied => format!("{BAD}DENIED{BAD:#}  a clause does not hold"),
            Outcome::Undecided => format!(
                "{UNKNOWN}UNDECIDED{UNKNOWN:#}  something could not be checked, which denies"
            ),
            Outcome::Vetoed => {
                let code = self.decision.veto.as_deref().unwrap_or_default();
                format!(
                    "{BAD}VETOED{BAD:#}  the receipt is refuted ({})",
                    printable(code)
                )
            }
        };
        writeln!(out, "{verdict}")?;
        if !self.satisfying.is_empty() {
            writeln!(
                out,
                "{STRONG}What would satisfy it{STRONG:#}, each line by itself:"
            )?;
            for set in &self.satisfying {
                let steps: Vec<String> = set.iter().map(ToString::to_string).collect();
                writeln!(out, "  – {}", steps.join(", and "))?;
            }
        } else if matches!(self.decision.outcome, Outcome::Denied | Outcome::Undecided) {
            writeln!(out, "No evidence of three kinds or fewer would satisfy it.")?;
        }
        writeln!(
            out,
            "{STRONG}Not covered, whatever the policy:{STRONG:#} {}.",
            NEVER_COVERED.join("; ")
        )
    }

    fn write_threats(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(assessment) = &self.decision.assessment else {
            return writeln!(
                out,
                "The receipt rests on too many assumptions to be assessed."
            );
        };
        writeln!(out, "{STRONG}Threats{STRONG:#}")?;
        for line in &assessment.lines {
            write_line(out, line)?;
        }
        Ok(())
    }
}

fn write_line(out: &mut dyn Write, line: &ThreatLine) -> io::Result<()> {
    let (style, symbol, state) = match &line.state {
        ThreatState::Covered => (GOOD, "✔", "covered".to_owned()),
        ThreatState::Sampled => (UNKNOWN, "~", "bounded for the population only".into()),
        ThreatState::NotCovered => (FAINT, "–", "not covered".into()),
        ThreatState::NotApplicable => (FAINT, "·", "of an evidence that is not relied on".into()),
        ThreatState::CouldNotCheck { code } => {
            (UNKNOWN, "?", format!("could not be checked ({code})"))
        }
        ThreatState::Contradicted { code } => (BAD, "✘", format!("refuted ({code})")),
    };
    let warrants: Vec<String> = line.warrants.iter().map(warrant).collect();
    let by = if warrants.is_empty() {
        String::new()
    } else {
        format!(": {}", warrants.join("; "))
    };
    let text = printable(&format!(
        "{} {:<18} {state}{by}",
        line.threat,
        line.threat.name()
    ));
    writeln!(out, "  {style}{symbol}{style:#} {text}")?;
    if line.state == ThreatState::Covered
        && let Some(way) = &line.cheapest
    {
        let cost = way
            .cost
            .map_or_else(|| "no known price".into(), |cost| cost.to_string());
        let text = format!(
            "at most {}; cheapest to break: {} for {cost}",
            line.probability_at_most,
            way.assumptions.join(" and ")
        );
        writeln!(out, "      {FAINT}{}{FAINT:#}", printable(&text))?;
    }
    Ok(())
}

fn warrant(warrant: &Warrant) -> String {
    match warrant {
        Warrant::Proof => "proven".into(),
        Warrant::Replicated { by } => format!("replicated by {by}"),
        Warrant::Attested { platform } => format!("attested by {platform}"),
        Warrant::Sampled {
            rate_at_most,
            confidence,
            population,
        } => {
            format!("at most {rate_at_most} of {population} receipts, at confidence {confidence}")
        }
        Warrant::Asserted { by } => format!("asserted by {by}"),
    }
}
