//! `proofmark log show`.

use clap::Args;
use proofmark_tlog::verify_cosignature;
use proofmark_verify::format_utc;
use serde_json::{Value, json};

use super::source::{LogArgs, Seen, Source};
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::ui::{BAD, FAINT, GOOD, STRONG, UNKNOWN, Ui};

/// Arguments of `proofmark log show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    log: LogArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A signature line beside the log's own.
struct Cosignature {
    name: String,
    /// Operator and Unix seconds, if it verifies with a witness that is believed.
    witness: Option<(String, u64)>,
    /// It names a witness that is believed, and does not verify.
    bad: bool,
}

impl Show {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let source = self.log.open()?;
        let seen = source.checkpoint()?;
        let cosignatures = cosignatures(&source, &seen);
        if self.json {
            ui.print_json(&describe(&seen, &cosignatures))?;
        } else {
            write(ui, &seen, &cosignatures)?;
        }
        match seen.verified {
            Ok(_) => Ok(ExitStatus::OK),
            // The report says why; as JSON it is part of the document.
            Err(error) if self.json => Ok(error.exit_code()),
            Err(error) => Err(error),
        }
    }
}

fn cosignatures(source: &Source, seen: &Seen) -> Vec<Cosignature> {
    let witnesses = source.witnesses(&seen.checkpoint);
    let others = seen
        .note
        .signatures()
        .iter()
        .filter(|line| line.name().as_str() != seen.checkpoint.origin.as_str());
    others
        .map(|line| {
            let known = witnesses.iter().find(|(_, key)| line.names(key));
            let time = match (&seen.verified, known) {
                (Ok(checkpoint), Some((_, key))) => verify_cosignature(checkpoint, line, key).ok(),
                _ => None,
            };
            Cosignature {
                name: line.name().to_string(),
                bad: known.is_some() && seen.verified.is_ok() && time.is_none(),
                witness: known
                    .zip(time)
                    .map(|((operator, _), time)| (operator.clone(), time.unix_s())),
            }
        })
        .collect()
}

fn write(ui: &mut Ui, seen: &Seen, cosignatures: &[Cosignature]) -> Result<(), CommandError> {
    let out = ui.out();
    writeln!(out, "{STRONG}Log {}{STRONG:#}", seen.checkpoint.origin)?;
    writeln!(out, "  size       {} entries", seen.checkpoint.size)?;
    writeln!(out, "  root       {}", seen.checkpoint.root)?;
    match &seen.verified {
        Ok(_) => writeln!(out, "  {GOOD}✔{GOOD:#} signed by the log")?,
        Err(error) => writeln!(
            out,
            "  {UNKNOWN}?{UNKNOWN:#} signature not verified: {error}"
        )?,
    }
    for cosignature in cosignatures {
        let name = &cosignature.name;
        match &cosignature.witness {
            Some((operator, unix_s)) => {
                writeln!(
                    out,
                    "  {GOOD}✔{GOOD:#} cosigned by {name}, run by {operator}, at {}",
                    format_utc(*unix_s)
                )?;
            }
            None if cosignature.bad => writeln!(
                out,
                "  {BAD}✘{BAD:#} the cosignature of {name} does not verify"
            )?,
            None => writeln!(
                out,
                "  {FAINT}–{FAINT:#} signed by {name}, who is not among your witnesses"
            )?,
        }
    }
    Ok(())
}

fn describe(seen: &Seen, cosignatures: &[Cosignature]) -> Value {
    let cosignatures = cosignatures.iter().map(|cosignature| {
        json!({
            "name": cosignature.name,
            "operator": cosignature.witness.as_ref().map(|(operator, _)| operator),
            "unix_s": cosignature.witness.as_ref().map(|(_, unix_s)| unix_s),
            "verified": cosignature.witness.is_some(),
        })
    });
    json!({
        "origin": seen.checkpoint.origin.as_str(),
        "size": seen.checkpoint.size,
        "root": seen.checkpoint.root.to_base64(),
        "verified": seen.verified.is_ok(),
        "why_not": seen.verified.as_ref().err().map(ToString::to_string),
        "cosignatures": cosignatures.collect::<Vec<_>>(),
        "note": seen.note.to_string(),
    })
}
