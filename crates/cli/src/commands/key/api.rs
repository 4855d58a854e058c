//! `proofmark key create|list|revoke`: API keys of clients. A running server heeds a change within a second.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use proofmark_gateway::access::{
    AccessError, KeyFile, KeyPolicy, KeyRecord, NanoUsd, NewKey, Rights,
};
use proofmark_verify::format_utc;
use serde_json::{Value, json};

use crate::ambient::now_s;
use crate::data::DataDir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::hex::hex;
use crate::ui::{BAD, FAINT, GOOD, Ui};

/// Arguments of `proofmark key create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    data: DataDir,
    /// What the key is called in lists.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Requests per minute that it may make.
    #[arg(long, value_name = "NUMBER")]
    rpm: Option<u32>,
    /// US dollars that it may spend in all; models need a price then.
    #[arg(long, value_name = "USD", value_parser = parse_usd)]
    budget: Option<NanoUsd>,
    /// When it ends: Unix seconds, or from now as in 30d, 12h, 15m.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// What it is good for.
    #[arg(long, value_enum, value_name = "RIGHT", default_values_t = [Right::Use], value_delimiter = ',')]
    rights: Vec<Right>,
    /// Policy (specs/07-policy.md) that its answers are held against at the moment at which they are given: below it they are withheld or
    /// flagged, as it says.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Write the key into this new file of mode 0600 instead of showing it.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `proofmark key list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `proofmark key revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    data: DataDir,
    /// Id or name of the key.
    key: String,
}

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Right {
    /// Ask models, and see the receipts of its own requests.
    Use,
    /// See every receipt.
    Admin,
}

fn parse_usd(text: &str) -> Result<NanoUsd, String> {
    let usd: f64 = text
        .parse()
        .map_err(|_| format!("{text:?} is not an amount of US dollars"))?;
    NanoUsd::from_usd(usd).map_err(|error| error.to_string())
}

/// Unix seconds, or a time from `now_s` on.
fn parse_expiry(text: &str, now_s: u64) -> Result<u64, CommandError> {
    let bad = || {
        CommandError::usage(format!("{text:?} is not a time"))
            .hint("write 30d, 12h, 15m, or Unix seconds")
    };
    if let Ok(unix_s) = text.parse() {
        return Ok(unix_s);
    }
    let unit_s = match text.chars().last() {
        Some('d') => 86_400,
        Some('h') => 3_600,
        Some('m') => 60,
        _ => return Err(bad()),
    };
    let count: u64 = text
        .trim_end_matches(['d', 'h', 'm'])
        .parse()
        .map_err(|_| bad())?;
    count
        .checked_mul(unit_s)
        .and_then(|left| now_s.checked_add(left))
        .ok_or_else(bad)
}

/// Makes what the gateway says about its key file an error of the command line.
pub(crate) fn access_error(error: AccessError) -> CommandError {
    match &error {
        AccessError::NewKey { .. }
        | AccessError::NameTaken { .. }
        | AccessError::UnknownKey { .. } => CommandError::usage(error.to_string()),
        _ => CommandError::internal("the file of API keys cannot be used").because(error),
    }
}

impl Create {
    /// The policy, with a warning if no answer can meet it when it is given.
    fn policy(&self, now_s: u64, ui: &mut Ui) -> Result<Option<Arc<KeyPolicy>>, CommandError> {
        let Some(path) = &self.policy else {
            return Ok(None);
        };
        let policy = KeyPolicy::of(crate::policy::read(path)?);
        if !policy.can_be_met(now_s) {
            writeln!(
                ui.err(),
                "no answer meets this policy at the moment at which it is given: log, witnesses, replays and proofs come later"
            )?;
        }
        Ok(Some(Arc::new(policy)))
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let now_s = now_s();
        let data = self.data.path();
        let new = NewKey {
            name: self.name.clone(),
            rpm: self.rpm,
            budget: self.budget,
            expires_unix_s: self
                .expires
                .as_deref()
                .map(|text| parse_expiry(text, now_s))
                .transpose()?,
            rights: Rights {
                use_models: self.rights.contains(&Right::Use),
                admin: self.rights.contains(&Right::Admin),
            },
            policy: self.policy(now_s, ui)?,
        };
        if let Some(path) = self.out.as_ref().filter(|path| path.exists()) {
            return Err(CommandError::usage(format!(
                "{} is there already",
                path.display()
            )));
        }
        std::fs::create_dir_all(&data)
            .map_err(|error| CommandError::file("create", &data, error))?;
        let (record, key) = KeyFile::of(&data)
            .create(new, now_s)
            .map_err(access_error)?;
        if let Some(path) = &self.out {
            files::replace(path, format!("{}\n", key.expose()).as_bytes(), 0o600)?;
        }
        let shown = self.out.is_none().then(|| key.expose());
        if self.json {
            let mut value = describe(&record);
            value["key"] = json!(shown);
            ui.print_json(&value)?;
            return Ok(ExitStatus::OK);
        }
        writeln!(
            ui.err(),
            "{GOOD}✔{GOOD:#} API key {} ({}), for {}",
            record.name,
            record.id,
            record.rights.names().join(" and ")
        )?;
        match (shown, &self.out) {
            (Some(key), _) => {
                writeln!(ui.err(), "  It is shown this once; only a hash is kept.")?;
                writeln!(ui.out(), "{key}")?;
            }
            (None, Some(path)) => writeln!(ui.err(), "  It lies in {}", path.display())?,
            (None, None) => {}
        }
        Ok(ExitStatus::OK)
    }
}

impl List {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let file = KeyFile::of(&self.data.path());
        let records = file.list().map_err(access_error)?;
        if self.json {
            ui.print_json(&Value::Array(records.iter().map(describe).collect()))?;
            return Ok(ExitStatus::OK);
        }
        if records.is_empty() {
            writeln!(
                ui.err(),
                "{FAINT}no API keys: loopback only, for everybody on this machine{FAINT:#}"
            )?;
        }
        let now_s = now_s();
        for record in &records {
            let state = match (record.revoked_unix_s, record.expires_unix_s) {
                (Some(at), _) => format!("{BAD}revoked{BAD:#} {}", format_utc(at)),
                (None, Some(at)) if at <= now_s => {
                    format!("{BAD}expired{BAD:#} {}", format_utc(at))
                }
                (None, Some(at)) => format!("until {}", format_utc(at)),
                (None, None) => "no expiry".to_owned(),
            };
            let rpm = record
                .rpm
                .map_or_else(|| "no limit".to_owned(), |rpm| format!("{rpm}/min"));
            let budget = record
                .budget
                .map_or_else(|| "no budget".to_owned(), |budget| format!("{budget} USD"));
            let rights = record.rights.names().join(",");
            writeln!(
                ui.out(),
                "{}  {:20}  {rights:9}  {rpm:>10}  {budget:>12}  {state}",
                record.id,
                record.name
            )?;
        }
        Ok(ExitStatus::OK)
    }
}

impl Revoke {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let record = KeyFile::of(&self.data.path())
            .revoke(&self.key, now_s())
            .map_err(access_error)?;
        let heeded = Duration::from_secs(1);
        writeln!(
            ui.out(),
            "{GOOD}✔{GOOD:#} {} ({}) is revoked.",
            record.name,
            record.id
        )?;
        writeln!(
            ui.out(),
            "  A running server refuses it within {} s.",
            heeded.as_secs()
        )?;
        Ok(ExitStatus::OK)
    }
}

fn describe(record: &KeyRecord) -> Value {
    json!({
        "id": record.id.as_str(),
        "name": record.name,
        "rights": record.rights.names(),
        "rpm": record.rpm,
        "policy_sha256": record.policy.as_ref().map(|policy| hex(&policy.digest())),
        "budget_usd": record.budget.map(NanoUsd::as_usd),
        "created_unix_s": record.created_unix_s,
        "expires_unix_s": record.expires_unix_s,
        "revoked_unix_s": record.revoked_unix_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_times_from_now_or_absolute() {
        for (text, unix_s) in [
            ("30d", 1000 + 30 * 86_400),
            ("12h", 1000 + 12 * 3_600),
            ("15m", 1900),
            ("77", 77),
        ] {
            assert_eq!(parse_expiry(text, 1000).unwrap(), unix_s);
        }
        for bad in ["", "d", "3w", "-1d", "99999999999999999999d", "1.5h"] {
            assert!(parse_expiry(bad, 1000).is_err(), "{bad}");
        }
    }

    #[test]
    fn budgets_are_amounts() {
        assert_eq!(parse_usd("2.5").unwrap(), NanoUsd(2_500_000_000));
        for bad in ["", "-1", "NaN", "a"] {
            assert!(parse_usd(bad).is_err(), "{bad}");
        }
    }
}
