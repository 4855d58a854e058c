//! `proofmark receipt list`.

use clap::Args;
use proofmark_verify::format_utc;
use serde_json::Value;

use crate::error::{CommandResult, ExitStatus};
use crate::listing::Listing;
use crate::node::NodeArgs;
use crate::ui::{FAINT, Ui};

/// Arguments of `proofmark receipt list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    node: NodeArgs,
    /// Only those that were asked for this model.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only those issued at or after this time, Unix milliseconds.
    #[arg(long, value_name = "UNIX_MS")]
    since_ms: Option<u64>,
    /// Only those issued before this time, Unix milliseconds.
    #[arg(long, value_name = "UNIX_MS")]
    until_ms: Option<u64>,
    /// How many at most.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl List {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let listing = Listing {
            model: self.model,
            since_ms: self.since_ms,
            until_ms: self.until_ms,
        };
        let receipts = listing.collect(&self.node.open()?, self.limit)?;
        if self.json {
            ui.print_json(&Value::Array(receipts))?;
            return Ok(ExitStatus::OK);
        }
        if receipts.is_empty() {
            writeln!(ui.err(), "{FAINT}no receipts{FAINT:#}")?;
        }
        for receipt in &receipts {
            let text = |name: &str| receipt.get(name).and_then(Value::as_str).unwrap_or("–");
            let created_ms = receipt
                .get("created_ms")
                .and_then(Value::as_u64)
                .unwrap_or(0);
            let logged = receipt
                .get("logged")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            writeln!(
                ui.out(),
                "{}  {}  {:20}  {:16}  {:12}  {}",
                text("id"),
                format_utc(created_ms / 1000),
                text("model").escape_debug(),
                text("operation"),
                text("outcome"),
                if logged { "logged" } else { "not logged yet" },
            )?;
        }
        Ok(ExitStatus::OK)
    }
}
