//! `proofmark log fsck`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum as _};
use proofmark_log::{FsckOptions, FsckReport, LogError, fsck, fsck_tiles};
use proofmark_tlog::VerifierKey;
use serde_json::{Value, json};

use super::source::{Which, parse_vkey};
use crate::data::{DataDir, log_dir, log_public_dir};
use crate::error::{CommandError, CommandResult, ErrorKind, ExitStatus};
use crate::roots;
use crate::ui::{BAD, GOOD, UNKNOWN, Ui};

/// Arguments of `proofmark log fsck`.
#[derive(Debug, Args)]
pub(crate) struct Fsck {
    #[command(flatten)]
    data: DataDir,
    /// Check this log only. Default: both.
    #[arg(long, value_enum)]
    log: Option<Which>,
    /// Check a directory with nothing but a log's public files instead.
    #[arg(long, value_name = "DIR")]
    mirror: Option<PathBuf>,
    /// Verifier key that the log must have. Default: that of the data directory's root.toml; a mirror's checkpoint is
    /// taken as it stands without.
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One log and what was found.
struct Checked {
    name: String,
    /// A server has the log open: its public files were checked, not its journal.
    public_only: bool,
    report: FsckReport,
}

impl Fsck {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let vkey = self.vkey.as_deref().map(parse_vkey).transpose()?;
        let checked = match &self.mirror {
            Some(mirror) => vec![check_public(
                mirror,
                mirror.display().to_string(),
                vkey.as_ref(),
            )?],
            None => {
                let data = self.data.path();
                let logs = self
                    .log
                    .map_or_else(|| Which::value_variants().to_vec(), |log| vec![log]);
                let checked = logs
                    .into_iter()
                    .map(|log| check_own(&data, log, vkey.as_ref()));
                checked.collect::<Result<_, _>>()?
            }
        };
        if self.json {
            ui.print_json(&Value::Array(checked.iter().map(describe).collect()))?;
        } else {
            checked
                .iter()
                .try_for_each(|checked| write(ui.out(), checked))?;
        }
        let clean = checked.iter().all(|checked| checked.report.is_clean());
        Ok(if clean {
            ExitStatus::OK
        } else {
            ErrorKind::Rejected.exit_code()
        })
    }
}

fn check_own(data: &Path, log: Which, vkey: Option<&VerifierKey>) -> Result<Checked, CommandError> {
    let own = own_key(data, log)?;
    let vkey = vkey.or(own.as_ref());
    match fsck(&log_dir(data, log.name()), vkey, &FsckOptions::default()) {
        Ok(report) => Ok(Checked {
            name: log.name().to_owned(),
            public_only: false,
            report,
        }),
        Err(LogError::Locked { .. }) => check_public(
            &log_public_dir(data, log.name()),
            log.name().to_owned(),
            vkey,
        ),
        Err(error) => Err(cannot_check(log.name(), error)),
    }
}

fn check_public(
    dir: &Path,
    name: String,
    vkey: Option<&VerifierKey>,
) -> Result<Checked, CommandError> {
    let report = fsck_tiles(dir, vkey, &FsckOptions::default())
        .map_err(|error| cannot_check(&name, error))?;
    Ok(Checked {
        name,
        public_only: true,
        report,
    })
}

fn cannot_check(name: &str, error: LogError) -> CommandError {
    CommandError::could_not_check(format!("the log {name} cannot be checked")).because(error)
}

/// The key that the node's own roots name for this log.
fn own_key(data: &Path, log: Which) -> Result<Option<VerifierKey>, CommandError> {
    let roots = roots::load(None, Some(data))?.roots;
    let root = roots.logs.iter().find(|root| root.kind == log.kind());
    Ok(root.and_then(proofmark_verify::LogRoot::verifier_key))
}

fn write(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let Checked {
        name,
        public_only,
        report,
    } = checked;
    let (symbol, style) = if report.is_clean() {
        ("✔", GOOD)
    } else {
        ("✘", BAD)
    };
    let origin = report.origin.as_deref().unwrap_or("no checkpoint");
    writeln!(
        out,
        "{style}{symbol}{style:#} {name}  {origin}, {} entries",
        report.size
    )?;
    writeln!(
        out,
        "  {} entries hashed, {} tiles and bundles, {} journal records, {} keys of the index",
        report.leaves, report.objects, report.records, report.keys
    )?;
    if !report.signature_checked {
        writeln!(
            out,
            "  {UNKNOWN}?{UNKNOWN:#} the checkpoint's signature was not verified: name the log's key with --vkey"
        )?;
    }
    if *public_only {
        writeln!(
            out,
            "  {UNKNOWN}?{UNKNOWN:#} public files only: the journal is in use, or not there"
        )?;
    }
    if report.pending > 0 {
        writeln!(
            out,
            "  {} records are not in the tree yet; the next start integrates them",
            report.pending
        )?;
    }
    if report.torn_tail {
        writeln!(
            out,
            "  the journal ends in a record that was never acknowledged; the next start cuts it off"
        )?;
    }
    for difference in &report.differences {
        writeln!(
            out,
            "  {BAD}✘{BAD:#} {difference}  ({})",
            difference.problem.code()
        )?;
    }
    if report.unlisted > 0 {
        writeln!(
            out,
            "  {BAD}✘{BAD:#} and {} more differences",
            report.unlisted
        )?;
    }
    Ok(())
}

fn describe(checked: &Checked) -> Value {
    let report = &checked.report;
    let differences = report.differences.iter().map(|difference| {
        json!({
            "place": difference.place.to_string(),
            "problem": difference.problem.to_string(),
            "code": difference.problem.code(),
        })
    });
    json!({
        "log": checked.name,
        "origin": report.origin,
        "size": report.size,
        "root": report.root.map(|root| root.to_base64()),
        "clean": report.is_clean(),
        "public_files_only": checked.public_only,
        "signature_checked": report.signature_checked,
        "entries": report.leaves,
        "objects": report.objects,
        "records": report.records,
        "pending": report.pending,
        "torn_tail": report.torn_tail,
        "differences": differences.collect::<Vec<_>>(),
        "unlisted": report.unlisted,
    })
}
