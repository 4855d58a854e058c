//! `proofmark audit status`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use proofmark_confidence::Rate;
use proofmark_confidence::audit::Population;
use serde_json::json;

use super::auditee::Auditee;
use super::books::{Books, directory};
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::ui::{BAD, FAINT, STRONG, Ui};

/// Arguments of `proofmark audit status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    auditee: Auditee,
    /// Data directory of the auditor.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Confidence, and the error that it leaves.
fn levels() -> Vec<(&'static str, Rate)> {
    let levels = ["95%", "99%"].into_iter();
    levels
        .filter_map(|text| Some((text, text.parse::<Rate>().ok()?.complement())))
        .collect()
}

impl Status {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let roots = self.auditee.roots()?;
        let vkey = self.auditee.log(&roots)?.to_string();
        let books = Books::open(&directory(&self.data, &vkey), &vkey)?;
        if books.done.is_empty() {
            return Err(
                CommandError::could_not_check("nothing of this log was audited yet")
                    .hint("proofmark audit run"),
            );
        }
        let total = books.total();
        if self.json {
            let shown: Vec<_> = levels()
                .iter()
                .map(|(confidence, alpha)| {
                    json!({
                        "confidence": confidence,
                        "rate_at_most": total.rate_at_most(*alpha),
                        "bad_receipts_at_most": total.count_at_most(*alpha),
                    })
                })
                .collect();
            ui.print_json(&json!({
                "log": total.log, "from": total.from, "to": total.to, "ledger": total.ledger, "runs": books.done,
                "shows": shown, "share_without_permission": total.ledger.share_without_permission(),
                "alarm": total.ledger.findings > 0, "sealed": books.sealed,
            }))?;
        } else {
            let out = ui.out();
            writeln!(
                out,
                "{STRONG}{}{STRONG:#}: {} runs over entries {} to {}",
                total.log,
                books.done.len(),
                total.from,
                total.to
            )?;
            write_population(out, &total)?;
            if let Some(sealed) = &books.sealed {
                writeln!(
                    out,
                    "  {} more entries are fixed and wait for their audit",
                    sealed.size.saturating_sub(total.to)
                )?;
            }
        }
        Ok(ExitStatus(if total.ledger.findings > 0 { 10 } else { 0 }))
    }
}

/// What audits show about a population, and about which part of it they show nothing.
pub(super) fn write_population(out: &mut dyn Write, total: &Population) -> io::Result<()> {
    let ledger = &total.ledger;
    writeln!(
        out,
        "  audits {}, findings {}",
        ledger.audited, ledger.findings
    )?;
    if ledger.findings > 0 {
        writeln!(
            out,
            "  {BAD}a replay that differs is proof against the answer, and no matter of statistics{BAD:#}"
        )?;
    }
    for (confidence, alpha) in levels() {
        let (rate, count) = (total.rate_at_most(alpha), total.count_at_most(alpha));
        if rate == Rate::ONE {
            writeln!(out, "  at confidence {confidence}: nothing yet")?;
        } else {
            writeln!(
                out,
                "  at confidence {confidence}: at most {rate} of the audited draws bad; at most {count} of {} receipts",
                ledger.auditable
            )?;
        }
    }
    writeln!(
        out,
        "  {FAINT}no bound on {} executed answers without permission ({} of the executed ones) and on {} relayed ones; none on any single answer{FAINT:#}",
        ledger.without_permission,
        ledger.share_without_permission(),
        ledger.relayed
    )
}
