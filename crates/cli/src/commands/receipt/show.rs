//! `proofmark receipt show`.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use proofmark_receipt::{BUNDLE_MAX_BYTES, Bundle, SignedReceipt, to_json};
use proofmark_verify::printable;
use serde_json::Value;

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::node::NodeArgs;
use crate::ui::{FAINT, STRONG, Ui};

/// Arguments of `proofmark receipt show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A receipt id, or a file with a bundle or receipt.
    receipt: String,
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Show {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let path = Path::new(&self.receipt);
        let bytes = if path.exists() || self.receipt == "-" {
            Bundle::decode(&files::read(path, BUNDLE_MAX_BYTES)?)?.receipt
        } else {
            self.node.open()?.receipt(&self.receipt)?
        };
        let receipt = SignedReceipt::decode(&bytes)?;
        let view = to_json(&receipt);
        if self.json {
            ui.print_json(&view)?;
        } else {
            write_view(ui.out(), &view)?;
            writeln!(
                ui.err(),
                "{FAINT}Shown, not verified. To check it: proofmark verify FILE{FAINT:#}"
            )?;
        }
        Ok(ExitStatus::OK)
    }
}

/// The order in which people ask; what is not named here comes last.
const ORDER: [&str; 14] = [
    "id",
    "issued_at",
    "issuer",
    "operation",
    "nonce",
    "previous",
    "received",
    "attachments",
    "asked",
    "relayed",
    "provider",
    "executed",
    "output",
    "finish",
];

fn write_view(out: &mut dyn Write, view: &Value) -> Result<(), CommandError> {
    let place = |name: &str| {
        ORDER
            .iter()
            .position(|known| *known == name)
            .unwrap_or(ORDER.len())
    };
    let mut claims: Vec<(&String, &Value)> = view.as_object().into_iter().flatten().collect();
    claims.sort_by_key(|(name, _)| place(name));
    for (name, value) in claims {
        let claim = value
            .as_object()
            .filter(|claim| claim.len() == 2 && claim.contains_key("provenance"));
        match claim {
            Some(claim) => {
                let by = claim
                    .get("provenance")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                writeln!(out, "{STRONG}{name}{STRONG:#}  {FAINT}{by}{FAINT:#}")?;
                write_value(out, claim.get("value").unwrap_or(&Value::Null), 2)?;
            }
            None => {
                writeln!(out, "{STRONG}{name}{STRONG:#}")?;
                write_value(out, value, 2)?;
            }
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn write_value(out: &mut dyn Write, value: &Value, indent: usize) -> io::Result<()> {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(_, value)| !is_empty(value)) {
                if value.is_object() || value.is_array() {
                    writeln!(out, "{:indent$}{name}:", "")?;
                    write_value(out, value, indent + 2)?;
                } else {
                    writeln!(out, "{:indent$}{name}: {}", "", scalar(value))?;
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| {
            if item.is_object() || item.is_array() {
                writeln!(out, "{:indent$}-", "")?;
                write_value(out, item, indent + 2)
            } else {
                writeln!(out, "{:indent$}- {}", "", scalar(item))
            }
        }),
        other => writeln!(out, "{:indent$}{}", "", scalar(other)),
    }
}

/// Text of strangers, without what could move the cursor.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}
