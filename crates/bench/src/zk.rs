//! `proofmark bench zk`: proofs of inference, beside the inference itself and, where it can be had, beside EZKL.

mod ezkl;
mod network;
mod plot;
mod subject;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use proofmark_kernels::{Isa, Pool};
use proofmark_prover::Machine as Prover;

use crate::{BenchError, Figure, Machine, Table};

use self::ezkl::Ezkl;
use self::network::Network;
use self::plot::{Plot, Point};
use self::subject::Subject;

/// How proofs are measured.
#[derive(Debug, Clone)]
pub struct ZkBench {
    /// A folder for the peer's files; a folder in it is made anew and removed at the end.
    pub dir: PathBuf,
    /// Folders of exact programs that are measured beside the networks of known shapes.
    pub models: Vec<PathBuf>,
    /// A decoder that is measured as well, in memory.
    pub decoder: Option<DecoderFiles>,
    /// Names of the networks to measure; empty: all of them.
    pub networks: Vec<String>,
    /// Threads.
    pub threads: usize,
    /// Measurements of each kind.
    pub rounds: u32,
    /// A Python with `ezkl`, `onnx` and `numpy`, to be measured in the same run.
    pub ezkl: Option<PathBuf>,
    /// Networks that EZKL is measured on; empty: all that it has.
    pub ezkl_networks: Vec<String>,
    /// Where the plot of time over parameters goes (SVG).
    pub plot: Option<PathBuf>,
}

/// A decoder by its files.
#[derive(Debug, Clone, Copy)]
pub struct DecoderFiles {
    /// Name of its row.
    pub name: &'static str,
    /// `program.cbor`.
    pub program: &'static [u8],
    /// `weights.safetensors`.
    pub weights: &'static [u8],
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> BenchError {
    BenchError::Engine {
        source: Box::new(source),
    }
}

/// Runs the benchmark; `progress` gets one line per step.
///
/// # Errors
/// [`BenchError`] if a network cannot be made or proven, or the peer fails. A slow prover is a figure.
pub fn bench_zk(options: &ZkBench, progress: impl Fn(&str)) -> Result<Table, BenchError> {
    let dir = options.dir.join("proofmark-bench-zk");
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(BenchError::io("removing what an earlier run left"))?;
    }
    fs::create_dir_all(&dir).map_err(BenchError::io("creating the directory of the benchmark"))?;
    let machine = Machine::describe(&dir).map_err(BenchError::io("measuring the disk"))?;
    let mut run = Run {
        options,
        dir: &dir,
        progress: &progress,
        figures: Vec::new(),
        plot: Plot::default(),
    };
    let wanted = |name: &str, list: &[String]| list.is_empty() || list.iter().any(|n| n == name);
    for network in Network::ALL {
        if wanted(network.name(), &options.networks) {
            run.network(network, wanted(network.name(), &options.ezkl_networks))?;
        }
    }
    if let Some(decoder) = &options.decoder
        && wanted(decoder.name, &options.networks)
    {
        let weights = decoder.weights.to_vec();
        let subject = Subject::of_files(decoder.name, decoder.program, weights)?;
        run.named(&subject)?;
    }
    for folder in &options.models {
        run.folder(folder)?;
    }
    let Run { figures, plot, .. } = run;
    if let Some(path) = &options.plot {
        fs::write(path, plot.svg(&machine)).map_err(BenchError::io("writing the plot"))?;
    }
    fs::remove_dir_all(&dir).map_err(BenchError::io("removing the directory of the benchmark"))?;
    Ok(Table {
        title: "proofmark bench zk".into(),
        machine,
        method: format!(
            "Instructions: {}. {} threads, {} rounds. Proofs of one inference with committed weights, whose commitment is made once and is not part of \
             the time; random weights, but for models of folders and the bundled one. Of a decoder all ids of one greedy answer are proven. Inference: the exact engine with as many threads; of a \
             decoder one pass over all positions, as a replay makes it. Memory: the largest resident set of \
             this process while a row is proven. Not zero-knowledge.",
            Isa::detect().name(),
            options.threads,
            options.rounds
        ),
        figures,
    })
}

struct Run<'a, P> {
    options: &'a ZkBench,
    dir: &'a Path,
    progress: &'a P,
    figures: Vec<Figure>,
    plot: Plot,
}

impl<P: Fn(&str)> Run<'_, P> {
    fn push(&mut self, name: String, target: &str, unit: &'static str, rounds: Vec<f64>) {
        self.figures.push(Figure::new(name, target, unit, rounds));
    }

    fn network(&mut self, network: Network, with_peer: bool) -> Result<(), BenchError> {
        let subject = network.subject()?;
        let ours = self.subject(network.name(), network.target_s(), &subject)?;
        let Some(python) = self.options.ezkl.as_ref().filter(|_| with_peer) else {
            return Ok(());
        };
        let Some(peer) = network.peer() else {
            return Ok(());
        };
        (self.progress)(&format!("{}, EZKL", network.name()));
        let theirs = Ezkl::measure(python, self.dir, peer, self.options.rounds)?;
        let name = network.name();
        let ratios = ours
            .iter()
            .zip(&theirs.prove_s)
            .map(|(ours, theirs)| theirs / ours);
        let ratios = ratios.collect();
        self.plot.points.push(Point {
            series: "EZKL",
            parameters: subject.parameters,
            seconds: median(&theirs.prove_s),
        });
        self.push(format!("{name}, prove, EZKL"), "–", "s", theirs.prove_s);
        self.push(format!("{name}, times as fast as EZKL"), "≥ 1", "×", ratios);
        self.push(
            format!("{name}, setup, EZKL"),
            "–",
            "s",
            vec![theirs.setup_s],
        );
        self.push(format!("{name}, verify, EZKL"), "–", "ms", theirs.verify_ms);
        self.push(
            format!("{name}, proof, EZKL"),
            "–",
            "KiB",
            vec![theirs.proof_bytes / 1024.0],
        );
        self.push(
            format!("{name}, memory, EZKL"),
            "–",
            "MiB",
            vec![theirs.peak_mib],
        );
        Ok(())
    }

    fn folder(&mut self, folder: &Path) -> Result<(), BenchError> {
        self.named(&Subject::of_folder(folder)?)
    }

    fn named(&mut self, subject: &Subject) -> Result<(), BenchError> {
        self.subject(&subject.name, "–", subject).map(drop)
    }

    /// All figures of one program; the seconds of its proofs.
    fn subject(
        &mut self,
        name: &str,
        target_s: &str,
        subject: &Subject,
    ) -> Result<Vec<f64>, BenchError> {
        (self.progress)(&format!("{name}, {} parameters", subject.parameters));
        let pool = Pool::new(self.options.threads);
        let machine = Prover {
            pool: &pool,
            isa: Isa::detect(),
        };
        let inference_s = subject.inference_seconds(self.options.threads)?;
        let forgotten = forget_peak();
        let started = Instant::now();
        let limbs = subject.limbs();
        let prepared = subject.prepare(machine, &limbs)?;
        let committing = started.elapsed().as_secs_f64();
        let (mut prove_s, mut verify_ms) = (Vec::new(), Vec::new());
        let (mut proof_bytes, mut bits) = (0, 0);
        for _ in 0..self.options.rounds {
            let measured = prepared.prove(machine)?;
            prove_s.push(measured.prove_s);
            verify_ms.push(measured.verify_ms);
            (proof_bytes, bits) = (measured.proof_bytes, measured.bits);
        }
        self.plot.points.push(Point {
            series: "Proofmark",
            parameters: subject.parameters,
            seconds: median(&prove_s),
        });
        self.push(format!("{name}, prove"), target_s, "s", prove_s.clone());
        let ratio = prove_s.iter().map(|s| s / inference_s).collect();
        self.push(
            format!("{name}, inference by the engine"),
            "–",
            "ms",
            vec![1e3 * inference_s],
        );
        self.push(format!("{name}, prover ÷ inference"), "–", "×", ratio);
        self.push(format!("{name}, verify"), "≤ 15", "ms", verify_ms);
        self.push(
            format!("{name}, proof"),
            "≤ 250",
            "KiB",
            vec![proof_bytes as f64 / 1024.0],
        );
        self.push(
            format!("{name}, soundness"),
            "≥ 100",
            "bits",
            vec![f64::from(bits)],
        );
        if forgotten {
            self.push(
                format!("{name}, memory"),
                subject.memory_target(),
                "MiB",
                vec![peak_mib()],
            );
        }
        self.push(
            format!("{name}, memory, estimated beforehand"),
            "–",
            "MiB",
            vec![prepared.estimated_mib()],
        );
        self.push(
            format!("{name}, commit to the weights, once"),
            "–",
            "s",
            vec![committing],
        );
        Ok(prove_s)
    }
}

fn median(values: &[f64]) -> f64 {
    Figure::new("", "", "", values.to_vec()).spread().0
}

/// Makes the kernel forget this process's largest resident set; whether it did.
fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Largest resident set since then.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
