//! `proofmark key node`: the key that signs receipts, and the statements behind it.
//!
//! A running server sees a change within seconds, publishes the new statements, and signs with the new key.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use proofmark_keys::{KeyFile, KeyRole, KeyStore, OsEntropy, Statement, read_key_file};
use proofmark_receipt::{KeyId, Revocation, RevocationReason};
use proofmark_verify::{format_operator_key, format_utc};
use serde_json::{Value, json};

use crate::ambient::now_s;
use crate::data::{DataDir, keys_dir};
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::roots::group;
use crate::ui::{BAD, GOOD, STRONG, UNKNOWN, Ui};

/// Subcommands of `proofmark key node`.
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Keys, fingerprints, key statement and revocations of this node.
    Show(Show),
    /// Make a new node key with its statement, and erase the old key.
    Rotate(Rotate),
    /// Revoke a key. The node's own key signs nothing more until it is rotated.
    Revoke(Revoke),
}

/// Arguments of `proofmark key node show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofmark key node rotate`.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    data: DataDir,
    /// The operator key's file, where it does not lie in the data directory.
    #[arg(long, value_name = "FILE")]
    operator_key: Option<PathBuf>,
    /// Revoke the old key too, for this reason. Without, receipts that it signed stay as good as they were.
    #[arg(long, value_enum, value_name = "REASON")]
    revoke: Option<Reason>,
}

/// Arguments of `proofmark key node revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    data: DataDir,
    /// Key id of the key, 64 hexadecimal digits. Default: the node's current key.
    kid: Option<String>,
    /// Why.
    #[arg(long, value_enum, value_name = "REASON")]
    reason: Reason,
    /// From when on, Unix seconds. Default: now.
    #[arg(long, value_name = "UNIX_S")]
    since: Option<u64>,
    /// The operator key's file, where it does not lie in the data directory.
    #[arg(long, value_name = "FILE")]
    operator_key: Option<PathBuf>,
    /// Do it without asking; a revocation is for ever.
    #[arg(long)]
    yes: bool,
}

/// Why a key is revoked.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Reason {
    /// Not said.
    Unspecified,
    /// Somebody else has it: only receipts that were witnessed before stay valid.
    Compromised,
    /// Another key took its place.
    Superseded,
    /// The node is gone.
    Ceased,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::Compromised => Self::Compromised,
            Reason::Superseded => Self::Superseded,
            Reason::Ceased => Self::Ceased,
        }
    }
}

fn reason_name(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Unspecified => "no reason given",
        RevocationReason::Compromised => "compromised",
        RevocationReason::Superseded => "superseded",
        RevocationReason::Ceased => "ceased",
    }
}

impl Node {
    pub(crate) fn wants_json(&self) -> bool {
        matches!(self, Self::Show(Show { json: true, .. }))
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Show(command) => command.run(ui),
            Self::Rotate(command) => command.run(ui),
            Self::Revoke(command) => command.run(ui),
        }
    }
}

fn open(data: &DataDir) -> Result<KeyStore, CommandError> {
    let dir = keys_dir(&data.path());
    if !dir.exists() {
        return Err(CommandError::usage(format!(
            "{} is not the data directory of a node",
            data.path().display()
        ))
        .hint(
            "name it with --data DIR; a node makes its keys on its first start: proofmark serve",
        ));
    }
    Ok(KeyStore::open(&dir)?)
}

/// The operator key from elsewhere. One that lies in the data directory is found without being named.
fn operator_key(path: Option<&Path>) -> Result<Option<KeyFile>, CommandError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let key = read_key_file(path, KeyRole::Operator)?;
    let key =
        key.ok_or_else(|| CommandError::file("read", path, io::ErrorKind::NotFound.into()))?;
    Ok(Some(key))
}

impl Show {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let keys = open(&self.data)?;
        let now_s = now_s();
        if self.json {
            ui.print_json(&describe(&keys, now_s))?;
        } else {
            write_keys(ui.out(), &keys, now_s)?;
        }
        Ok(ExitStatus::OK)
    }
}

impl Rotate {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let mut keys = open(&self.data)?;
        let operator = operator_key(self.operator_key.as_deref())?;
        let facts = keys.current_facts().ok_or_else(|| {
            CommandError::usage("the node has no key statement yet")
                .hint("start it once: proofmark serve")
        })?;
        let reason = self.revoke.map(RevocationReason::from);
        let statement = keys.rotate(&facts, reason, operator.as_ref(), now_s(), &mut OsEntropy)?;
        let says = statement.unverified();
        let kid = says
            .keys
            .first()
            .map(|key| key.kid().to_string())
            .unwrap_or_default();
        writeln!(
            ui.out(),
            "{GOOD}✔{GOOD:#} New node key {kid}, endorsed until {}.",
            format_utc(says.not_after)
        )?;
        writeln!(ui.out(), "  A running server changes to it within seconds.")?;
        if operator.is_some() && !says.operator_key_online {
            writeln!(
                ui.out(),
                "  The statement says that the operator key is not online: take its file away again."
            )?;
        }
        Ok(ExitStatus::OK)
    }
}

impl Revoke {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let mut keys = open(&self.data)?;
        let current = keys
            .current_statement()
            .and_then(|current| current.unverified().keys.first());
        let current = current.map(proofmark_receipt::PublicKey::kid);
        let kid = match &self.kid {
            Some(text) => parse_kid(text)?,
            None => current.ok_or_else(|| CommandError::usage("the node has no key yet"))?,
        };
        if !self.yes {
            return Err(CommandError::usage(format!("revoking {kid} is for ever"))
                .because("receipts that this key signed are rejected from then on, or are valid only with a witnessed time")
                .hint("repeat it with --yes"));
        }
        let operator = operator_key(self.operator_key.as_deref())?;
        let since = self.since.unwrap_or_else(now_s);
        keys.revoke(
            Revocation {
                kid,
                since,
                reason: self.reason.into(),
            },
            operator.as_ref(),
        )?;
        writeln!(
            ui.out(),
            "{GOOD}✔{GOOD:#} {kid} is revoked since {}.",
            format_utc(since)
        )?;
        if Some(kid) == current {
            writeln!(
                ui.out(),
                "  The node signs nothing until it has a new key: proofmark key node rotate"
            )?;
        }
        Ok(ExitStatus::OK)
    }
}

fn parse_kid(text: &str) -> Result<KeyId, CommandError> {
    let mut kid = [0_u8; 32];
    let digits = text.as_bytes();
    let well_formed = digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit);
    for (byte, pair) in kid.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair)
            .ok()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        *byte = pair.unwrap_or_default();
    }
    if well_formed {
        Ok(KeyId(kid))
    } else {
        Err(
            CommandError::usage(format!("{text:?} is not a key id of 64 hexadecimal digits"))
                .hint("see the keys: proofmark key node show"),
        )
    }
}

fn write_keys(out: &mut dyn Write, keys: &KeyStore, now_s: u64) -> io::Result<()> {
    writeln!(out, "{STRONG}Operator {}{STRONG:#}", keys.operator_name())?;
    writeln!(
        out,
        "  key            {}",
        format_operator_key(keys.operator_key())
    )?;
    writeln!(
        out,
        "  fingerprint    {}",
        group(&keys.operator_key().kid().to_string())
    )?;
    if keys.operator_key_online() {
        writeln!(
            out,
            "  {UNKNOWN}operator key online{UNKNOWN:#}: whoever takes this machine has it. Move it away:"
        )?;
        writeln!(
            out,
            "                 {}",
            keys.operator_key_path().display()
        )?;
    } else {
        writeln!(out, "  operator key not on this machine")?;
    }
    if let Some(statement) = keys.current_statement() {
        let says = statement.unverified();
        writeln!(out, "{STRONG}Node {}{STRONG:#}", says.node)?;
        for key in &says.keys {
            writeln!(out, "  key id         {}", group(&key.kid().to_string()))?;
        }
        writeln!(out, "  statement      {}", statement.digest())?;
        writeln!(
            out,
            "  valid          {} to {}",
            format_utc(says.not_before),
            format_utc(says.not_after)
        )?;
        writeln!(out, "  receipts log   {}", says.receipts_log)?;
        writeln!(out, "  registry log   {}", says.registry_log)?;
    }
    for statement in keys.statements() {
        if let Statement::Revocation(revocation) = statement {
            let says = revocation.unverified();
            let (since, reason) = (format_utc(says.since), reason_name(says.reason));
            writeln!(
                out,
                "{BAD}Revoked{BAD:#} {} since {since}: {reason}",
                says.kid
            )?;
        }
    }
    match keys.serving(now_s) {
        Ok(_) => writeln!(out, "{GOOD}✔{GOOD:#} The node can sign receipts."),
        Err(error) => writeln!(out, "{BAD}✘{BAD:#} The node cannot sign receipts: {error}"),
    }
}

fn describe(keys: &KeyStore, now_s: u64) -> Value {
    let statement = keys.current_statement().map(|statement| {
        let says = statement.unverified();
        json!({
            "digest": statement.digest().to_string(),
            "node": says.node,
            "keys": says.keys.iter().map(|key| key.kid().to_string()).collect::<Vec<_>>(),
            "not_before": says.not_before,
            "not_after": says.not_after,
            "receipts_log": says.receipts_log,
            "registry_log": says.registry_log,
            "operator_key_online": says.operator_key_online,
        })
    });
    let revocations = keys.statements().iter().filter_map(|statement| match statement {
        Statement::Revocation(revocation) => {
            let says = revocation.unverified();
            Some(json!({ "kid": says.kid.to_string(), "since": says.since, "reason": reason_name(says.reason) }))
        }
        _ => None,
    });
    let serving = keys.serving(now_s);
    json!({
        "operator": {
            "name": keys.operator_name(),
            "key": format_operator_key(keys.operator_key()),
            "fingerprint": keys.operator_key().kid().to_string(),
            "online": keys.operator_key_online(),
        },
        "statement": statement,
        "revocations": revocations.collect::<Vec<_>>(),
        "can_sign": serving.is_ok(),
        "why_not": serving.err().map(|error| error.code()),
    })
}
