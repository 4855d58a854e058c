//! `proofmark replay`: executes answers again, and signs what came out.

mod range;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use proofmark_engine::Model;
use proofmark_gateway::Config;
use proofmark_keys::Serving;
use proofmark_openai::Operation;
use proofmark_receipt::{
    BUNDLE_MAX_BYTES, Bundle, ReplayEvidence, ReplayStep, ReplayVerdict, SignedReplay,
};
use serde_json::{Value, json};

use self::range::Range;
use crate::ambient::now_s;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::hex::hex;
use crate::host::{Host, log_error, publish};
use crate::node::{Node, NodeArgs};
use crate::replay::{Machine, ModelSource, Opened};
use crate::ui::{BAD, FAINT, GOOD, STRONG, UNKNOWN, Ui};

/// Most bundles of one run.
const MAX_BUNDLES: usize = 1_000_000;

/// Arguments of `proofmark replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayCommand {
    /// Bundles that disclose everything, or directories of them; with --url or --of, receipt ids, or ranges of them: FIRST..LAST,
    /// each end a receipt id or a time in Unix milliseconds, or left out.
    #[arg(required = true, value_name = "BUNDLE|DIR|ID|RANGE")]
    sources: Vec<String>,
    /// Directory of the model. Default: the model inside of this program, or the one of the same closure in the data directory's store.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Data directory of the replayer, whose node key signs the verdict. Made if it is not there. Default: nothing is signed.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the bundle with the signed verdict to this file, or to files in this directory. Default with --data: into the bundle itself.
    #[arg(long, short, value_name = "FILE|DIR", requires = "data")]
    out: Option<PathBuf>,
    /// Fetch the bundles by their receipt ids from this node.
    #[arg(long, value_name = "URL", conflicts_with = "of")]
    url: Option<String>,
    /// Fetch the bundles by their receipt ids from the node of this data directory.
    #[arg(long, value_name = "DIR")]
    of: Option<PathBuf>,
    /// File with the API key for --url.
    #[arg(long, value_name = "FILE", requires = "url")]
    api_key_file: Option<PathBuf>,
    /// Threads. Default: one per processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print what came out as JSON, one object per receipt and line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a bundle to replay is.
enum Place {
    File(PathBuf),
    /// A receipt's id at a node.
    Node(String),
}

/// One bundle to replay, and where it came from.
struct Source {
    name: String,
    path: Option<PathBuf>,
    bundle: Bundle,
}

/// How a batch went.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    same: usize,
    differs: usize,
    unavailable: usize,
    ids: u64,
}

impl ReplayCommand {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let node = self.node()?;
        let places = self.places(node.as_ref())?;
        let signer = self.data.as_deref().map(signer).transpose()?;
        let total = places.len();
        let mut opened_model: Option<(Arc<Model>, Machine)> = None;
        let mut tally = Tally::default();
        let started = Instant::now();
        for (number, place) in places.iter().enumerate() {
            let verdict = Source::read(place, node.as_ref())
                .and_then(|source| self.one(ui, &source, signer.as_ref(), &mut opened_model));
            match verdict {
                Ok(verdict) => {
                    tally.ids += verdict.compared;
                    if verdict.refutes() {
                        tally.differs += 1;
                    } else {
                        tally.same += 1;
                    }
                }
                // What cannot be checked is told, and the others go on.
                Err(error) if total > 1 => {
                    tally.unavailable += 1;
                    self.tell_failure(ui, &place.name(), &error)?;
                }
                Err(error) => return Err(error),
            }
            if total > 1 {
                ui.progress(number + 1, total, "replayed")?;
            }
        }
        if total > 1 && !self.json {
            let seconds = started.elapsed().as_secs_f64().max(1e-9);
            writeln!(
                ui.out(),
                "{STRONG}{total} receipts{STRONG:#}: {} the same, {} different, {} not replayed; {} ids in {seconds:.1} s, {:.0} per second",
                tally.same,
                tally.differs,
                tally.unavailable,
                tally.ids,
                tally.ids as f64 / seconds
            )?;
        }
        Ok(match tally {
            Tally { differs: 1.., .. } => ExitStatus(10),
            Tally {
                unavailable: 1.., ..
            } => ExitStatus(12),
            _ => ExitStatus::OK,
        })
    }

    fn one(
        &self,
        ui: &mut Ui,
        source: &Source,
        signer: Option<&Serving>,
        opened_model: &mut Option<(Arc<Model>, Machine)>,
    ) -> Result<ReplayVerdict, CommandError> {
        let opened = Opened::of(&source.bundle)?;
        let is_open =
            |(model, _): &(Arc<Model>, Machine)| model.closure().as_bytes() == opened.closure();
        if !opened_model.as_ref().is_some_and(is_open) {
            let models = ModelSource {
                model: self.model.clone(),
                data: self.data.clone(),
                threads: self.threads,
            };
            *opened_model = Some(models.open(opened.closure())?);
        }
        let Some((model, machine)) = opened_model else {
            return Err(CommandError::internal("no model"));
        };
        let started = Instant::now();
        let verdict = opened.replay(model, machine, now_s())?;
        let took_ms = started.elapsed().as_secs_f64() * 1e3;
        if let Some(signer) = signer {
            self.attach(source, &verdict, signer)?;
        }
        if self.json {
            ui.print_json_line(&describe(source, &verdict, signer.is_some()))?;
        } else {
            write_verdict(ui, source, &opened, (model, &verdict), took_ms)?;
        }
        Ok(verdict)
    }

    fn tell_failure(
        &self,
        ui: &mut Ui,
        name: &str,
        error: &CommandError,
    ) -> Result<(), CommandError> {
        if self.json {
            let code = error.stable_code();
            ui.print_json_line(
                &json!({ "source": name, "error": error.to_string(), "code": code }),
            )?;
        } else {
            writeln!(ui.out(), "{UNKNOWN}?{UNKNOWN:#} {name}  {error}")?;
        }
        Ok(())
    }

    fn node(&self) -> Result<Option<Node>, CommandError> {
        if self.url.is_none() && self.of.is_none() {
            return Ok(None);
        }
        let node = NodeArgs::of(self.of.clone(), self.url.clone(), self.api_key_file.clone());
        node.open().map(Some)
    }

    /// Where the bundles are, in the order of the arguments; those of a directory by name, those of a range by time.
    fn places(&self, node: Option<&Node>) -> Result<Vec<Place>, CommandError> {
        let mut all = Vec::new();
        for source in &self.sources {
            match node {
                Some(node) => match Range::parse(source)? {
                    Some(range) => all.extend(range.ids(node, MAX_BUNDLES)?.map(Place::Node)),
                    None => all.push(Place::Node(source.clone())),
                },
                None => all.extend(files_of(PathBuf::from(source))?.map(Place::File)),
            }
        }
        match all.len() {
            0 if node.is_some() => Err(CommandError::usage("the node lists no receipt there")
                .hint("receipts are listed once they are in the log's tree")),
            0 => Err(CommandError::usage("there is no bundle to replay")
                .hint("bundles are files that end in .receipt")),
            count if count > MAX_BUNDLES => Err(CommandError::usage(format!(
                "{count} bundles are too many for one run"
            ))),
            _ => Ok(all),
        }
    }

    /// Signs the verdict, and writes the bundle with it.
    fn attach(
        &self,
        source: &Source,
        verdict: &ReplayVerdict,
        signer: &Serving,
    ) -> Result<(), CommandError> {
        let replay = SignedReplay::sign(verdict, &signer.key).map_err(|error| {
            CommandError::internal("the verdict cannot be signed").because(error)
        })?;
        let evidence = ReplayEvidence {
            signed: replay,
            key_statement: signer.statement.as_bytes().to_vec(),
        };
        let mut bundle = source.bundle.clone();
        bundle.evidence.push(evidence.attach());
        let file_name = || format!("{}.receipt", verdict.receipt);
        let out = match (&self.out, &source.path) {
            (Some(out), _) if out.is_dir() => out.join(file_name()),
            (Some(out), _) => out.clone(),
            (None, Some(path)) => path.clone(),
            (None, None) => PathBuf::from(file_name()),
        };
        // It opens a conversation to whoever can read it.
        files::replace(&out, &bundle.encode(), 0o600)
    }
}

/// The file itself, or the bundles of a directory.
fn files_of(path: PathBuf) -> Result<impl Iterator<Item = PathBuf>, CommandError> {
    let mut files = vec![path];
    if files[0].is_dir() {
        let entries = fs::read_dir(&files[0])
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| CommandError::file("read", &files[0], error))?;
        files = entries.into_iter().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == "receipt"));
        files.sort();
    }
    Ok(files.into_iter())
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Node(id) => id.clone(),
        }
    }
}

impl Source {
    fn read(place: &Place, node: Option<&Node>) -> Result<Self, CommandError> {
        let (bytes, path) = match (place, node) {
            (Place::Node(id), Some(node)) => (node.bundle(id, "all", false)?, None),
            (Place::Node(_), None) => return Err(CommandError::internal("no node")),
            (Place::File(path), _) => (files::read(path, BUNDLE_MAX_BYTES)?, Some(path.clone())),
        };
        let name = place.name();
        let bundle = Bundle::decode(&bytes).map_err(|error| {
            CommandError::rejected(format!("{name} is not a bundle"))
                .code(error.code())
                .because(error)
        })?;
        Ok(Self { name, path, bundle })
    }
}

/// The node key of a data directory with a statement that is in its registry log. Both are made if they are not there.
pub(crate) fn signer(data: &Path) -> Result<Serving, CommandError> {
    let config = Config {
        data: data.to_owned(),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::internal("no runtime").because(error))?;
    runtime.block_on(async {
        let mut host = Host::open(&config)?;
        host.keys.refresh(&host.facts, now_s())?;
        publish(&host.keys, &host.registry)
            .await
            .map_err(log_error)?;
        host.write_roots(data)?;
        let serving = host.keys.serving(now_s())?;
        host.close().await?;
        Ok(serving)
    })
}

fn describe(source: &Source, verdict: &ReplayVerdict, signed: bool) -> Value {
    let step = |step| match step {
        ReplayStep::NotChecked => "not-checked",
        ReplayStep::Same => "same",
        ReplayStep::Differs => "differs",
    };
    json!({
        "source": source.name,
        "receipt": verdict.receipt.to_string(),
        "closure": hex(&verdict.closure),
        "rendered": step(verdict.rendered),
        "tokenized": step(verdict.tokenized),
        "executed": step(verdict.executed),
        "detokenized": step(verdict.detokenized),
        "compared": verdict.compared,
        "difference": verdict.difference.map(|d| json!({
            "choice": d.choice, "position": d.position, "expected": d.expected, "got": d.got,
        })),
        "signed": signed,
    })
}

/// Title of each step, and what it shows.
fn words(operation: Operation) -> [(&'static str, &'static str); 4] {
    match operation {
        Operation::Infer => [
            ("Inputs", "the request's numbers are the program's integers"),
            ("Tokens", "there are none"),
            ("Execution", "the program gives the output tensors"),
            ("Outputs", "names, shapes and scales are the program's"),
        ],
        Operation::Embeddings => [
            ("Inputs", "the request's inputs are those that were read"),
            ("Tokens", "the inputs are the input token ids"),
            ("Execution", "the program gives the vectors"),
            ("Outputs", "there is nothing beside them"),
        ],
        _ => [
            (
                "Prompt",
                "the request renders to the prompt, and the parameters are its own",
            ),
            ("Input", "the prompt is the input token ids"),
            ("Execution", "the program gives the output token ids"),
            ("Text", "the output token ids are the answer"),
        ],
    }
}

fn write_verdict(
    ui: &mut Ui,
    source: &Source,
    opened: &Opened,
    (model, verdict): (&Model, &ReplayVerdict),
    took_ms: f64,
) -> Result<(), CommandError> {
    let out = ui.out();
    writeln!(
        out,
        "{STRONG}Receipt {}{STRONG:#}  {}",
        verdict.receipt, source.name
    )?;
    let name = model.name();
    let words = words(opened.operation());
    for (step, (title, what)) in verdict.steps().into_iter().zip(words) {
        let (style, sign, what) = match step {
            ReplayStep::Same => (GOOD, '✔', what.to_owned()),
            ReplayStep::Differs => (BAD, '✘', format!("not so: {what}")),
            ReplayStep::NotChecked => (UNKNOWN, '?', "not re-done".to_owned()),
        };
        writeln!(out, "  {style}{sign}{style:#} {title:<10} {what}")?;
    }
    if let (Some(d), Operation::Infer) = (verdict.difference, opened.operation()) {
        writeln!(
            out,
            "    first difference: element {}: the program gives {}, the receipt has {}",
            d.position,
            d.expected.cast_signed(),
            d.got.cast_signed()
        )?;
    } else if let Some(d) = verdict.difference {
        let text = |id| {
            let tokenizer = model.tokenizer();
            tokenizer
                .and_then(|t| t.decode(&[id]).ok())
                .unwrap_or_default()
        };
        writeln!(
            out,
            "    first difference: choice {}, output id {}: the program gives {} {:?}, the receipt has {} {:?}",
            d.choice,
            d.position,
            d.expected,
            text(d.expected),
            d.got,
            text(d.got)
        )?;
    }
    if opened.seed_by_node() {
        writeln!(
            out,
            "  {UNKNOWN}?{UNKNOWN:#} Seed       chosen by the node: grinding not covered"
        )?;
    }
    let ids = verdict.compared;
    if verdict.refutes() {
        writeln!(
            out,
            "{BAD}REFUTED{BAD:#}  {name} did not give this answer to this request"
        )?;
    } else {
        writeln!(
            out,
            "{GOOD}SAME{GOOD:#}  {name} gives the same {ids} {}  {FAINT}{took_ms:.1} ms{FAINT:#}",
            match opened.operation() {
                Operation::Infer | Operation::Embeddings => "numbers",
                _ => "ids",
            }
        )?;
    }
    Ok(())
}
