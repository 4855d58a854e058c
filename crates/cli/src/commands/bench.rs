//! `proofmark bench`: the benchmarks behind docs/performance.md, and the benchmark of proof.

mod product;
mod proof;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proofmark_bench::{
    BenchError, DecoderFiles, DecoderShape, EngineBench, GatewayBench, LogBench, Table, ZkBench,
    bench_engine, bench_gateway, bench_log, bench_zk,
};
use proofmark_program::{PROGRAM_PATH, WEIGHTS_PATH};
use tokio::runtime::Runtime;

use crate::bundled;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::ui::{FAINT, Ui};

/// Subcommands of `proofmark bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// What a receipt on every answer adds to its latency.
    Gateway(Gateway),
    /// Durable appends, the time to a checkpoint with and without witnesses, fsck.
    Log(Log),
    /// The exact engine: tokens per second, images, first token, beside llama.cpp and onnxruntime.
    Engine(Engine),
    /// Proofs of inference: time, memory, size, beside the inference itself and beside EZKL.
    Zk(Zk),
    /// What evidence catches: attackers on real bytes against signatures, logs, replays, proofs, fingerprints and peers' methods.
    Proof(proof::Proof),
}

/// Arguments of `proofmark bench gateway`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// A directory on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Requests per second.
    #[arg(long, value_name = "NUMBER", default_value_t = 5000)]
    rate: u32,
    /// Seconds of one measurement.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u32,
    /// Measurements of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: u32,
    /// Streams that are open at once for the memory figure.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    streams: u32,
    /// Receipts in the store for the other memory figure.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000)]
    receipts: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Gateway(command) => command.json,
            Self::Log(command) => command.json,
            Self::Engine(command) => command.json,
            Self::Zk(command) => command.json,
            Self::Proof(command) => command.json,
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Gateway(command) => command.run(ui),
            Self::Log(command) => command.run(ui),
            Self::Engine(command) => command.run(ui),
            Self::Zk(command) => command.run(ui),
            Self::Proof(command) => command.run(ui),
        }
    }
}

fn failed(error: BenchError) -> CommandError {
    CommandError::internal("the benchmark could not be run").because(error)
}

/// Arguments of `proofmark bench log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// A directory on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Records per measurement.
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000)]
    records: u64,
    /// Leaves of the log that fsck checks.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000_000)]
    fsck_leaves: u64,
    /// Measurements of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofmark bench engine`.
#[derive(Debug, Args)]
pub(crate) struct Engine {
    /// A directory for files of the benchmark.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Decoders to measure.
    #[arg(
        long,
        value_name = "SHAPE",
        value_enum,
        value_delimiter = ',',
        default_value = "110m,1.1b"
    )]
    shapes: Vec<Shape>,
    /// Numbers of threads to measure with.
    #[arg(
        long,
        value_name = "NUMBER",
        value_delimiter = ',',
        default_value = "1,2"
    )]
    threads: Vec<usize>,
    /// Measurements of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: u32,
    /// llama.cpp's llama-bench, to be measured in the same rounds.
    #[arg(long, value_name = "PROGRAM")]
    llama_bench: Option<PathBuf>,
    /// A Python with onnxruntime, onnx and numpy, to be measured in the same rounds.
    #[arg(long, value_name = "PYTHON")]
    onnxruntime: Option<PathBuf>,
    /// Write the roofline plot to this file (SVG).
    #[arg(long, value_name = "FILE")]
    roofline: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofmark bench zk`.
#[derive(Debug, Args)]
pub(crate) struct Zk {
    /// A directory for files of the benchmark.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Networks to measure, by their names in the table; `fable` is the model inside of this program, of which an answer of 64 ids is proven. Default: all of them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    networks: Vec<String>,
    /// Directories of exact programs to measure as well.
    #[arg(long, value_name = "DIR")]
    model: Vec<PathBuf>,
    /// Threads. Default: one per processor.
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
    /// Measurements of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: u32,
    /// A Python with ezkl, onnx and numpy, to be measured in the same run.
    #[arg(long, value_name = "PYTHON")]
    ezkl: Option<PathBuf>,
    /// Networks that EZKL is measured on. Default: all that it is measured on.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "ezkl")]
    ezkl_networks: Vec<String>,
    /// Write the plot of time over parameters to this file (SVG).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Zk {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        let options = ZkBench {
            dir: self.dir,
            models: self.model,
            decoder: bundled_decoder(),
            networks: self.networks,
            threads: self.threads.unwrap_or_else(all).max(1),
            rounds: self.rounds.max(1),
            ezkl: self.ezkl,
            ezkl_networks: self.ezkl_networks,
            plot: self.plot,
        };
        let table = bench_zk(&options, progress).map_err(failed)?;
        print(ui, &table, self.json)
    }
}

/// The model inside of this program.
fn bundled_decoder() -> Option<DecoderFiles> {
    let file = |wanted: &str| {
        let mut files = bundled::FILES.iter();
        files.find_map(|(path, bytes)| (*path == wanted).then_some(*bytes))
    };
    Some(DecoderFiles {
        name: bundled::NAME,
        program: file(PROGRAM_PATH)?,
        weights: file(WEIGHTS_PATH)?,
    })
}

/// Shapes of decoders.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    /// 15 million parameters.
    #[value(name = "15m")]
    Million15,
    /// 110 million parameters.
    #[value(name = "110m")]
    Million110,
    /// 1.1 billion parameters; takes 6 GB of memory.
    #[value(name = "1.1b")]
    Billion1,
}

impl Engine {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let shape = |shape: &Shape| match shape {
            Shape::Million15 => DecoderShape::Million15,
            Shape::Million110 => DecoderShape::Million110,
            Shape::Billion1 => DecoderShape::Billion1,
        };
        let options = EngineBench {
            binary: std::env::current_exe()?,
            dir: self.dir.clone(),
            shapes: self.shapes.iter().map(shape).collect(),
            threads: self.threads.clone(),
            rounds: self.rounds,
            llama_bench: self.llama_bench.clone(),
            onnxruntime: self.onnxruntime.clone(),
            roofline: self.roofline.clone(),
        };
        let table = bench_engine(&options, progress).map_err(failed)?;
        print(ui, &table, self.json)
    }
}

fn progress(line: &str) {
    // A line that cannot be written changes no figure.
    let _ = writeln!(anstream::stderr(), "{FAINT}{line}{FAINT:#}");
}

fn runtime() -> Result<Runtime, CommandError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .enable_all()
        .build()
        .map_err(|error| CommandError::internal("no runtime").because(error))
}

fn print(ui: &mut Ui, table: &Table, json: bool) -> CommandResult {
    if json {
        let value = serde_json::to_value(table)
            .map_err(|error| CommandError::internal("no JSON").because(error))?;
        ui.print_json(&value)?;
    } else {
        write!(ui.out(), "{table}")?;
    }
    Ok(ExitStatus::OK)
}

impl Log {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let options = LogBench {
            dir: self.dir.clone(),
            records: self.records,
            fsck_leaves: self.fsck_leaves,
            rounds: self.rounds,
        };
        let table = runtime()?
            .block_on(bench_log(&options, progress))
            .map_err(failed)?;
        print(ui, &table, self.json)
    }
}

impl Gateway {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let binary = std::env::current_exe()?;
        let options = GatewayBench {
            binary,
            dir: self.dir.clone(),
            rate_per_s: self.rate,
            seconds: self.seconds,
            rounds: self.rounds,
            streams: self.streams,
            receipts: self.receipts,
        };
        let table = runtime()?
            .block_on(bench_gateway(&options, progress))
            .map_err(failed)?;
        print(ui, &table, self.json)
    }
}
