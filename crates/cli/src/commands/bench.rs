//! `proofmark bench`: the benchmarks behind docs/performance.md.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use proofmark_bench::{BenchError, GatewayBench, bench_gateway};

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::ui::{FAINT, Ui};

/// Subcommands of `proofmark bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// What a receipt on every answer adds to its latency.
    Gateway(Gateway),
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
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    seconds: u32,
    /// Measurements of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: u32,
    /// Streams that are open at once for the memory figure.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    streams: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Gateway(command) => command.json,
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Gateway(command) => command.run(ui),
        }
    }
}

fn failed(error: BenchError) -> CommandError {
    CommandError::internal("the benchmark could not be run").because(error)
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
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::internal("no runtime").because(error))?;
        let progress = |line: &str| {
            // A line that cannot be written changes no figure.
            let _ = writeln!(anstream::stderr(), "{FAINT}{line}{FAINT:#}");
        };
        let table = runtime
            .block_on(bench_gateway(&options, progress))
            .map_err(failed)?;
        if self.json {
            let value = serde_json::to_value(&table)
                .map_err(|error| CommandError::internal("no JSON").because(error))?;
            ui.print_json(&value)?;
        } else {
            writeln!(ui.out(), "{table}")?;
        }
        Ok(ExitStatus::OK)
    }
}
