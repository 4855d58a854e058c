//! `proofmark bench proof`: attacks on real bytes against methods of evidence.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use proofmark_gateway::{Config, EngineConfig};
use proofmark_log::{Durability, Record, RecordKey};
use proofmark_program::{PROGRAM_PATH, WEIGHTS_PATH};
use proofmark_proofbench::{
    FloatModel, Materials, Plan, Registration, Run, Score, TensorModel, replace_table, run,
    scorecard,
};

use super::product::Bundled;
use super::{progress, runtime};
use crate::ambient::now_s;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::host::{Host, log_error, publish};
use crate::models;
use crate::ui::{FAINT, STRONG, Ui};

const FILE_MAX_BYTES: usize = 64 << 20;

/// Arguments of `proofmark bench proof`.
#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// A few minutes instead of about half an hour: fewer of everything, and a rate of false alarms of 5 % instead of 1 %.
    #[arg(long)]
    quick: bool,
    /// Directory of the output. What a run of the same plan left there is kept with --resume.
    #[arg(long, value_name = "DIR", default_value = "proofbench")]
    out: PathBuf,
    /// Go on with a run that was broken off.
    #[arg(long)]
    resume: bool,
    /// Everything random derives from it.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Multiplies the sizes of the full run.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000), conflicts_with = "quick")]
    scale: u64,
    /// Directory of the repository's models: fable in floats, and the digits.
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Write the table between its marks into this file.
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    /// A result.json of an earlier run: what it caught has to be caught again (exit code 11 otherwise).
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Threads. Default: one per processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print the whole result as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl Proof {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let plan = Plan::new(self.seed, self.quick, self.scale);
        let begun = self.out.join("plan.json").exists();
        if begun && !self.resume {
            return Err(
                CommandError::usage(format!("{} holds a run", self.out.display()))
                    .hint("go on with it: --resume, or give another directory: --out DIR"),
            );
        }
        make(&self.out)?;
        self.tell_budget(ui, &plan)?;
        let registration = self.register(&plan)?;
        let threads = self
            .threads
            .unwrap_or_else(|| models::threads(&EngineConfig::default()));
        let mut product = Bundled::open(threads)?;
        let float = self.models.join("fable/float");
        let read = |path: &Path| files::read(path, FILE_MAX_BYTES);
        let model = FloatModel::open(
            &read(&float.join("config.json"))?,
            &read(&float.join("model.safetensors"))?,
        )
        .map_err(failed)?;
        let mut materials = Materials {
            prompts: self.prompts()?,
            tensor: self.tensor()?,
            product: &mut product,
            float: model,
            threads,
        };
        let result = run(&plan, registration, &mut materials, &self.out, &progress);
        let result = result.map_err(failed)?;
        self.write(&result)?;
        self.tell(ui, &result)?;
        self.compare(ui, &result)
    }

    fn compare(&self, ui: &mut Ui, result: &Run) -> CommandResult {
        let Some(path) = &self.against else {
            return Ok(ExitStatus::OK);
        };
        let earlier: serde_json::Value =
            serde_json::from_str(&files::read_text(path, FILE_MAX_BYTES)?).map_err(failed)?;
        let earlier: Vec<Score> =
            serde_json::from_value(earlier["scores"].clone()).map_err(failed)?;
        let lost = Score::lost(&earlier, &result.scores);
        for (method, threat) in &lost {
            writeln!(ui.err(), "{} no longer catches T{threat:02}", method.id())?;
        }
        Ok(if lost.is_empty() {
            ExitStatus::OK
        } else {
            ExitStatus(11)
        })
    }

    fn tell_budget(&self, ui: &mut Ui, plan: &Plan) -> Result<(), CommandError> {
        let sizes = &plan.sizes;
        let answers = 3 * (sizes.calibrate + sizes.test) + 20 * sizes.answers + 20 * sizes.mixture;
        writeln!(
            ui.err(),
            "{FAINT}plan {}: {} attacks, {} methods; {answers} answers of {} tokens in floats, {} forgeries per protocol cell, {} audited histories of {} leaves{FAINT:#}",
            plan.digest().get(..16).unwrap_or_default(),
            plan.attacks.len(),
            plan.methods.len(),
            sizes.tokens,
            sizes.tries,
            sizes.audit_histories,
            sizes.audited_leaves
        )?;
        Ok(())
    }

    /// Logs the plan in the registry of a node in the output directory, and keeps what shows it.
    fn register(&self, plan: &Plan) -> Result<Registration, CommandError> {
        let data = self.out.join("node");
        let config = Config {
            data: data.clone(),
            ..Config::default()
        };
        let leaf = Registration::leaf(plan);
        let mut key = [0; 16];
        let digest = plan.digest();
        for (byte, pair) in key.iter_mut().zip(digest.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or("0");
            *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
        }
        let (vkey, proof) = runtime()?.block_on(async {
            let mut host = Host::open(&config)?;
            host.keys.refresh(&host.facts, now_s())?;
            publish(&host.keys, &host.registry)
                .await
                .map_err(log_error)?;
            let record = Record {
                key: RecordKey::from_bytes(key),
                entry: leaf.into(),
                ..Record::default()
            };
            let registry = &host.registry;
            let appended = registry.append(record, Durability::Durable).await;
            let index = appended.map_err(log_error)?.index;
            registry.wait_integrated(index).await.map_err(log_error)?;
            let proof = registry.proof(index).await.map_err(log_error)?;
            let vkey = registry.vkey().to_string();
            host.write_roots(&data)?;
            host.close().await?;
            let proof = proof.ok_or_else(|| CommandError::internal("the plan is not logged"))?;
            Ok::<_, CommandError>((vkey, proof))
        })?;
        let registration = Registration::checked(plan, &vkey, &proof).map_err(failed)?;
        self.put("registration.json", &json(&registration)?)?;
        Ok(registration)
    }

    /// Questions of the held-out conversations, as ids.
    fn prompts(&self) -> Result<Vec<Vec<u32>>, CommandError> {
        let text = files::read_text(&self.models.join("fable/heldout.jsonl"), FILE_MAX_BYTES)?;
        let tokenizer = files::read(
            &self.models.join("fable/float/tokenizer.json"),
            FILE_MAX_BYTES,
        )?;
        const TURN: &str = "<|assistant|>";
        let mut prompts = Vec::new();
        for document in proofmark_import::documents(&text) {
            let Some((question, _)) = document.split_once(TURN) else {
                continue;
            };
            let ids = proofmark_import::encode(&tokenizer, &format!("{question}{TURN}"));
            prompts.push(ids.map_err(failed)?);
        }
        Ok(prompts)
    }

    /// The network of digits, imported as a user imports it.
    fn tensor(&self) -> Result<TensorModel, CommandError> {
        let data = self.out.join("node");
        let source = self.models.join("digits/mlp.onnx");
        let program = std::env::current_exe()?;
        let status = Command::new(program)
            .args(["model", "import", "--name", "digits", "--replace"])
            .arg(&source)
            .arg("--calibrate")
            .arg(self.models.join("digits/heldout.safetensors"))
            .arg("--data")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| CommandError::internal("the import cannot be run").because(error))?;
        if !status.success() {
            return Err(CommandError::internal(format!(
                "the import of {} ended with {status}",
                source.display()
            )));
        }
        let stored = models::store(&data).find("digits");
        let stored = stored.map_err(|error| CommandError::internal("no model").because(error))?;
        let read = |name: &str| files::read(&stored.path.join(name), FILE_MAX_BYTES);
        Ok(TensorModel {
            manifest: read(proofmark_engine::MANIFEST_PATH)?,
            program: read(PROGRAM_PATH)?,
            weights: read(WEIGHTS_PATH)?,
        })
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), CommandError> {
        files::replace(&self.out.join(name), bytes, 0o644)
    }

    fn write(&self, result: &Run) -> Result<(), CommandError> {
        self.put("scorecard.html", scorecard(result).as_bytes())?;
        self.put("result.json", &json(result)?)?;
        if let Some(readme) = &self.readme {
            let text = files::read_text(readme, FILE_MAX_BYTES)?;
            let replaced = replace_table(&text, result).ok_or_else(|| {
                CommandError::usage(format!("{} has no place for the table", readme.display()))
                    .hint(proofmark_proofbench::BEGIN)
                    .hint(proofmark_proofbench::END)
            })?;
            files::replace(readme, replaced.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    fn tell(&self, ui: &mut Ui, result: &Run) -> Result<(), CommandError> {
        if self.json {
            let value = serde_json::to_value(result).map_err(failed)?;
            ui.print_json(&value)?;
            return Ok(());
        }
        writeln!(
            ui.out(),
            "{STRONG}{:<14} {:>7} {:>9} {:>9}  worst miss{STRONG:#}",
            "method",
            "caught",
            "measured",
            "in scope"
        )?;
        for score in &result.scores {
            writeln!(
                ui.out(),
                "{:<14} {:>7} {:>9} {:>6}/24  at most {} ({})",
                score.method.id(),
                score.caught,
                score.measured,
                score.in_scope,
                score.worst_miss_at_most,
                score.worst_attack
            )?;
        }
        writeln!(
            ui.out(),
            "{FAINT}{}{FAINT:#}",
            self.out.join("scorecard.html").display()
        )?;
        Ok(())
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    CommandError::internal("the benchmark could not be run").because(error)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, CommandError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(failed)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn make(path: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(path).map_err(|error| CommandError::file("make", path, error))
}
