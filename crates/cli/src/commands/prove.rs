//! `proofmark prove`: a proof of inference for a receipt, into its bundle.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use proofmark_prover::Options;
use proofmark_proving::{Cost, Mode, Proven, Subject};
use proofmark_receipt::{BUNDLE_MAX_BYTES, Bundle, Execution, SignedReceipt};
use serde_json::json;

use crate::account::{NOT_ZERO_KNOWLEDGE, account_json, write_account};
use crate::commands::run;
use crate::data::DataDir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::hex::hex;
use crate::node::NodeArgs;
use crate::proving::{ModelSource, Threads, Waiting, read_vouchers};
use crate::ui::{FAINT, GOOD, STRONG, UNKNOWN, Ui};

/// Arguments of `proofmark prove`.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// A bundle that discloses everything, or a receipt id of the node. With INPUT: a model, by its name or directory.
    #[arg(value_name = "BUNDLE|ID|MODEL")]
    source: String,
    /// Run the model on the tensors of this file first, and prove what came out.
    #[arg(value_name = "INPUT")]
    input: Option<PathBuf>,
    /// The model, by its directory or its name in the store. Default: the one that the receipt names, from the store or inside of this program.
    #[arg(long, value_name = "DIR|NAME", conflicts_with = "input")]
    model: Option<PathBuf>,
    #[command(flatten)]
    data: DataDir,
    /// Fetch the bundle by its receipt id from this node instead.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the API key for --url.
    #[arg(long, value_name = "FILE", requires = "url")]
    api_key_file: Option<PathBuf>,
    /// Write the bundle with the proof to this file. Default: into the bundle itself, or ID.receipt.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Say what it will cost, and do nothing.
    #[arg(long)]
    estimate: bool,
    /// Refuse to begin what needs more memory than this. Default: what the machine has free.
    #[arg(long, value_name = "MIB")]
    max_memory: Option<u64>,
    /// Whether the verifier holds a commitment to the weights, or the weights.
    #[arg(long, value_enum, default_value_t)]
    mode: WeightsMode,
    /// Statements of others about the commitment, as `model commit` and `model recommit` write them.
    #[arg(long, value_name = "FILE")]
    voucher: Vec<PathBuf>,
    /// Threads. Default: one per processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print the account of soundness term by term.
    #[arg(long)]
    explain: bool,
    /// Print what came out as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum WeightsMode {
    /// A commitment: a small proof, whose verifier needs no weights.
    #[default]
    Committed,
    /// The weights: whoever verifies has the model.
    Public,
}

impl From<WeightsMode> for Mode {
    fn from(mode: WeightsMode) -> Self {
        match mode {
            WeightsMode::Committed => Self::Committed,
            WeightsMode::Public => Self::Public,
        }
    }
}

impl Prove {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let (bundle, own_file) = self.bundle()?;
        let data = self.data.path();
        let said = match &self.input {
            Some(_) => Some(Path::new(&self.source)),
            None => self.model.as_deref(),
        };
        let source = ModelSource {
            model: said,
            data: &data,
        };
        let model = source.open(&closure_of(&bundle)?)?;
        let subject = Subject::of(&bundle, &model)?;
        let mode = Mode::from(self.mode);
        let cost = subject.cost(mode)?;
        let threads = Threads::new(self.threads);
        if self.estimate {
            let seconds = cost.seconds(threads.machine())?;
            self.tell_cost(ui, &cost, seconds)?;
            return Ok(ExitStatus::OK);
        }
        let max_memory_bytes = match self.max_memory {
            Some(mib) => mib.saturating_mul(1 << 20),
            None => free_memory().unwrap_or(u64::MAX),
        };
        let vouchers = read_vouchers(&self.voucher)?;
        let options = Options { max_memory_bytes };
        let proven = {
            let waiting = Waiting::new(ui)?;
            subject.prove(threads.machine(), mode, vouchers, &options, &waiting)?
        };
        let id = subject.receipt().claims().id.to_string();
        let out = self
            .out
            .clone()
            .or(own_file)
            .unwrap_or_else(|| PathBuf::from(format!("{id}.receipt")));
        let mut bundle = bundle;
        bundle.evidence.push(proven.evidence.clone());
        let encoded = bundle.encode();
        if encoded.len() > BUNDLE_MAX_BYTES {
            return Err(CommandError::usage(format!(
                "with the proof the bundle would have {} MiB, more than the 32 MiB that readers take",
                encoded.len() >> 20
            )));
        }
        // It opens the answer to whoever can read it.
        files::replace(&out, &encoded, 0o600)?;
        self.tell(ui, &id, model.name(), &proven, &out)?;
        Ok(ExitStatus::OK)
    }

    /// The bundle, and the file that it stands in.
    fn bundle(&self) -> Result<(Bundle, Option<PathBuf>), CommandError> {
        let decode = |bytes: &[u8]| -> Result<Bundle, CommandError> {
            Bundle::decode(bytes).map_err(|error| {
                CommandError::rejected(format!("{} is not a bundle", self.source))
                    .code(error.code())
                    .because(error)
            })
        };
        if let Some(input) = &self.input {
            let asked = run::Asked {
                model: &self.source,
                input,
                data: &self.data,
                url: self.url.as_deref(),
                api_key_file: self.api_key_file.as_deref(),
            };
            return Ok((decode(&asked.bundle()?)?, None));
        }
        let path = PathBuf::from(&self.source);
        if self.url.is_none() && path.is_file() {
            let bundle = decode(&files::read(&path, BUNDLE_MAX_BYTES)?)?;
            return Ok((bundle, Some(path)));
        }
        let data = self.url.is_none().then(|| self.data.path());
        let node = NodeArgs::of(data, self.url.clone(), self.api_key_file.clone()).open()?;
        Ok((decode(&node.bundle(&self.source, "all", true)?)?, None))
    }

    fn tell_cost(&self, ui: &mut Ui, cost: &Cost, seconds: f64) -> Result<(), CommandError> {
        if self.json {
            return Ok(ui.print_json(&json!({
                "runs": cost.runs, "cells": cost.cells, "memory_bytes": cost.memory_bytes,
                "proof_bytes": cost.proof_bytes, "seconds": seconds, "work": cost.work,
            }))?);
        }
        let out = ui.out();
        writeln!(out, "{STRONG}Estimate{STRONG:#}  nothing was begun")?;
        writeln!(out, "  time    about {seconds:.2} s on this machine")?;
        writeln!(out, "  memory  {} MiB", cost.memory_bytes.div_ceil(1 << 20))?;
        writeln!(out, "  proof   {} KiB", cost.proof_bytes.div_ceil(1 << 10))?;
        writeln!(
            out,
            "  {FAINT}{} run(s), {} cells{FAINT:#}",
            cost.runs, cost.cells
        )?;
        Ok(())
    }

    fn tell(
        &self,
        ui: &mut Ui,
        id: &str,
        model: &str,
        proven: &Proven,
        out: &Path,
    ) -> Result<(), CommandError> {
        let weights = proven.weights.map(|w| hex(&w));
        let seconds = |of: std::time::Duration| of.as_secs_f64();
        if self.json {
            let mut value = json!({
                "receipt": id, "model": model, "runs": proven.runs, "ids": proven.ids, "weights": weights,
                "mode": if weights.is_some() { "committed" } else { "public" },
                "bits": proven.account.bits(), "proof_bytes": proven.proof_bytes, "zero_knowledge": false,
                "seconds": {
                    "commit": seconds(proven.committing), "prove": seconds(proven.proving), "verify": seconds(proven.verifying),
                },
                "bundle": out.display().to_string(),
            });
            if let (true, Some(members)) = (self.explain, value.as_object_mut()) {
                members.insert("account".into(), account_json(&proven.account));
            }
            return Ok(ui.print_json(&value)?);
        }
        let stream = ui.out();
        writeln!(stream, "{STRONG}Receipt {id}{STRONG:#}  {model}")?;
        let what = match (proven.ids, proven.runs) {
            (0, 1) => "every step of the program".to_owned(),
            (0, runs) => format!("every step of {runs} runs of the program"),
            (ids, 1) => format!("every step of the program, for each of {ids} ids"),
            (ids, runs) => {
                format!("every step of the program, for each of {ids} ids of {runs} choices")
            }
        };
        writeln!(
            stream,
            "  {GOOD}✔{GOOD:#} Proven     {what}, to {} bits",
            proven.account.bits()
        )?;
        match &weights {
            Some(w) => writeln!(stream, "  {GOOD}✔{GOOD:#} Weights    committed as {w}")?,
            None => writeln!(
                stream,
                "  {GOOD}✔{GOOD:#} Weights    not committed: whoever verifies needs the model"
            )?,
        }
        writeln!(
            stream,
            "  {UNKNOWN}!{UNKNOWN:#} Privacy    {NOT_ZERO_KNOWLEDGE}"
        )?;
        writeln!(
            stream,
            "  {FAINT}proven in {:.3} s, committed in {:.3} s, verified in {:.1} ms, {} KiB{FAINT:#}",
            seconds(proven.proving),
            seconds(proven.committing),
            1e3 * seconds(proven.verifying),
            proven.proof_bytes.div_ceil(1 << 10)
        )?;
        if self.explain {
            writeln!(stream)?;
            write_account(stream, &proven.account, proven.runs)?;
        }
        // Weights without a voucher, and texts, are compared by whoever verifies.
        let alone = weights.is_some() && self.voucher.is_empty();
        let require = if alone || proven.ids > 0 {
            " --model NAME|DIR"
        } else {
            ""
        };
        writeln!(
            stream,
            "  proofmark verify {} --require proven{require}",
            out.display()
        )?;
        Ok(())
    }
}

/// The closure that a receipt names.
fn closure_of(bundle: &Bundle) -> Result<[u8; 32], CommandError> {
    let receipt = SignedReceipt::decode(&bundle.receipt)?;
    match &receipt.claims().execution {
        Execution::Executed(executed) => Ok(executed.closure),
        Execution::Relayed { .. } => Err(CommandError::could_not_check(
            "the answer was relayed, not executed by the issuer: there is no program to prove",
        )
        .code("receipt.proof.not-executed")),
    }
}

/// Memory that the machine can still give, as the kernel estimates it.
fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}
