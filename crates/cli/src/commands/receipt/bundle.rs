//! `proofmark receipt bundle`.

use std::path::PathBuf;

use clap::Args;
use proofmark_receipt::Bundle as Decoded;

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::node::NodeArgs;
use crate::ui::{FAINT, GOOD, Ui};

/// Arguments of `proofmark receipt bundle`.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// The receipt id; `chatcmpl-…` of an answer will do.
    id: String,
    #[command(flatten)]
    node: NodeArgs,
    /// What the bundle opens to whoever has it: answer, question, attachments, caller, with commas between, or all.
    #[arg(
        long,
        value_name = "SET",
        default_value = "",
        hide_default_value = true
    )]
    disclose: String,
    /// Wait until the receipt is in the log.
    #[arg(long)]
    wait: bool,
    /// The file to write, `-` for the standard output. Default: ID.receipt.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Bundle {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let bytes = self
            .node
            .open()?
            .bundle(&self.id, &self.disclose, self.wait)?;
        let decoded = Decoded::decode(&bytes).map_err(|error| {
            CommandError::could_not_check("the node answered with something that is not a bundle")
                .because(error)
        })?;
        let out = self
            .out
            .unwrap_or_else(|| PathBuf::from(format!("{}.receipt", self.id)));
        if out.as_os_str() == "-" {
            ui.print_bytes(&bytes)?;
            return Ok(ExitStatus::OK);
        }
        // It opens a conversation to whoever can read it.
        let mode = if decoded.disclosures.is_empty() {
            0o644
        } else {
            0o600
        };
        files::replace(&out, &bytes, mode)?;
        let logged = if decoded.log_proof.is_some() {
            "in the log"
        } else {
            "not in the log yet"
        };
        writeln!(
            ui.out(),
            "{GOOD}✔{GOOD:#} {}  {} bytes, {logged}",
            out.display(),
            bytes.len()
        )?;
        if !decoded.disclosures.is_empty() {
            let scopes: Vec<&str> = decoded
                .disclosures
                .iter()
                .map(proofmark_receipt::Disclosure::scope)
                .collect();
            writeln!(
                ui.out(),
                "  It opens to everybody who has it: {}",
                scopes.join(", ")
            )?;
        }
        writeln!(
            ui.err(),
            "{FAINT}To check it: proofmark verify {}{FAINT:#}",
            out.display()
        )?;
        Ok(ExitStatus::OK)
    }
}
