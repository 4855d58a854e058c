//! What `serve` says when it starts: what listens where, whose keys, what to do next.

use std::io::{self, Write};
use std::net::SocketAddr;

use proofmark_verify::format_utc;

use crate::config::{Loaded, key_variable};
use crate::host::Host;
use crate::roots::{NODE_ROOTS_FILE, group, vkey_fingerprint};
use crate::ui::{FAINT, STRONG, UNKNOWN};

pub(super) fn write(
    out: &mut dyn Write,
    loaded: &Loaded,
    host: &Host,
    models: &[String],
    address: SocketAddr,
) -> io::Result<()> {
    let (config, keys) = (&loaded.config, &host.keys);
    let version = env!("CARGO_PKG_VERSION");
    writeln!(
        out,
        "{STRONG}proofmark {version}{STRONG:#}  node {} of {}",
        config.name,
        keys.operator_name()
    )?;
    writeln!(out, "  listens       http://{address}/v1")?;
    for model in models {
        writeln!(out, "  model         {model}")?;
    }
    for upstream in &config.upstream {
        let key = match (&upstream.api_key_env, &upstream.api_key_file) {
            (Some(variable), _) => format!("key from ${variable}"),
            (None, Some(file)) => format!("key from {}", file.display()),
            (None, None) => format!(
                "without a key; set {} if it wants one",
                key_variable(&upstream.name)
            ),
        };
        writeln!(
            out,
            "  upstream      {}  {}  {FAINT}{key}{FAINT:#}",
            upstream.name, upstream.base_url
        )?;
    }
    let file = loaded
        .file
        .as_ref()
        .map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    writeln!(out, "  configuration {file}")?;
    writeln!(out, "  data          {}", config.data.display())?;
    if host.access.has_keys() {
        writeln!(out, "  API keys      required")?;
    } else {
        writeln!(
            out,
            "  API keys      none: everybody on this machine may ask, nobody else"
        )?;
    }
    write_keys(out, host)?;
    for witness in &config.log.witness {
        let name = witness.vkey.split('+').next().unwrap_or_default();
        writeln!(out, "  witness       {name}  {}", witness.url)?;
    }
    write_next(out, loaded, address)
}

fn write_keys(out: &mut dyn Write, host: &Host) -> io::Result<()> {
    let keys = &host.keys;
    writeln!(
        out,
        "  operator key  {}",
        group(&keys.operator_key().kid().to_string())
    )?;
    if keys.operator_key_online() {
        writeln!(
            out,
            "                {UNKNOWN}operator key online{UNKNOWN:#}: whoever takes this machine has it. Receipts say so until you move {} away",
            keys.operator_key_path().display()
        )?;
    } else {
        writeln!(out, "                not on this machine")?;
    }
    if let Some(statement) = keys.current_statement() {
        let says = statement.unverified();
        for key in &says.keys {
            writeln!(out, "  node key      {}", group(&key.kid().to_string()))?;
        }
        writeln!(
            out,
            "                endorsed until {}",
            format_utc(says.not_after)
        )?;
    }
    for log in &host.roots.logs {
        let name = log.vkey.split('+').next().unwrap_or_default();
        let print = vkey_fingerprint(&log.vkey).unwrap_or_default();
        writeln!(out, "  log           {name}  {FAINT}{print}{FAINT:#}")?;
    }
    Ok(())
}

fn write_next(out: &mut dyn Write, loaded: &Loaded, address: SocketAddr) -> io::Result<()> {
    let model = loaded
        .config
        .upstream
        .iter()
        .flat_map(|upstream| &upstream.models)
        .find(|model| !model.ends_with('*'));
    let model = model.map_or("MODEL", String::as_str);
    let root = loaded.config.data.join(NODE_ROOTS_FILE);
    writeln!(out, "\nAsk it, with any OpenAI client or with curl:")?;
    writeln!(
        out,
        "  curl -i http://{address}/v1/chat/completions -H 'content-type: application/json' \\\n    -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'"
    )?;
    writeln!(
        out,
        "Take the receipt along (its id is in x-proofmark-receipt and in the answer's id) and check it anywhere:"
    )?;
    writeln!(
        out,
        "  proofmark receipt bundle ID --disclose all -o answer.receipt"
    )?;
    writeln!(out, "  proofmark trust add {}", root.display())?;
    writeln!(out, "  proofmark verify answer.receipt")
}
