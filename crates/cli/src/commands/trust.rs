//! `proofmark trust`: the user's own trust roots. Adding is explicit: fingerprints are shown, and somebody says yes.

mod fingerprints;

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use proofmark_verify::{LogRoot, Roots, RootsError};
use serde_json::json;

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::remote::Remote;
use crate::roots::{self, NODE_ROOTS_FILE, ROOTS_MAX_BYTES};
use crate::ui::{GOOD, STRONG, Ui};
use fingerprints::{describe, operator_fingerprint, write_roots};

const WELL_KNOWN: &str = "/.well-known/proofmark";
/// The well-known document holds the roots as one of its members.
const WELL_KNOWN_MAX_BYTES: usize = 2 * ROOTS_MAX_BYTES;
/// Shortest fingerprint that is taken: 128 bits, which nobody can find a second key for.
const FINGERPRINT_MIN_DIGITS: usize = 32;

/// Subcommands of `proofmark trust`.
#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Believe an operator: from a roots file, a node's data directory, or a node's URL.
    Add(Add),
    /// Names of those whom you believe.
    List(List),
    /// Keys, fingerprints, logs and witnesses of those whom you believe.
    Show(Show),
    /// Stop believing an operator.
    Remove(Remove),
}

/// Arguments of `proofmark trust add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// A roots file, a data directory, or a URL such as https://ai.example.
    source: String,
    /// The fingerprint of the operator key that you were told on another way; 32 to 64 hexadecimal digits. Once per
    /// operator.
    #[arg(long, value_name = "HEX", value_parser = parse_fingerprint)]
    fingerprint: Vec<String>,
    /// Believe without asking, whatever the fingerprints are.
    #[arg(long)]
    yes: bool,
    /// Call the operator so, where its own name is taken.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Leave out the witnesses that the source proposes: its operator may run them all.
    #[arg(long)]
    without_witnesses: bool,
    /// Believe its replays of others' receipts, and nothing else of it.
    #[arg(long)]
    as_replayer: bool,
}

/// Arguments of `proofmark trust list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofmark trust show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Only the operator of this name.
    name: Option<String>,
    /// Show this file instead of your own.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofmark trust remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Name of the operator.
    name: String,
}

fn parse_fingerprint(text: &str) -> Result<String, String> {
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | ':' | '-'))
        .collect::<String>()
        .to_lowercase();
    let fits = (FINGERPRINT_MIN_DIGITS..=64).contains(&digits.len());
    if fits && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(digits)
    } else {
        Err("a fingerprint is 64 hexadecimal digits, of which the first 32 are enough".into())
    }
}

impl Trust {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::List(command) => command.json,
            Self::Show(command) => command.json,
            Self::Add(_) | Self::Remove(_) => false,
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Add(command) => command.run(ui),
            Self::List(command) => command.run(ui),
            Self::Show(command) => command.run(ui),
            Self::Remove(command) => command.run(ui),
        }
    }
}

impl Add {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let mut offered = read_source(&self.source)?;
        if offered.operators.is_empty() {
            return Err(CommandError::usage(format!(
                "{} names no operator",
                self.source
            )));
        }
        if self.without_witnesses {
            offered.witness_groups.clear();
            offered.logs.iter_mut().for_each(|log| log.witnesses = None);
        }
        if let Some(name) = &self.name {
            rename(&mut offered, name)?;
        }
        let names: Vec<String> = offered
            .operators
            .iter()
            .map(|operator| operator.name.clone())
            .collect();
        let names = names.join(", ");
        self.confirm(ui, &offered)?;
        if self.as_replayer {
            offered = Roots {
                replayers: offered.operators,
                ..Roots::default()
            };
        }
        let (added, path) = roots::change_user_roots(|mine| {
            let before = mine.clone();
            take_over_witnesses(mine, &offered);
            mine.merge(&offered)
                .map_err(|error| conflict(error, &self.source))?;
            Ok(*mine != before)
        })?;
        if added {
            let what = if self.as_replayer {
                "the replays of "
            } else {
                ""
            };
            writeln!(
                ui.out(),
                "{GOOD}✔{GOOD:#} You now believe {what}{names}.  ({})",
                path.display()
            )?;
        } else {
            writeln!(
                ui.out(),
                "You believed {names} already: nothing changed.  ({})",
                path.display()
            )?;
        }
        Ok(ExitStatus::OK)
    }

    fn confirm(&self, ui: &mut Ui, offered: &Roots) -> Result<(), CommandError> {
        if !self.fingerprint.is_empty() {
            return check_fingerprints(offered, &self.fingerprint);
        }
        write_roots(ui.err(), offered)?;
        if self.yes {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(CommandError::usage("nobody is here to compare the fingerprints")
                .because("believing somebody is never done without being told to")
                .hint("compare on another way, then: proofmark trust add SOURCE --fingerprint HEX")
                .hint("or, where the source itself is beyond doubt: --yes"));
        }
        writeln!(
            ui.err(),
            "{STRONG}Compare the fingerprints on another way than the one they came on.{STRONG:#}"
        )?;
        write!(ui.err(), "Believe what these keys sign? Type yes: ")?;
        ui.err().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() == "yes" {
            Ok(())
        } else {
            Err(CommandError::usage("nothing was added").because("the answer was not yes"))
        }
    }
}

impl List {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let file = roots::user_roots()?;
        if self.json {
            let operators: Vec<_> = file
                .roots
                .operators
                .iter()
                .map(|operator| &operator.name)
                .collect();
            let replayers: Vec<_> = file.roots.replayers.iter().map(|r| &r.name).collect();
            ui.print_json(&json!({
                "path": file.path,
                "operators": operators,
                "replayers": replayers,
            }))?;
        } else if file.roots.is_empty() {
            writeln!(
                ui.out(),
                "You believe nobody yet.  ({})",
                file.path.display()
            )?;
            writeln!(ui.err(), "Add somebody: proofmark trust add FILE|DIR|URL")?;
        } else {
            for operator in &file.roots.operators {
                let logs = file
                    .roots
                    .logs
                    .iter()
                    .filter(|log| log.operator == operator.name)
                    .count();
                writeln!(ui.out(), "{}  {logs} logs", operator.name)?;
            }
            for replayer in &file.roots.replayers {
                writeln!(ui.out(), "{}  replays", replayer.name)?;
            }
        }
        Ok(ExitStatus::OK)
    }
}

impl Show {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let file = roots::load(self.roots.as_deref(), None)?;
        let mut shown = file.roots;
        if let Some(name) = &self.name {
            shown.operators.retain(|operator| operator.name == *name);
            shown.replayers.retain(|replayer| replayer.name == *name);
            shown.logs.retain(|log| log.operator == *name);
            let logs = &shown.logs;
            let watched =
                |group: &String| logs.iter().any(|log| log.witnesses.as_ref() == Some(group));
            shown.witness_groups.retain(|group| watched(&group.name));
            if shown.is_empty() {
                return Err(unknown_operator(name));
            }
        }
        if self.json {
            ui.print_json(&describe(&shown))?;
        } else {
            write_roots(ui.out(), &shown)?;
        }
        Ok(ExitStatus::OK)
    }
}

impl Remove {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let (removed, path) = roots::change_user_roots(|mine| {
            let removed = mine.remove_operator(&self.name) | mine.remove_replayer(&self.name);
            let logs = mine.logs.clone();
            mine.witness_groups.retain(|group| {
                logs.iter()
                    .any(|log| log.witnesses.as_ref() == Some(&group.name))
            });
            Ok(removed)
        })?;
        if !removed {
            return Err(unknown_operator(&self.name));
        }
        writeln!(
            ui.out(),
            "You no longer believe {}.  ({})",
            self.name,
            path.display()
        )?;
        Ok(ExitStatus::OK)
    }
}

fn unknown_operator(name: &str) -> CommandError {
    CommandError::usage(format!(
        "no operator of your trust roots is called {name:?}"
    ))
    .hint("see the names: proofmark trust list")
}

/// The roots that a file, a data directory or a URL offers. Offering is not believing.
fn read_source(source: &str) -> Result<Roots, CommandError> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return read_url(source);
    }
    let path = Path::new(source);
    let path = if path.is_dir() {
        path.join(NODE_ROOTS_FILE)
    } else {
        path.to_owned()
    };
    Ok(roots::read(&path)?.roots)
}

fn read_url(url: &str) -> Result<Roots, CommandError> {
    let remote = Remote::new(url, None)?;
    let body = remote.get_ok(WELL_KNOWN, WELL_KNOWN_MAX_BYTES)?;
    let not_ours = || {
        CommandError::usage(format!(
            "{}{WELL_KNOWN} does not offer trust roots",
            remote.base()
        ))
    };
    let document: serde_json::Value =
        serde_json::from_slice(&body).map_err(|error| not_ours().because(error))?;
    let text = document
        .get("roots")
        .and_then(|roots| roots.as_str())
        .ok_or_else(not_ours)?;
    Roots::from_toml(text).map_err(|error| not_ours().because(error))
}

/// Every operator that is offered has to be one whose fingerprint was given, and none may be given for nothing.
fn check_fingerprints(offered: &Roots, given: &[String]) -> Result<(), CommandError> {
    let offered: Vec<(&str, String)> = offered
        .operators
        .iter()
        .filter_map(|operator| Some((operator.name.as_str(), operator_fingerprint(operator)?)))
        .collect();
    let stray = offered
        .iter()
        .find(|(_, print)| !given.iter().any(|given| print.starts_with(given.as_str())));
    if let Some((name, print)) = stray {
        return Err(CommandError::rejected(format!("the operator key of {name:?} has another fingerprint"))
            .because(format!("it is {}", roots::group(print)))
            .hint("do not add it: somebody stands between you and the operator, or you were told a wrong one"));
    }
    match given.iter().find(|given| {
        !offered
            .iter()
            .any(|(_, print)| print.starts_with(given.as_str()))
    }) {
        Some(given) => Err(CommandError::rejected(format!(
            "no operator of the source has the fingerprint {given}"
        ))),
        None => Ok(()),
    }
}

/// A log that is believed without witnesses gets those that are offered for it; witnesses that it has are never exchanged.
fn take_over_witnesses(mine: &mut Roots, offered: &Roots) {
    for log in mine.logs.iter_mut().filter(|log| log.witnesses.is_none()) {
        let is_it = |other: &&LogRoot| {
            other.vkey == log.vkey && other.operator == log.operator && other.kind == log.kind
        };
        log.witnesses = offered
            .logs
            .iter()
            .find(is_it)
            .and_then(|other| other.witnesses.clone());
    }
}

fn rename(offered: &mut Roots, name: &str) -> Result<(), CommandError> {
    let [operator] = offered.operators.as_mut_slice() else {
        return Err(CommandError::usage(
            "--name needs a source with one operator",
        ));
    };
    let old = std::mem::replace(&mut operator.name, name.to_owned());
    let logs = offered.logs.iter_mut().filter(|log| log.operator == old);
    logs.for_each(|log| name.clone_into(&mut log.operator));
    let members = offered
        .witness_groups
        .iter_mut()
        .flat_map(|group| &mut group.members);
    // Its own witnesses stay its own: they never count as independent.
    members
        .filter(|member| member.operator == old)
        .for_each(|member| name.clone_into(&mut member.operator));
    Ok(())
}

fn conflict(error: RootsError, source: &str) -> CommandError {
    let duplicate = match &error {
        RootsError::Duplicate { what, .. } => Some(*what),
        _ => None,
    };
    let command_error =
        CommandError::usage(format!("{source} does not fit your trust roots")).because(error);
    match duplicate {
        Some("operator" | "replayer") => command_error
            .hint("you believe another key of that name: give this operator another one with --name NAME")
            .hint("or, if the operator told you that its key changed: proofmark trust remove NAME, then add it again"),
        Some("log") => command_error.hint("the log stands among your roots with other witnesses: remove its operator first"),
        _ => command_error,
    }
}

#[cfg(test)]
mod tests;
