//! `proofmark model list`, `show`, `verify` and `rm`.

use clap::Args;
use proofmark_engine::ModelOptions;
use proofmark_hub::Stored;
use proofmark_program::{Fact, Facts};
use serde_json::{Map, Value, json};

use crate::data::DataDir;
use crate::error::{CommandResult, ExitStatus};
use crate::models::{open_directory, store};
use crate::ui::{BAD, FAINT, GOOD, STRONG, Ui};

/// Digits of a digest in lists.
const SHORT_DIGITS: usize = 16;

/// Arguments of `proofmark model list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `proofmark model show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A name, a digest, or its first digits.
    model: String,
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `proofmark model verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A name, a digest, or its first digits.
    model: String,
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `proofmark model rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// A name, or the whole digest.
    model: String,
    #[command(flatten)]
    data: DataDir,
}

fn bytes_of(stored: &Stored) -> u64 {
    stored.manifest.files.iter().map(|file| file.size).sum()
}

fn names_of(stored: &Stored) -> String {
    if stored.names.is_empty() {
        "(no name)".to_owned()
    } else {
        stored.names.join(", ")
    }
}

impl List {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let listing = store(&self.data.path()).list()?;
        if self.json {
            let models = listing.models.iter().map(|stored| {
                json!({
                    "digest": stored.digest.to_string(), "names": stored.names, "bytes": bytes_of(stored),
                    "format": stored.manifest.source.format,
                })
            });
            let damaged = listing.damaged.iter().map(|(digest, error)| {
                json!({ "digest": digest.to_string(), "error": error.to_string(), "code": error.code() })
            });
            let (models, damaged): (Vec<Value>, Vec<Value>) = (models.collect(), damaged.collect());
            ui.print_json(&json!({ "models": models, "damaged": damaged }))?;
            return Ok(ExitStatus::OK);
        }
        if listing.models.is_empty() && listing.damaged.is_empty() {
            writeln!(ui.out(), "There is no model yet.")?;
            writeln!(
                ui.err(),
                "Import one: proofmark model import DIR|FILE.gguf|FILE.onnx"
            )?;
        }
        for stored in &listing.models {
            let digest = stored.digest.to_string();
            writeln!(
                ui.out(),
                "{}  {FAINT}{}{FAINT:#}  {:.1} MB",
                names_of(stored),
                digest.get(..SHORT_DIGITS).unwrap_or(&digest),
                bytes_of(stored) as f64 / 1e6
            )?;
        }
        for (digest, error) in &listing.damaged {
            writeln!(ui.out(), "{BAD}✘{BAD:#} {digest}: {error}")?;
        }
        Ok(ExitStatus::OK)
    }
}

fn facts_json(facts: &Facts) -> Value {
    let members: Map<String, Value> = facts
        .iter()
        .map(|(name, fact)| {
            let value = match fact {
                Fact::Text(text) => text.as_str().into(),
                Fact::Integer(integer) => (*integer).into(),
            };
            (name.clone(), value)
        })
        .collect();
    Value::Object(members)
}

fn write_facts(ui: &mut Ui, title: &str, facts: &Facts) -> std::io::Result<()> {
    writeln!(ui.out(), "{STRONG}{title}{STRONG:#}")?;
    for (name, fact) in facts {
        match fact {
            Fact::Text(text) => writeln!(ui.out(), "  {name}  {}", text.escape_debug())?,
            Fact::Integer(integer) => writeln!(ui.out(), "  {name}  {integer}")?,
        }
    }
    Ok(())
}

impl Show {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let stored = store(&self.data.path()).find(&self.model)?;
        let manifest = &stored.manifest;
        if self.json {
            let files: Vec<Value> = manifest
                .files
                .iter()
                .map(|file| json!({ "path": file.path, "bytes": file.size, "sha256": file.digest.to_string() }))
                .collect();
            ui.print_json(&json!({
                "digest": stored.digest.to_string(), "names": stored.names, "name": manifest.name,
                "program": manifest.program.to_string(), "weights": manifest.weights.to_string(), "files": files,
                "source": { "format": manifest.source.format, "sha256": manifest.source.digest.to_string(), "text": manifest.source.text },
                "recipe": facts_json(&manifest.recipe), "loss": manifest.loss.as_ref().map(facts_json),
                "directory": stored.path,
            }))?;
            return Ok(ExitStatus::OK);
        }
        writeln!(ui.out(), "{STRONG}{}{STRONG:#}", names_of(&stored))?;
        writeln!(ui.out(), "digest   {}", stored.digest)?;
        writeln!(ui.out(), "program  {}", manifest.program)?;
        writeln!(ui.out(), "weights  {}", manifest.weights)?;
        writeln!(
            ui.out(),
            "source   {} {}  {}",
            manifest.source.format,
            manifest.source.text.escape_debug(),
            manifest.source.digest
        )?;
        for file in &manifest.files {
            writeln!(ui.out(), "  {}  {} bytes", file.path, file.size)?;
        }
        write_facts(ui, "how it was imported", &manifest.recipe)?;
        if let Some(loss) = &manifest.loss {
            write_facts(ui, "what the import lost", loss)?;
        }
        Ok(ExitStatus::OK)
    }
}

impl Verify {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let store = store(&self.data.path());
        let found = store.find(&self.model)?;
        let stored = store.verify(&found.digest)?;
        // The engine proves the ranges again, and computes the golden example.
        let options = ModelOptions {
            memory_bytes: u64::MAX,
            ..ModelOptions::default()
        };
        open_directory(&stored.path, &options)?;
        let golden = stored.manifest.golden.is_some();
        if self.json {
            ui.print_json(&json!({
                "digest": stored.digest.to_string(), "names": stored.names, "whole": true, "golden": golden,
            }))?;
        } else {
            writeln!(
                ui.out(),
                "{GOOD}✔{GOOD:#} {}: all {} bytes are those of {}; {}",
                names_of(&stored),
                bytes_of(&stored),
                stored.digest,
                if golden {
                    "its ranges are proven, and this machine computes its golden example"
                } else {
                    "its ranges are proven; it has no golden example"
                }
            )?;
        }
        Ok(ExitStatus::OK)
    }
}

impl Rm {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let gone = store(&self.data.path()).remove(&self.model)?;
        if gone {
            writeln!(ui.out(), "{} is removed.", self.model)?;
        } else {
            writeln!(
                ui.out(),
                "The name {} is removed; the model has other names.",
                self.model
            )?;
        }
        Ok(ExitStatus::OK)
    }
}
