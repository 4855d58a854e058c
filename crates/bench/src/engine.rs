//! `proofmark bench engine`: the exact engine beside llama.cpp and onnxruntime, in pairs, and what the memory could deliver.

mod bandwidth;
mod decoder;
mod first_token;
mod gguf;
mod image;
mod llama;
mod onnxruntime;
mod roofline;

use std::fs;
use std::path::{Path, PathBuf};

use proofmark_engine::shapes::{ImageShape, LLAMA_1_1B, LLAMA_15M, LLAMA_110M, LlamaShape};
use proofmark_kernels::Isa;

use crate::{BenchError, Figure, Machine, Table};

use self::bandwidth::{read_bandwidth, sums_per_second};
use self::decoder::{ANSWER, Decoder, PARALLEL, PROMPT};
use self::image::Image;
use self::llama::LlamaBench;
use self::onnxruntime::OnnxRuntime;
use self::roofline::{Ceiling, Point, Roofline};

/// A decoder's shape by the name that it has in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecoderShape {
    /// 15 million parameters.
    Million15,
    /// 110 million parameters.
    Million110,
    /// 1.1 billion parameters.
    Billion1,
}

impl DecoderShape {
    fn name(self) -> &'static str {
        match self {
            Self::Million15 => "15M",
            Self::Million110 => "110M",
            Self::Billion1 => "1.1B",
        }
    }

    fn shape(self) -> LlamaShape {
        match self {
            Self::Million15 => LLAMA_15M,
            Self::Million110 => LLAMA_110M,
            Self::Billion1 => LLAMA_1_1B,
        }
    }

    /// Least part of the memory's bandwidth that decoding shall reach. Smaller shapes stay in a cache.
    fn bandwidth_target(self) -> &'static str {
        match self {
            Self::Billion1 => "≥ 85",
            Self::Million15 | Self::Million110 => "–",
        }
    }
}

/// How the engine is measured.
#[derive(Debug, Clone)]
pub struct EngineBench {
    /// The `proofmark` binary whose `serve` gives a first token.
    pub binary: PathBuf,
    /// A folder for the files of the peers and the data of the server; a folder in it is made anew and removed at the end.
    pub dir: PathBuf,
    /// Decoders to measure.
    pub shapes: Vec<DecoderShape>,
    /// Numbers of threads to measure with.
    pub threads: Vec<usize>,
    /// Measurements of each kind.
    pub rounds: u32,
    /// llama.cpp's `llama-bench`, to be measured in the same rounds.
    pub llama_bench: Option<PathBuf>,
    /// A Python with `onnxruntime`, `onnx` and `numpy`, to be measured in the same rounds.
    pub onnxruntime: Option<PathBuf>,
    /// Where the roofline plot goes (SVG).
    pub roofline: Option<PathBuf>,
}

/// Runs the benchmark; `progress` gets one line per step.
///
/// # Errors
/// [`BenchError`] if a model cannot be made, the server does not come up, or a peer fails. A slow engine is a figure.
pub fn bench_engine(options: &EngineBench, progress: impl Fn(&str)) -> Result<Table, BenchError> {
    let dir = options.dir.join("proofmark-bench-engine");
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
        roofline: Roofline::default(),
    };
    run.first_token()?;
    run.images()?;
    for &shape in &options.shapes {
        run.decoder(shape)?;
    }
    let Run {
        figures, roofline, ..
    } = run;
    if let Some(path) = &options.roofline {
        fs::write(path, roofline.svg(&machine)).map_err(BenchError::io("writing the plot"))?;
    }
    fs::remove_dir_all(&dir).map_err(BenchError::io("removing the directory of the benchmark"))?;
    Ok(Table {
        title: "proofmark bench engine".into(),
        machine,
        method: format!(
            "Instructions: {}. {} rounds, engine and peers in turn; decode: {ANSWER} tokens after 8; prefill: {PROMPT} tokens; random weights of the same \
             shapes (int8 in ours, Q8_0 in llama.cpp, float32 in onnxruntime).",
            Isa::detect().name(),
            options.rounds
        ),
        figures,
    })
}

struct Run<'a, P> {
    options: &'a EngineBench,
    dir: &'a Path,
    progress: &'a P,
    figures: Vec<Figure>,
    roofline: Roofline,
}

impl<P: Fn(&str)> Run<'_, P> {
    fn push(&mut self, name: String, target: &str, unit: &'static str, rounds: Vec<f64>) {
        self.figures.push(Figure::new(name, target, unit, rounds));
    }

    /// A figure, the peer's, and their ratio by rounds (ours ÷ peer's).
    fn pair(
        &mut self,
        name: &str,
        peer: &str,
        target: &str,
        unit: &'static str,
        ours: Vec<f64>,
        theirs: Vec<f64>,
    ) {
        if theirs.is_empty() {
            self.push(name.to_owned(), "–", unit, ours);
            return;
        }
        // Of durations less is better, of rates more: the ratio says how many times as fast as the peer.
        let faster = |(ours, theirs): (&f64, &f64)| match unit {
            "ms" => theirs / ours,
            _ => ours / theirs,
        };
        let ratios = ours.iter().zip(&theirs).map(faster).collect();
        self.push(name.to_owned(), "–", unit, ours);
        self.push(format!("{name}, {peer}"), "–", unit, theirs);
        self.push(
            format!("{name}, times as fast as {peer}"),
            target,
            "×",
            ratios,
        );
    }

    fn first_token(&mut self) -> Result<(), BenchError> {
        (self.progress)("first token of the bundled model");
        let (started, asked) =
            first_token::measure(&self.options.binary, self.dir, self.options.rounds)?;
        self.push(
            "bundled model, from the request to the first token".into(),
            "≤ 100",
            "ms",
            asked,
        );
        self.push(
            "bundled model, from the start of the process to the first token".into(),
            "–",
            "ms",
            started,
        );
        Ok(())
    }

    fn images(&mut self) -> Result<(), BenchError> {
        for (name, shape) in [
            ("LeNet", ImageShape::LeNet),
            ("ResNet-18", ImageShape::ResNet18),
        ] {
            let mut peer = match &self.options.onnxruntime {
                Some(python) => Some(OnnxRuntime::start(python, self.dir, name)?),
                None => None,
            };
            for &threads in &self.options.threads {
                (self.progress)(&format!("{name}, {threads} threads"));
                let mut image = Image::open(shape, threads)?;
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                for _ in 0..self.options.rounds {
                    ours.push(image.milliseconds()?);
                    if let Some(peer) = &mut peer {
                        theirs.push(peer.milliseconds(threads)?);
                    }
                }
                let label = format!("{name}, one image, {threads} threads");
                self.pair(&label, "onnxruntime", "≥ 1", "ms", ours, theirs);
            }
        }
        Ok(())
    }

    fn decoder(&mut self, kind: DecoderShape) -> Result<(), BenchError> {
        let shape = kind.shape();
        let name = kind.name();
        (self.progress)(&format!("{name}: making random weights"));
        let files = Decoder::files(&shape)?;
        let peer = match &self.options.llama_bench {
            Some(binary) => Some(LlamaBench::new(binary, self.dir, name, &shape)?),
            None => None,
        };
        for &threads in &self.options.threads {
            let decoder = Decoder::open(&files, threads)?;
            let mut rounds = Rounds::default();
            for round in 1..=self.options.rounds {
                (self.progress)(&format!(
                    "{name}, {threads} threads, round {round} of {}",
                    self.options.rounds
                ));
                rounds.bandwidth.push(read_bandwidth(threads));
                rounds.decode.push(decoder.decode()?);
                rounds.prefill.push(decoder.prefill()?);
                rounds.parallel.push(decoder.parallel()?);
                if let Some(peer) = &peer {
                    let (prefill, decode) = peer.tokens_per_second(threads)?;
                    rounds.peer_prefill.push(prefill);
                    rounds.peer_decode.push(decode);
                }
            }
            self.report(kind, threads, rounds);
        }
        Ok(())
    }

    fn report(&mut self, kind: DecoderShape, threads: usize, rounds: Rounds) {
        let (shape, label) = (kind.shape(), format!("{}, {threads} threads", kind.name()));
        let bytes = shape.weight_bytes() as f64;
        let part = |(rate, bandwidth): (&f64, &f64)| 100.0 * rate * bytes / bandwidth;
        let parts = rounds
            .decode
            .iter()
            .zip(&rounds.bandwidth)
            .map(part)
            .collect();
        let gains = rounds
            .parallel
            .iter()
            .zip(&rounds.decode)
            .map(|(many, one)| many / one)
            .collect();
        self.plot(&label, &shape, threads, &rounds);
        self.pair(
            &format!("{label}, decode"),
            "llama.cpp Q8_0",
            "≥ 1",
            "tokens/s",
            rounds.decode,
            rounds.peer_decode,
        );
        self.push(
            format!("{label}, decode: weights read, part of the bandwidth of reading memory"),
            kind.bandwidth_target(),
            "%",
            parts,
        );
        self.pair(
            &format!("{label}, prefill"),
            "llama.cpp Q8_0",
            "≥ 1",
            "tokens/s",
            rounds.prefill,
            rounds.peer_prefill,
        );
        self.push(
            format!("{label}, {PARALLEL} requests at once, times one"),
            if kind == DecoderShape::Million110 {
                "≥ 4"
            } else {
                "–"
            },
            "×",
            gains,
        );
    }

    fn plot(&mut self, label: &str, shape: &LlamaShape, threads: usize, rounds: &Rounds) {
        let operations = 2.0 * shape.weight_bytes() as f64;
        let mut point = |what: &str, rates: &[f64], tokens_per_read: f64| {
            if let Some(rate) = median(rates) {
                self.roofline.points.push(Point {
                    label: format!("{label}: {what}"),
                    operations_per_byte: 2.0 * tokens_per_read,
                    operations_per_second: operations * rate,
                });
            }
        };
        point("decode", &rounds.decode, 1.0);
        point("decode, llama.cpp", &rounds.peer_decode, 1.0);
        point("16 at once", &rounds.parallel, f64::from(PARALLEL));
        point("prefill", &rounds.prefill, f64::from(PROMPT));
        point(
            "prefill, llama.cpp",
            &rounds.peer_prefill,
            f64::from(PROMPT),
        );
        if let Some(bandwidth) = median(&rounds.bandwidth) {
            self.roofline.add_ceiling(Ceiling {
                threads,
                bytes_per_second: bandwidth,
                operations_per_second: 2.0 * sums_per_second(threads),
            });
        }
    }
}

/// What the rounds of one decoder with one number of threads gave, in tokens (bytes) per second.
#[derive(Default)]
struct Rounds {
    bandwidth: Vec<f64>,
    decode: Vec<f64>,
    prefill: Vec<f64>,
    parallel: Vec<f64>,
    peer_decode: Vec<f64>,
    peer_prefill: Vec<f64>,
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
