//! `proofmark model eval`.

use std::path::PathBuf;

use clap::Args;
use proofmark_import::{ReferenceExecutor, compare, encode, open_source};
use proofmark_program::{PROGRAM_PATH, Program, WEIGHTS_PATH, Weights};
use serde::Deserialize;
use serde_json::json;

use super::import::read;
use crate::data::DataDir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::models::store;
use crate::ui::Ui;

/// Largest held-out file.
const HELD_OUT_MAX_BYTES: u64 = 256 << 20;
/// Largest file of a model that is read whole.
const MODEL_FILE_MAX_BYTES: u64 = 64 << 30;

/// Arguments of `proofmark model eval`.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// A name, a digest, or its first digits.
    model: String,
    /// The float model that it was made of.
    #[arg(long, value_name = "SOURCE")]
    float: PathBuf,
    /// JSON lines with "text" and, where the generator's distribution is known, its "logp_nats" over "tokens" predicted tokens.
    #[arg(long, value_name = "FILE")]
    heldout: PathBuf,
    /// Only so many documents.
    #[arg(long, value_name = "N")]
    documents: Option<usize>,
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// A line of the held-out file.
#[derive(Debug, Deserialize)]
struct Document {
    text: String,
    logp_nats: Option<f64>,
    tokens: Option<u64>,
}

impl Eval {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let stored = store(&self.data.path()).find(&self.model)?;
        let file = |path: &str| read(&stored.path.join(path), MODEL_FILE_MAX_BYTES);
        let program =
            Program::decode(&file(PROGRAM_PATH)?).map_err(proofmark_import::ImportError::from)?;
        let weights =
            Weights::open(file(WEIGHTS_PATH)?).map_err(proofmark_import::ImportError::from)?;
        let program = program
            .check(weights)
            .map_err(proofmark_import::ImportError::from)?;
        let tokenizer = file(proofmark_import::TOKENIZER_PATH)?;
        let text =
            String::from_utf8(read(&self.heldout, HELD_OUT_MAX_BYTES)?).map_err(|error| {
                CommandError::usage("the held-out file is not UTF-8").because(error)
            })?;
        let mut sequences = Vec::new();
        let (mut nats, mut tokens, mut known) = (0.0, 0_u64, true);
        for line in text.lines().take(self.documents.unwrap_or(usize::MAX)) {
            let document: Document = serde_json::from_str(line).map_err(|error| {
                CommandError::usage("a line of the held-out file is not a document").because(error)
            })?;
            let ids = encode(&tokenizer, &document.text)?;
            match (document.logp_nats, document.tokens) {
                (Some(logp), Some(count)) if count + 1 == ids.len() as u64 => {
                    nats -= logp;
                    tokens += count;
                }
                _ => known = false,
            }
            sequences.push(ids);
        }
        let float = open_source(&self.float)?;
        let mut executor = ReferenceExecutor::default();
        let loss = compare(&float.decoder, &program, &sequences, &mut executor)?;
        let generator = (known && tokens > 0).then(|| (nats / tokens as f64).exp());
        if self.json {
            ui.print_json(&json!({ "loss": loss, "perplexity_generator": generator }))?;
            return Ok(ExitStatus::OK);
        }
        let percent = |value: f64, of: f64| 100.0 * (value / of - 1.0);
        writeln!(ui.out(), "tokens                {}", loss.tokens)?;
        writeln!(
            ui.out(),
            "perplexity, float     {:.4}",
            loss.perplexity_float
        )?;
        writeln!(
            ui.out(),
            "perplexity, exact     {:.4}  ({:+.3} % of float)",
            loss.perplexity_exact,
            percent(loss.perplexity_exact, loss.perplexity_float)
        )?;
        if let Some(generator) = generator {
            writeln!(
                ui.out(),
                "perplexity, generator {generator:.4}  (exact is {:+.2} % of it)",
                percent(loss.perplexity_exact, generator)
            )?;
        }
        writeln!(ui.out(), "KL(float, exact)      {:.6} nats", loss.kl_nats)?;
        writeln!(
            ui.out(),
            "same top token        {:.2} %",
            100.0 * loss.top1_agreement
        )?;
        Ok(ExitStatus::OK)
    }
}
