//! `proofmark log tail`.

use std::time::Duration;

use clap::Args;
use proofmark_receipt::{
    Audit, LeafKind, ReceiptLeaf, RegistryKind, RegistryLeaf, SignedKeyStatement,
    SignedOperatorStatement, SignedRevocation, SignedWeights,
};
use proofmark_tlog::{VerifiedCheckpoint, consistency_proof, verify_consistency};
use serde_json::{Value, json};

use super::prove::unreadable;
use super::source::{LogArgs, Source, Which};
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::hex::hex;
use crate::ui::{BAD, Ui};

/// How often a followed log is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Arguments of `proofmark log tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    log: LogArgs,
    /// How many entries.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 10)]
    lines: u64,
    /// Go on with new entries as they come, until it is interrupted.
    #[arg(long, short)]
    follow: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Tail {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let source = self.log.open()?;
        let which = self.log.which();
        let mut checkpoint = source.verified_checkpoint()?;
        let mut next = checkpoint.size().saturating_sub(self.lines);
        loop {
            next = self.print(ui, &source, which, next, checkpoint.size())?;
            if !self.follow {
                return Ok(ExitStatus::OK);
            }
            std::thread::sleep(LOOK_INTERVAL);
            let newer = source.verified_checkpoint()?;
            check_extends(&source, &checkpoint, &newer)?;
            checkpoint = newer;
        }
    }

    /// Prints entries `next..size`, and returns `size`.
    fn print(
        &self,
        ui: &mut Ui,
        source: &Source,
        which: Which,
        mut next: u64,
        size: u64,
    ) -> Result<u64, CommandError> {
        while next < size {
            let (first, entries) = source.files.entries_around(next, size)?;
            let from = next;
            for (index, entry) in (first..)
                .zip(&entries)
                .skip_while(|(index, _)| *index < from)
            {
                let described = describe(which, entry);
                if self.json {
                    let line = json!({ "index": index, "entry": described });
                    writeln!(ui.out(), "{line}")?;
                } else {
                    writeln!(ui.out(), "{index:>10}  {}", in_words(&described))?;
                }
                next = index.saturating_add(1);
            }
        }
        Ok(next)
    }
}

/// A log that does not extend what was seen of it shows two histories.
fn check_extends(
    source: &Source,
    old: &VerifiedCheckpoint,
    new: &VerifiedCheckpoint,
) -> Result<(), CommandError> {
    let forked = || {
        CommandError::rejected("the log does not extend what was seen of it a moment ago")
            .code("log.consistency.root-mismatch")
            .hint("keep both checkpoints: signed by one key, they prove that the log shows two histories")
    };
    if new.size() < old.size() {
        return Err(forked().because(format!(
            "it had {} entries and now has {}",
            old.size(),
            new.size()
        )));
    }
    let hashes = consistency_proof(old.size(), new.size(), &mut |tile| source.files.tile(tile))
        .map_err(unreadable)?;
    verify_consistency(old.size(), old.root(), new.size(), new.root(), &hashes)
        .map_err(|error| forked().because(error))
}

fn describe(which: Which, entry: &[u8]) -> Value {
    match which {
        Which::Receipts => describe_receipt(entry),
        Which::Registry => describe_registry(entry),
    }
}

fn describe_receipt(entry: &[u8]) -> Value {
    match ReceiptLeaf::decode(entry) {
        Err(error) => json!({ "kind": "unreadable", "why": error.to_string() }),
        Ok(leaf) => json!({
            "kind": match leaf.kind { LeafKind::Relayed => "relayed", LeafKind::Executed => "executed" },
            "value_class": leaf.value_class,
            "audit": leaf.audit.map(|audit| match audit { Audit::Given => "given", Audit::Refused => "refused" }),
            "claims_digest": leaf.claims.to_string(),
        }),
    }
}

/// What the leaf says; signatures are checked by `verify`, with trust roots.
fn describe_registry(entry: &[u8]) -> Value {
    let unreadable = |error: proofmark_receipt::ReceiptError| json!({ "kind": "unreadable", "why": error.to_string() });
    let leaf = match RegistryLeaf::decode(entry) {
        Ok(leaf) => leaf,
        Err(error) => return unreadable(error),
    };
    let described = match &leaf.kind {
        RegistryKind::Operator => SignedOperatorStatement::decode(&leaf.statement).map(|statement| {
            let says = statement.unverified();
            json!({ "kind": "operator", "name": says.name, "key": says.key.kid().to_string() })
        }),
        RegistryKind::KeyStatement => SignedKeyStatement::decode(&leaf.statement).map(|statement| {
            let says = statement.unverified();
            let keys: Vec<String> = says.keys.iter().map(|key| key.kid().to_string()).collect();
            json!({ "kind": "key-statement", "node": says.node, "keys": keys, "not_after": says.not_after })
        }),
        RegistryKind::Revocation => SignedRevocation::decode(&leaf.statement).map(|revocation| {
            let says = revocation.unverified();
            json!({ "kind": "revocation", "key": says.kid.to_string(), "since": says.since })
        }),
        RegistryKind::Weights => SignedWeights::decode(&leaf.statement).map(|statement| {
            let says = statement.unverified();
            json!({
                "kind": "weights", "closure": hex(&says.closure), "system": says.system,
                "weights": hex(&says.weights), "computed_at": says.computed_at,
            })
        }),
        RegistryKind::Other(kind) => Ok(json!({ "kind": kind, "bytes": leaf.statement.len() })),
    };
    described.unwrap_or_else(unreadable)
}

fn in_words(entry: &Value) -> String {
    let Some(members) = entry.as_object() else {
        return entry.to_string();
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let kind = members.get("kind").map(text).unwrap_or_default();
    let kind = if kind == "unreadable" {
        format!("{BAD}{kind}{BAD:#}")
    } else {
        format!("{kind:13}")
    };
    // A name in a log may be anybody's text.
    let rest = members
        .iter()
        .filter(|(name, value)| *name != "kind" && !value.is_null());
    let rest: Vec<String> = rest
        .map(|(name, value)| format!("{name} {}", text(value).escape_debug()))
        .collect();
    format!("{kind}  {}", rest.join("  "))
}
