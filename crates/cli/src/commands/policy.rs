//! `proofmark policy`: what a policy says, and what it comes to for a receipt.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proofmark_confidence::{AssumptionTable, Facts};
use proofmark_receipt::BUNDLE_MAX_BYTES;
use proofmark_verify::{Presented, Requirement, verify};
use serde_json::json;

use crate::ambient::now_s;
use crate::error::{CommandResult, ExitStatus};
use crate::hex::hex;
use crate::policy::{self, Weights, decide};
use crate::ui::{STRONG, Ui};
use crate::{files, roots};

/// Subcommands of `proofmark policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read a policy and print it in its canonical text, with the digest that names it.
    Check(Check),
    /// Say clause by clause what a policy comes to for a receipt, why, and what would satisfy it.
    Explain(Explain),
    /// Print the shipped table of assumptions, to begin your own from.
    Assumptions,
}

/// A form that policies are written in.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Form {
    #[default]
    Text,
    Json,
    Toml,
}

/// Arguments of `proofmark policy check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The policy: text, or JSON or TOML by the end of its name.
    policy: PathBuf,
    /// Print it in this form.
    #[arg(long, value_enum, default_value_t)]
    form: Form,
    /// Print JSON: name, version, digest and canonical text.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofmark policy explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The policy: text, or JSON or TOML by the end of its name.
    policy: PathBuf,
    /// The bundle, `-` for the standard input. Without one: what the policy says of an answer of which nothing is known.
    bundle: Option<PathBuf>,
    #[command(flatten)]
    weights: Weights,
    /// Believe those in this file instead of your own trust roots.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    roots: Option<PathBuf>,
    /// Believe the node of this data directory, and nobody else.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Decide as of this time, Unix seconds, instead of now.
    #[arg(long, value_name = "UNIX_S")]
    at: Option<u64>,
    /// Show all threats, with what covers them and what it costs to cheat.
    #[arg(long)]
    threats: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl PolicyCommand {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Check(command) => command.json,
            Self::Explain(command) => command.json,
            Self::Assumptions => false,
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Check(command) => command.run(ui),
            Self::Explain(command) => command.run(ui),
            Self::Assumptions => {
                write!(ui.out(), "{}", AssumptionTable::advisory_toml())?;
                Ok(ExitStatus::OK)
            }
        }
    }
}

impl Check {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let policy = policy::read(&self.policy)?;
        let digest = hex(&policy.digest());
        if self.json {
            ui.print_json(&json!({
                "policy": policy.name(),
                "version": policy.version(),
                "digest": digest,
                "canonical": policy.to_string(),
            }))?;
            return Ok(ExitStatus::OK);
        }
        match self.form {
            Form::Text => {
                write!(ui.out(), "{policy}")?;
                writeln!(ui.err(), "{STRONG}digest{STRONG:#} {digest}")?;
            }
            Form::Json => writeln!(ui.out(), "{}", policy.to_json())?,
            Form::Toml => write!(ui.out(), "{}", policy.to_toml())?,
        }
        Ok(ExitStatus::OK)
    }
}

impl Explain {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let policy = policy::read(&self.policy)?;
        let table = self.weights.table()?;
        let now = self.at.unwrap_or_else(now_s);
        let mut facts = match &self.bundle {
            Some(bundle) => {
                let bundle = files::read(bundle, BUNDLE_MAX_BYTES)?;
                let roots = roots::load(self.roots.as_deref(), self.data.as_deref())?;
                let nothing = (Presented::default(), Requirement::default());
                let report = verify(&bundle, &nothing.0, &nothing.1, &roots.roots, now);
                Facts::of(&report, now)
            }
            None => Facts::nothing(now),
        };
        facts.value = self.weights.value();
        let decided = decide(policy, &facts, &table);
        if self.json {
            ui.print_json(&decided.to_json())?;
        } else {
            decided.write(ui.out(), self.threats)?;
        }
        Ok(ExitStatus(decided.exit_code()))
    }
}
