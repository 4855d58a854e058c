//! `proofmark config`: whether a configuration can be used, and where each value comes from.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::{ConfigArgs, Loaded, SETTINGS};
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::models;
use crate::ui::{FAINT, GOOD, STRONG, Ui};

/// Subcommands of `proofmark config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Read the configuration as `serve` would, and the secrets that it refers to.
    Check(Check),
    /// Print every setting as `serve` would have it.
    Show(Show),
}

/// Arguments of `proofmark config check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Arguments of `proofmark config show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// Say with each value where it comes from.
    #[arg(long)]
    origin: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Config {
    pub(crate) fn wants_json(&self) -> bool {
        matches!(self, Self::Show(Show { json: true, .. }))
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Check(command) => command.run(ui),
            Self::Show(command) => command.run(ui),
        }
    }
}

impl Check {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let loaded = self.config.load()?;
        loaded.warnings.iter().for_each(|warning| ui.warn(warning));
        check_secrets(&loaded)?;
        let from = match &loaded.file {
            Some(path) => path.display().to_string(),
            None => "no file, defaults only".to_owned(),
        };
        writeln!(
            ui.out(),
            "{GOOD}✔{GOOD:#} the configuration can be used  ({from})"
        )?;
        if loaded.config.upstream.is_empty() && !models::serves_any(&loaded.config) {
            ui.warn(
                "there is no upstream and no model: `proofmark serve` would have nothing to serve",
            );
        }
        Ok(ExitStatus::OK)
    }
}

/// That each upstream's key and certificates are where the configuration says.
pub(crate) fn check_secrets(loaded: &Loaded) -> Result<(), CommandError> {
    let environment = |name: &str| std::env::var(name).ok();
    for upstream in &loaded.config.upstream {
        let checked = upstream
            .load_key(environment)
            .and_then(|_| upstream.load_ca());
        checked.map_err(|error| {
            CommandError::usage(error.to_string())
                .code("config.secret-unavailable")
                .hint("secrets are given by environment variable (api_key_env) or by file (api_key_file)")
        })?;
    }
    Ok(())
}

impl Show {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let loaded = self.config.load()?;
        loaded.warnings.iter().for_each(|warning| ui.warn(warning));
        if self.json {
            ui.print_json(&describe(&loaded))?;
        } else {
            write_settings(ui.out(), &loaded, self.origin)?;
        }
        Ok(ExitStatus::OK)
    }
}

fn write_settings(out: &mut dyn Write, loaded: &Loaded, origin: bool) -> io::Result<()> {
    let mut section = "";
    for setting in SETTINGS {
        let (of, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if of != section {
            writeln!(out, "\n{STRONG}[{of}]{STRONG:#}")?;
            section = of;
        }
        let line = match (setting.show)(&loaded.config) {
            Some(value) => format!("{name} = {value}"),
            None => format!("# {name} is not set"),
        };
        write_line(
            out,
            &line,
            origin.then(|| loaded.origin(setting.key).to_string()),
        )?;
    }
    for upstream in &loaded.config.upstream {
        writeln!(out, "\n{STRONG}[[upstream]]{STRONG:#}")?;
        let origin = origin.then(|| {
            loaded
                .origin(&format!("upstream.{}", upstream.name))
                .to_string()
        });
        write_line(out, &format!("name = {:?}", upstream.name), origin.clone())?;
        write_line(
            out,
            &format!("base_url = {:?}", upstream.base_url),
            origin.clone(),
        )?;
        if let Some(variable) = &upstream.api_key_env {
            let line = format!("api_key_env = {variable:?}");
            write_line(out, &line, origin.clone())?;
        }
        if let Some(file) = &upstream.api_key_file {
            write_line(out, &format!("api_key_file = {file:?}"), origin.clone())?;
        }
        let models = &upstream.models;
        write_line(out, &format!("models = {models:?}"), origin)?;
    }
    for witness in &loaded.config.log.witness {
        writeln!(out, "\n{STRONG}[[log.witness]]{STRONG:#}")?;
        writeln!(out, "vkey = {:?}\nurl = {:?}", witness.vkey, witness.url)?;
    }
    Ok(())
}

fn write_line(out: &mut dyn Write, line: &str, origin: Option<String>) -> io::Result<()> {
    match origin {
        Some(origin) => writeln!(out, "{line:<48} {FAINT}# {origin}{FAINT:#}"),
        None => writeln!(out, "{line}"),
    }
}

fn describe(loaded: &Loaded) -> Value {
    let settings = SETTINGS.iter().map(|setting| {
        json!({
            "key": setting.key,
            "value": (setting.show)(&loaded.config),
            "origin": loaded.origin(setting.key).to_string(),
            "variable": setting.variable(),
        })
    });
    let upstreams = loaded.config.upstream.iter().map(|upstream| {
        json!({
            "name": upstream.name,
            "base_url": upstream.base_url,
            "api_key_env": upstream.api_key_env,
            "api_key_file": upstream.api_key_file,
            "models": upstream.models,
            "origin": loaded.origin(&format!("upstream.{}", upstream.name)).to_string(),
        })
    });
    json!({
        "file": loaded.file,
        "settings": settings.collect::<Vec<_>>(),
        "upstreams": upstreams.collect::<Vec<_>>(),
    })
}
