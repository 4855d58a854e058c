//! `proofmark receipt list`.

use clap::Args;
use proofmark_verify::format_utc;
use serde_json::Value;

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::node::{Node, NodeArgs, segment};
use crate::ui::{FAINT, Ui};

/// A page of a listing.
const PAGE_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Receipts per request.
const PAGE_RECEIPTS: usize = 100;

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
        let receipts = self.collect(&self.node.open()?)?;
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

    fn collect(&self, node: &Node) -> Result<Vec<Value>, CommandError> {
        let mut receipts: Vec<Value> = Vec::new();
        let mut after: Option<String> = None;
        while receipts.len() < self.limit {
            let path = self.path(after.as_deref(), self.limit - receipts.len())?;
            let page: Value =
                serde_json::from_slice(&node.get_ok(&path, PAGE_MAX_BYTES)?).map_err(unreadable)?;
            let data = page
                .get("data")
                .and_then(Value::as_array)
                .ok_or_else(|| unreadable("it has no data"))?;
            receipts.extend(data.iter().cloned());
            let more = page
                .get("has_more")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            let last = page
                .get("last_id")
                .and_then(Value::as_str)
                .map(str::to_owned);
            // A page that leads nowhere ends the listing, whatever it says.
            if !more || data.is_empty() || last.is_none() || last == after {
                break;
            }
            after = last;
        }
        receipts.truncate(self.limit);
        Ok(receipts)
    }

    fn path(&self, after: Option<&str>, left: usize) -> Result<String, CommandError> {
        let mut query = format!("limit={}", left.min(PAGE_RECEIPTS));
        if let Some(model) = &self.model {
            query.push_str(&format!("&model={}", percent_encoded(model)));
        }
        if let Some(since_ms) = self.since_ms {
            query.push_str(&format!("&since_ms={since_ms}"));
        }
        if let Some(until_ms) = self.until_ms {
            query.push_str(&format!("&until_ms={until_ms}"));
        }
        if let Some(after) = after {
            query.push_str(&format!("&after={}", segment(after)?));
        }
        Ok(format!("/v1/receipts?{query}"))
    }
}

fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    CommandError::could_not_check("the node's listing cannot be read").because(why)
}

/// RFC 3986 §2.1, everything but the unreserved characters.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_a_query() {
        assert_eq!(percent_encoded("a-b_c.d~9"), "a-b_c.d~9");
        assert_eq!(percent_encoded("a/b&c=ä "), "a%2Fb%26c%3D%C3%A4%20");
    }
}
