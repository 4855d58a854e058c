//! `proofmark model eval`.

use std::path::{Path, PathBuf};

use clap::Args;
use proofmark_engine::{Model, ModelOptions};
use proofmark_hub::HubError;
use proofmark_import::{ImportError, TOKENIZER_PATH, compare, encode, open_source};
use proofmark_program::{PROGRAM_PATH, Program, WEIGHTS_PATH, Weights};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::import::read;
use super::questions::{self, Question};
use crate::bundled;
use crate::data::DataDir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::executor::{EngineExecutor, parameters_of};
use crate::models::{self, store};
use crate::ui::Ui;

/// Largest held-out file.
const HELD_OUT_MAX_BYTES: u64 = 256 << 20;
/// Largest file of a model that is read whole.
const MODEL_FILE_MAX_BYTES: u64 = 64 << 30;

/// Largest file of questions.
const QUESTIONS_MAX_BYTES: u64 = 64 << 20;

/// Arguments of `proofmark model eval`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("measure").required(true).multiple(true))]
pub(crate) struct Eval {
    /// A name, a digest, or its first digits; `fable` is in this program.
    #[arg(default_value = bundled::NAME)]
    model: String,
    /// The float model that it was made of; needs --heldout.
    #[arg(long, value_name = "SOURCE", requires = "heldout")]
    float: Option<PathBuf>,
    /// Compare with --float on JSON lines with "text" and, where the generator's distribution is known, its "logp_nats" over "tokens"
    /// predicted tokens.
    #[arg(long, value_name = "FILE", requires = "float", group = "measure")]
    heldout: Option<PathBuf>,
    /// Ask the questions of a JSON list of objects with "kind", "messages" and "answer".
    #[arg(long, value_name = "FILE", group = "measure")]
    questions: Option<PathBuf>,
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

/// The held-out documents as ids, and the perplexity of the distribution that they were drawn from, if it is known.
struct HeldOut {
    sequences: Vec<Vec<u32>>,
    generator: Option<f64>,
}

/// Where the model's files are.
enum Place {
    Stored(PathBuf),
    Bundled,
}

impl Place {
    fn file(&self, path: &str) -> Result<Vec<u8>, CommandError> {
        match self {
            Self::Stored(directory) => read(&directory.join(path), MODEL_FILE_MAX_BYTES),
            Self::Bundled => bundled::FILES
                .iter()
                .find(|(name, _)| *name == path)
                .map(|(_, bytes)| bytes.to_vec())
                .ok_or_else(|| CommandError::internal(format!("the bundled model has no {path}"))),
        }
    }

    fn open(&self) -> Result<Model, CommandError> {
        let options = ModelOptions::default();
        match self {
            Self::Stored(directory) => models::open_directory(directory, &options),
            Self::Bundled => bundled::open(&options),
        }
    }
}

impl Eval {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let place = match store(&self.data.path()).find(&self.model) {
            Ok(stored) => Place::Stored(stored.path),
            Err(HubError::NotFound { .. }) if self.model == bundled::NAME => Place::Bundled,
            Err(error) => return Err(error.into()),
        };
        let mut printed = Map::new();
        if let (Some(float), Some(heldout)) = (&self.float, &self.heldout) {
            self.compare(ui, &place, float, heldout, &mut printed)?;
        }
        if let Some(questions) = &self.questions {
            self.ask(ui, &place, questions, &mut printed)?;
        }
        if self.json {
            ui.print_json(&Value::Object(printed))?;
        }
        Ok(ExitStatus::OK)
    }

    fn compare(
        &self,
        ui: &mut Ui,
        place: &Place,
        float: &Path,
        heldout: &Path,
        printed: &mut Map<String, Value>,
    ) -> Result<(), CommandError> {
        let program = Program::decode(&place.file(PROGRAM_PATH)?).map_err(ImportError::from)?;
        let weights = Weights::open(place.file(WEIGHTS_PATH)?).map_err(ImportError::from)?;
        let program = program.check(weights).map_err(ImportError::from)?;
        let documents = self.documents.unwrap_or(usize::MAX);
        let held = held_out(&place.file(TOKENIZER_PATH)?, heldout, documents)?;
        let float = open_source(float)?;
        let mut executor = EngineExecutor::new(parameters_of(&program));
        let loss = compare(&float.decoder, &program, &held.sequences, &mut executor)?;
        if self.json {
            printed.insert("loss".into(), json!(loss));
            printed.insert("perplexity_generator".into(), json!(held.generator));
            return Ok(());
        }
        let percent = |value: f64, of: f64| 100.0 * (value / of - 1.0);
        let out = ui.out();
        writeln!(out, "tokens                {}", loss.tokens)?;
        writeln!(out, "perplexity, float     {:.4}", loss.perplexity_float)?;
        writeln!(
            out,
            "perplexity, exact     {:.4}  ({:+.3} % of float)",
            loss.perplexity_exact,
            percent(loss.perplexity_exact, loss.perplexity_float)
        )?;
        if let Some(generator) = held.generator {
            writeln!(
                out,
                "perplexity, generator {generator:.4}  (exact is {:+.2} % of it)",
                percent(loss.perplexity_exact, generator)
            )?;
        }
        writeln!(out, "KL(float, exact)      {:.6} nats", loss.kl_nats)?;
        writeln!(
            out,
            "same top token        {:.2} %",
            100.0 * loss.top1_agreement
        )?;
        Ok(())
    }

    fn ask(
        &self,
        ui: &mut Ui,
        place: &Place,
        questions: &Path,
        printed: &mut Map<String, Value>,
    ) -> Result<(), CommandError> {
        let questions: Vec<Question> =
            serde_json::from_slice(&read(questions, QUESTIONS_MAX_BYTES)?).map_err(|error| {
                CommandError::usage("the file of questions is not a list of them").because(error)
            })?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let score = questions::ask(place.open()?, threads, &questions)?;
        if self.json {
            printed.insert("questions".into(), score.to_json());
            return Ok(());
        }
        let (right, asked) = score.total();
        for (kind, right, asked) in score.kinds() {
            writeln!(ui.out(), "{kind:21} {right:3} of {asked:3}")?;
        }
        let share = 100.0 * right as f64 / asked.max(1) as f64;
        writeln!(
            ui.out(),
            "answered right        {right:3} of {asked:3}  ({share:.1} %)"
        )?;
        Ok(())
    }
}

fn held_out(tokenizer: &[u8], path: &Path, documents: usize) -> Result<HeldOut, CommandError> {
    let text = String::from_utf8(read(path, HELD_OUT_MAX_BYTES)?)
        .map_err(|error| CommandError::usage("the held-out file is not UTF-8").because(error))?;
    let mut sequences = Vec::new();
    let (mut nats, mut tokens, mut known) = (0.0, 0_u64, true);
    for line in text.lines().take(documents) {
        let document: Document = serde_json::from_str(line).map_err(|error| {
            CommandError::usage("a line of the held-out file is not a document").because(error)
        })?;
        let ids = encode(tokenizer, &document.text)?;
        match (document.logp_nats, document.tokens) {
            (Some(logp), Some(count)) if count + 1 == ids.len() as u64 => {
                nats -= logp;
                tokens += count;
            }
            _ => known = false,
        }
        sequences.push(ids);
    }
    Ok(HeldOut {
        sequences,
        generator: (known && tokens > 0).then(|| (nats / tokens as f64).exp()),
    })
}
