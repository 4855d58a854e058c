//! `proofmark doctor`: what is wrong with this node or this user's set-up, and what to do about it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Args;
use proofmark_gateway::access::KeyFile;
use proofmark_keys::KeyStore;
use proofmark_tlog::{Checkpoint, Note};
use proofmark_verify::format_utc;
use serde_json::{Value, json};

use crate::ambient::now_s;
use crate::commands::config::check_secrets;
use crate::config::{ConfigArgs, Loaded};
use crate::data::{keys_dir, log_public_dir};
use crate::error::{CommandError, CommandResult, ErrorKind, ExitStatus};
use crate::models;
use crate::roots;
use crate::running;
use crate::ui::{BAD, GOOD, UNKNOWN, Ui};

/// Less free space than this is too little for a log that must never lose an acknowledged receipt.
const LEAST_FREE_BYTES: u64 = 1024 * 1024 * 1024;
/// Statements are renewed at a third of 90 days; later than this nobody renewed them.
const STATEMENT_WARNING_S: u64 = 14 * 86_400;
/// No machine that runs this has an earlier time: a clock before it was never set (2025-01-01).
const EARLIEST_PLAUSIBLE_S: u64 = 1_735_689_600;

/// Arguments of `proofmark doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Warning,
    Bad,
}

/// What one look found.
struct Finding {
    what: &'static str,
    state: State,
    text: String,
    advice: Option<String>,
}

impl Finding {
    fn good(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Good,
            text: text.into(),
            advice: None,
        }
    }

    fn warning(what: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Warning,
            text: text.into(),
            advice: Some(advice.into()),
        }
    }

    fn bad(what: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Bad,
            text: text.into(),
            advice: Some(advice.into()),
        }
    }

    fn error(what: &'static str, error: &CommandError) -> Self {
        let reasons = error.reasons();
        let text = if reasons.is_empty() {
            error.to_string()
        } else {
            format!("{error}: {}", reasons.join(": "))
        };
        Self {
            what,
            state: State::Bad,
            text,
            advice: error.hints().first().cloned(),
        }
    }
}

impl Doctor {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let now_s = now_s();
        let mut findings = vec![clock(now_s), trust()];
        match self.config.load() {
            Err(error) => findings.push(Finding::error("configuration", &error)),
            Ok(loaded) => findings.extend(node(&loaded, now_s)),
        }
        if self.json {
            ui.print_json(&Value::Array(findings.iter().map(describe).collect()))?;
        } else {
            findings.iter().try_for_each(|finding| write(ui, finding))?;
        }
        let healthy = findings.iter().all(|finding| finding.state != State::Bad);
        Ok(if healthy {
            ExitStatus::OK
        } else {
            ErrorKind::Internal.exit_code()
        })
    }
}

fn write(ui: &mut Ui, finding: &Finding) -> io::Result<()> {
    let (style, symbol) = match finding.state {
        State::Good => (GOOD, "✔"),
        State::Warning => (UNKNOWN, "?"),
        State::Bad => (BAD, "✘"),
    };
    writeln!(
        ui.out(),
        "  {style}{symbol}{style:#} {:14}  {}",
        finding.what,
        finding.text
    )?;
    match &finding.advice {
        Some(advice) => writeln!(ui.out(), "    {:14}  {advice}", ""),
        None => Ok(()),
    }
}

fn describe(finding: &Finding) -> Value {
    let state = match finding.state {
        State::Good => "good",
        State::Warning => "warning",
        State::Bad => "bad",
    };
    json!({ "what": finding.what, "state": state, "text": finding.text, "what_to_do": finding.advice })
}

fn clock(now_s: u64) -> Finding {
    let text = format_utc(now_s);
    if now_s < EARLIEST_PLAUSIBLE_S {
        Finding::bad(
            "clock",
            format!("{text}: it was never set"),
            "set the clock: receipts and key statements carry its time",
        )
    } else {
        Finding::good("clock", text)
    }
}

fn trust() -> Finding {
    match roots::user_roots() {
        Err(error) => Finding::error("trust roots", &error),
        Ok(file) if file.roots.is_empty() => Finding::warning(
            "trust roots",
            "you believe nobody: every `proofmark verify` without --roots ends with 12, could not check",
            "proofmark trust add FILE|DIR|URL",
        ),
        Ok(file) => Finding::good(
            "trust roots",
            format!(
                "{} operators in {}",
                file.roots.operators.len(),
                file.path.display()
            ),
        ),
    }
}

/// Everything about a node; nothing of it is needed for verifying.
fn node(loaded: &Loaded, now_s: u64) -> Vec<Finding> {
    let mut findings = vec![configuration(loaded), upstreams(loaded)];
    let data = loaded.config.data.as_path();
    if !data.exists() {
        findings.push(Finding::warning(
            "data directory",
            format!("{} is not there yet", data.display()),
            "`proofmark serve` makes it on its first start",
        ));
        return findings;
    }
    findings.extend([
        directory(data),
        space(data),
        keys(data, now_s),
        api_keys(loaded),
        server(data),
    ]);
    findings.extend(["receipts", "registry"].map(|name| log(data, name)));
    findings
}

fn configuration(loaded: &Loaded) -> Finding {
    let from = loaded.file.as_ref().map_or_else(
        || "defaults only".to_owned(),
        |path| path.display().to_string(),
    );
    match loaded.warnings.first() {
        Some(warning) => Finding::warning("configuration", warning.clone(), "rename or remove it"),
        None => Finding::good("configuration", from),
    }
}

fn upstreams(loaded: &Loaded) -> Finding {
    let names: Vec<&str> = loaded
        .config
        .upstream
        .iter()
        .map(|upstream| upstream.name.as_str())
        .collect();
    if names.is_empty() && models::serves_any(&loaded.config) {
        return Finding::good("upstreams", "none: this node executes models of its own");
    }
    if names.is_empty() {
        return Finding::warning(
            "upstreams",
            "none: `proofmark serve` has nothing to serve",
            "--upstream NAME=BASE_URL",
        );
    }
    match check_secrets(loaded) {
        Ok(()) => Finding::good("upstreams", names.join(", ")),
        Err(error) => Finding::error("upstreams", &error),
    }
}

fn directory(data: &Path) -> Finding {
    let mode = std::fs::metadata(data).map(|metadata| metadata.permissions().mode() & 0o7777);
    match mode {
        Err(error) => Finding::bad(
            "data directory",
            format!("{}: {error}", data.display()),
            "check its permissions",
        ),
        Ok(mode) if mode & 0o022 != 0 => Finding::bad(
            "data directory",
            format!(
                "{} can be changed by other users (mode {mode:04o})",
                data.display()
            ),
            format!("run: chmod go-w {}", data.display()),
        ),
        Ok(_) => Finding::good("data directory", data.display().to_string()),
    }
}

fn space(data: &Path) -> Finding {
    let free = match rustix::fs::statvfs(data) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            return Finding::warning(
                "disk",
                format!("free space unknown: {error}"),
                "check it by hand",
            );
        }
    };
    let text = format!("{} MiB free", free / (1024 * 1024));
    if free < LEAST_FREE_BYTES {
        Finding::bad(
            "disk",
            text,
            "make room: without, answers are withheld, for their receipts cannot be kept",
        )
    } else {
        Finding::good("disk", text)
    }
}

fn keys(data: &Path, now_s: u64) -> Finding {
    let dir = keys_dir(data);
    if !dir.exists() {
        return Finding::warning(
            "keys",
            "none yet",
            "`proofmark serve` makes them on its first start",
        );
    }
    let keys = match KeyStore::open(&dir) {
        Ok(keys) => keys,
        Err(error) => return Finding::error("keys", &error.into()),
    };
    if let Err(error) = keys.serving(now_s) {
        return Finding::error("keys", &error.into());
    }
    let not_after = keys
        .current_statement()
        .map_or(0, |statement| statement.unverified().not_after);
    let until = format_utc(not_after);
    if not_after.saturating_sub(now_s) < STATEMENT_WARNING_S {
        let advice = "proofmark key node rotate --operator-key FILE";
        return Finding::warning("keys", format!("the key statement ends at {until}"), advice);
    }
    if keys.operator_key_online() {
        let advice = format!(
            "move {} to another machine; the node serves on without",
            keys.operator_key_path().display()
        );
        return Finding::warning(
            "keys",
            format!("valid until {until}; operator key online"),
            advice,
        );
    }
    Finding::good(
        "keys",
        format!("valid until {until}; operator key not on this machine"),
    )
}

fn api_keys(loaded: &Loaded) -> Finding {
    let listen = loaded.config.listen;
    match KeyFile::of(&loaded.config.data).list() {
        Err(error) => Finding::error("API keys", &crate::commands::key::api::access_error(error)),
        Ok(records) if records.is_empty() && !listen.ip().to_canonical().is_loopback() => {
            Finding::bad(
                "API keys",
                format!("none, and the configuration listens on {listen}"),
                "make one: proofmark key create --name NAME",
            )
        }
        Ok(records) if records.is_empty() => Finding::good(
            "API keys",
            "none: loopback only, for everybody on this machine",
        ),
        Ok(records) => {
            let now_s = now_s();
            let live = records
                .iter()
                .filter(|record| record.is_live(now_s))
                .count();
            Finding::good(
                "API keys",
                format!("{live} of {} can be used", records.len()),
            )
        }
    }
}

fn server(data: &Path) -> Finding {
    match running::server_of(data) {
        Err(error) => Finding::error("server", &error),
        Ok(Some(address)) => Finding::good("server", format!("runs on {address}")),
        Ok(None) => Finding::good("server", "does not run"),
    }
}

/// The checkpoint as it stands there; `proofmark log fsck` derives everything anew.
fn log(data: &Path, name: &'static str) -> Finding {
    let what = if name == "receipts" {
        "receipts log"
    } else {
        "registry log"
    };
    let path = log_public_dir(data, name).join("checkpoint");
    let text = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::warning(
                what,
                "no checkpoint yet",
                "`proofmark serve` publishes one when it starts",
            );
        }
        Err(error) => {
            return Finding::bad(
                what,
                format!("{}: {error}", path.display()),
                "check its permissions",
            );
        }
    };
    let advice = "proofmark log fsck";
    let checkpoint = Note::parse(&text)
        .ok()
        .and_then(|note| Checkpoint::parse_text(note.text()).ok());
    match checkpoint {
        None => Finding::bad(what, "its checkpoint is damaged", advice),
        Some(checkpoint) => Finding::good(
            what,
            format!("{}, {} entries", checkpoint.origin, checkpoint.size),
        ),
    }
}
