//! `proofmark verify`: checks a bundle and says what it shows, what one still trusts, and what it does not show.

use std::io::{self, Write};
use std::path::PathBuf;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use clap::Args;
use proofmark_confidence::Facts;
use proofmark_proof::PublicWeights;
use proofmark_receipt::{BUNDLE_MAX_BYTES, Bundle, ReceiptSecret, Snapshot};
use proofmark_verify::{
    KnownModel, Presented, Report, Requirement, Row, State, TextSteps, Verdict, format_utc,
    printable, verify,
};

use crate::account::{proven_json, write_proven};
use crate::ambient::now_s;
use crate::config::default_data_dir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::explain::explain;
use crate::policy::{self, Decided, Weights, decide};
use crate::proving::{ModelSource, Threads};
use crate::replay::steps_of;
use crate::ui::{BAD, FAINT, GOOD, STRONG, UNKNOWN, Ui};
use crate::{files, roots};

/// An answer of at most the size that a gateway lets through.
const CONTENT_MAX_BYTES: usize = 1 << 30;
/// Longest nonce, in base64url characters.
const NONCE_MAX_CHARS: usize = 88;

/// Arguments of `proofmark verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The bundle or bare receipt, `-` for the standard input.
    bundle: PathBuf,
    /// What the receipt has to reach, such as `logged,answer`. Names: relayed, signed, attested, replayed, proven, logged,
    /// witnessed, unrevoked, audited, answer, question.
    #[arg(
        long,
        value_name = "SET",
        default_value = "",
        hide_default_value = true
    )]
    require: Requirement,
    /// A policy that has to be satisfied as well (specs/07-policy.md).
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    weights: Weights,
    /// Believe those in this file instead of your own trust roots.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    roots: Option<PathBuf>,
    /// Believe the node of this data directory, and nobody else.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The answer as you received it, to compare: JSON or the stream of events.
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
    /// The body of the request as you sent it, to compare.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The receipt secret, which opens every commitment.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The nonce that you sent, base64url.
    #[arg(long, value_name = "BASE64URL", value_parser = parse_nonce)]
    nonce: Option<Nonce>,
    /// A newer snapshot of the registry log than the bundle's.
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// The model, by its directory or its name in the store: for proofs, its weights are committed to again, and texts compared with their ids, so that nobody has to be believed.
    #[arg(long, value_name = "DIR|NAME")]
    model: Option<PathBuf>,
    /// Verify as of this time, Unix seconds, instead of now.
    #[arg(long, value_name = "UNIX_S")]
    at: Option<u64>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Say with each row what its code means and where it is specified.
    #[arg(long)]
    explain: bool,
}

/// What the caller sent to tell its own request from a replayed one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Nonce(Vec<u8>);

fn parse_nonce(text: &str) -> Result<Nonce, String> {
    match Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')) {
        Ok(bytes) if text.len() <= NONCE_MAX_CHARS && (8..=64).contains(&bytes.len()) => {
            Ok(Nonce(bytes))
        }
        _ => Err("a nonce is 8 to 64 bytes in base64url".into()),
    }
}

impl Verify {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let bundle = files::read(&self.bundle, BUNDLE_MAX_BYTES)?;
        let roots = roots::load(self.roots.as_deref(), self.data.as_deref())?;
        let content = |path: &Option<PathBuf>| {
            path.as_deref()
                .map(|path| files::read(path, CONTENT_MAX_BYTES))
                .transpose()
        };
        let (answer, request) = (content(&self.answer)?, content(&self.request)?);
        let secret = self
            .secret_file
            .as_deref()
            .map(files::read_secret)
            .transpose()?;
        let known = self.known_model(&bundle)?;
        let presented = Presented {
            answer: answer.as_deref(),
            request: request.as_deref(),
            secret: secret.map(|secret| ReceiptSecret::new(*secret)),
            nonce: self.nonce.as_ref().map(|nonce| nonce.0.as_slice()),
            snapshot: self.read_snapshot()?,
            model: known.as_ref().map(Known::borrow),
        };
        let now = self.at.unwrap_or_else(now_s);
        let examine = |requirement| verify(&bundle, &presented, requirement, &roots.roots, now);
        let report = examine(&self.require);
        let decided = match &self.policy {
            // A policy decides by what there is, not by what --require asks for.
            Some(path) => {
                let mut facts = Facts::of(&examine(&Requirement::default()), now);
                facts.value = self.weights.value();
                Some(decide(policy::read(path)?, &facts, &self.weights.table()?))
            }
            None => None,
        };
        if self.json {
            let mut value = to_json(&report, &self.require);
            if let (Some(members), Some(decided)) = (value.as_object_mut(), &decided) {
                members.insert("policy".into(), decided.to_json());
            }
            ui.print_json(&value)?;
        } else {
            write_report(ui.out(), &report, &self.require, self.explain)?;
            if self.explain {
                for proven in &report.established().proofs {
                    writeln!(ui.out())?;
                    write_proven(ui.out(), proven)?;
                }
            }
            if let Some(decided) = &decided {
                writeln!(ui.out())?;
                decided.write(ui.out(), self.explain)?;
            }
        }
        let codes = [
            report.verdict().exit_code(),
            decided.as_ref().map_or(0, Decided::exit_code),
        ];
        Ok(ExitStatus(worst(codes)))
    }

    /// The model, with its commitment computed anew, and the texts of this bundle compared with their ids.
    fn known_model(&self, bundle: &[u8]) -> Result<Option<Known>, CommandError> {
        let Some(said) = &self.model else {
            return Ok(None);
        };
        let data = self.data.clone().unwrap_or_else(default_data_dir);
        let source = ModelSource {
            model: Some(said),
            data: &data,
        };
        let model = source.open(&[0; 32])?;
        let threads = Threads::new(None);
        let bundle = Bundle::decode(bundle).ok();
        Ok(Some(Known {
            text: match (&bundle, model.is_decoder()) {
                (Some(bundle), true) => steps_of(bundle, &source.engine_model(&model)?),
                _ => None,
            },
            closure: *model.closure().as_bytes(),
            commitment: model.commit(threads.machine())?.public().digest(),
            weights: model.public_weights(),
        }))
    }

    fn read_snapshot(&self) -> Result<Option<Snapshot>, CommandError> {
        let Some(path) = &self.snapshot else {
            return Ok(None);
        };
        let bytes = files::read(path, BUNDLE_MAX_BYTES)?;
        let snapshot = Snapshot::decode(&bytes).map_err(|error| {
            CommandError::usage(format!("{} is not a registry snapshot", path.display()))
                .because(error)
        })?;
        Ok(Some(snapshot))
    }
}

/// What this machine has of a model.
struct Known {
    closure: [u8; 32],
    commitment: [u8; 32],
    weights: Option<PublicWeights>,
    text: Option<TextSteps>,
}

impl Known {
    fn borrow(&self) -> KnownModel<'_> {
        KnownModel {
            closure: self.closure,
            commitment: Some(self.commitment),
            weights: self.weights.as_ref(),
            text: self.text,
        }
    }
}

/// Of two verdicts: a rejection before what could not be checked, that before what is below.
fn worst(codes: [u8; 2]) -> u8 {
    let order = [10, 12, 11];
    order
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(0)
}

/// The report with what to do about its verdict.
pub(crate) fn to_json(report: &Report, requirement: &Requirement) -> serde_json::Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("required".into(), requirement.to_string().into());
        let advice = report.verdict().code().map(|code| explain(code).advice);
        members.insert("what_to_do".into(), advice.into());
        let proofs: Vec<_> = report
            .established()
            .proofs
            .iter()
            .map(proven_json)
            .collect();
        members.insert("proofs".into(), proofs.into());
    }
    value
}

/// Prints a report for people. Of a rejection the one cause comes first.
pub(crate) fn write_report(
    out: &mut dyn Write,
    report: &Report,
    requirement: &Requirement,
    explained: bool,
) -> io::Result<()> {
    if let Verdict::Rejected { code, why } = report.verdict() {
        let explanation = explain(code);
        writeln!(out, "{BAD}REJECTED{BAD:#}  {}", explanation.meaning)?;
        writeln!(out, "Why:        {}", printable(why))?;
        writeln!(out, "What to do: {}", explanation.advice)?;
        writeln!(out, "Code:       {code}  ({})", explanation.section)?;
        if report.receipt().is_some() {
            writeln!(out)?;
        }
    }
    write_header(out, report)?;
    write_rows(out, report.rows(), explained)?;
    if !matches!(report.verdict(), Verdict::Rejected { .. }) {
        write_verdict(out, report.verdict(), requirement)?;
        write_list(out, "You still trust", report.still_trust())?;
    }
    write_list(out, "This does not show", report.does_not_show())
}

fn write_header(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Some(id) = report.receipt() else {
        return Ok(());
    };
    write!(out, "{STRONG}Receipt {id}{STRONG:#}")?;
    if let Some(issued_at) = report.issued_at() {
        write!(out, "  {}", format_utc(issued_at))?;
    }
    if let Some(node) = report.node() {
        write!(out, "  node {}", printable(node))?;
    }
    writeln!(out, "\n")
}

fn write_rows(out: &mut dyn Write, rows: &[Row], explained: bool) -> io::Result<()> {
    let width = rows
        .iter()
        .map(|row| row.name.title().len())
        .max()
        .unwrap_or(0);
    for row in rows {
        let (style, symbol) = match row.state {
            State::Accepted => (GOOD, "✔"),
            State::Rejected { .. } => (BAD, "✘"),
            State::CouldNotCheck { .. } => (UNKNOWN, "?"),
            State::NotClaimed => (FAINT, "–"),
        };
        let title = row.name.title();
        writeln!(
            out,
            "  {style}{symbol}{style:#} {title:width$}  {}",
            printable(&row.text)
        )?;
        if explained && let Some(code) = row.state.code() {
            let explanation = explain(code);
            let indent = width + 6;
            writeln!(
                out,
                "{:indent$}{FAINT}{code}: {}{FAINT:#}",
                "", explanation.meaning
            )?;
            writeln!(
                out,
                "{:indent$}{FAINT}{} ({}){FAINT:#}",
                "", explanation.advice, explanation.section
            )?;
        }
    }
    if !rows.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn write_verdict(
    out: &mut dyn Write,
    verdict: &Verdict,
    requirement: &Requirement,
) -> io::Result<()> {
    match verdict {
        Verdict::Accepted(_) if requirement.is_empty() => {
            writeln!(
                out,
                "{GOOD}ACCEPTED{GOOD:#}  nothing beyond a valid receipt was required."
            )
        }
        Verdict::Accepted(_) => {
            writeln!(
                out,
                "{GOOD}ACCEPTED{GOOD:#}  required \"{requirement}\" met."
            )
        }
        Verdict::BelowRequirement { missing } => {
            let missing: Vec<&str> = missing.iter().map(|required| required.name()).collect();
            let missing = missing.join(", ");
            writeln!(
                out,
                "{UNKNOWN}BELOW THE REQUIREMENT{UNKNOWN:#}  the receipt is valid, and does not show: {missing}."
            )
        }
        Verdict::CouldNotCheck { code, why } => {
            let explanation = explain(code);
            writeln!(
                out,
                "{UNKNOWN}COULD NOT CHECK{UNKNOWN:#}  {}",
                explanation.meaning
            )?;
            writeln!(out, "Why:        {}", printable(why))?;
            writeln!(out, "What to do: {}", explanation.advice)?;
            writeln!(out, "Code:       {code}  ({})", explanation.section)
        }
        // It stands above the rows.
        Verdict::Rejected { .. } => Ok(()),
    }
}

fn write_list(out: &mut dyn Write, title: &str, items: &[String]) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let items: Vec<String> = items.iter().map(|item| printable(item)).collect();
    writeln!(out, "{STRONG}{title}:{STRONG:#} {}.", items.join("; "))
}

#[cfg(test)]
mod tests;
