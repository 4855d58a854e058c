//! Measures proofs of whole inferences: `cargo run --release -p proofmark-prover --example proofs [MODEL FOLDER …]`.
//!
//! Without folders it proves networks of known shapes with random weights; with folders (of `program.cbor` and `weights.safetensors`)
//! those tensor programs, on random inputs. Weights are committed; the commitment is made once and is not part of the time.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement for people, on programs that it makes itself"
)]

use std::time::Instant;

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{
    CheckedProgram, InputKind, Interface, NodeId, NodeType, Operator, OutputKind, Program,
    ProgramBuilder, TensorInput, TensorOutput, Weights, WeightsWriter, Window2d, reference,
};
use proofmark_proof::{Statement, WeightsMode, verify};
use proofmark_prover::{
    CommittedWeights, Machine, Model, Nobody, Options, estimate, plan_of, prove,
};

/// How often each proof is made.
const RUNS: usize = 5;

/// splitmix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, lo: i32, hi: i32) -> i32 {
        let width = i64::from(hi) - i64::from(lo) + 1;
        (i64::from(lo) + (self.next() % width as u64) as i64) as i32
    }
}

/// A network in the making: every layer's values are in [0, 255].
struct Network {
    builder: ProgramBuilder,
    weights: WeightsWriter,
    random: Random,
    last: NodeId,
    shape: Vec<u32>,
    layers: u32,
    parameters: usize,
}

impl Network {
    fn new(shape: &[u32]) -> Self {
        let mut builder = ProgramBuilder::new();
        let name = "x".to_owned();
        let last = builder.node(
            "x",
            Operator::Input { name },
            &[],
            NodeType::fixed(shape, 0, 255),
        );
        Self {
            builder,
            weights: WeightsWriter::new(),
            random: Random(1),
            last,
            shape: shape.to_vec(),
            layers: 0,
            parameters: 0,
        }
    }

    fn add(&mut self, operator: Operator, shape: &[u32], lo: i32, hi: i32) {
        self.layers += 1;
        let name = format!("layer.{}", self.layers);
        let result = NodeType::fixed(shape, lo, hi);
        self.last = self.builder.node(&name, operator, &[self.last], result);
        self.shape = shape.to_vec();
    }

    /// Random weights and biases; the largest sum that they can make.
    fn constants(&mut self, shape: &[u32]) -> (String, String, i32) {
        self.layers += 1;
        let names = (format!("w.{}", self.layers), format!("b.{}", self.layers));
        let count = shape.iter().product::<u32>() as usize;
        let weights: Vec<i8> = (0..count)
            .map(|_| self.random.within(-127, 127) as i8)
            .collect();
        let biases: Vec<i32> = (0..shape[0])
            .map(|_| self.random.within(-100_000, 100_000))
            .collect();
        self.weights.i8(&names.0, shape, &weights).unwrap();
        self.weights.i32(&names.1, &shape[..1], &biases).unwrap();
        self.parameters += count + biases.len();
        let summands = count as i32 / shape[0] as i32;
        (names.0, names.1, summands * 127 * 255 + 100_000)
    }

    fn linear(&mut self, n: u32) {
        let k = *self.shape.last().unwrap();
        let (weight, bias, reach) = self.constants(&[n, k]);
        let (weight, bias) = (
            self.builder.constant(&weight),
            Some(self.builder.constant(&bias)),
        );
        self.add(Operator::Linear { weight, bias }, &[n], -reach, reach);
    }

    /// Scales sums of this many random products back to [0, 255]; what is negative becomes zero.
    fn activate(&mut self, summands: u32) {
        let name = format!("m.{}", self.layers);
        // Such sums are about 127/√3 · 127 · √summands.
        let scale = 120.0 / (9_300.0 * f64::from(summands).sqrt());
        let shift = (65_535.0 / scale).log2().floor() as u8;
        let multiplier = (scale * 2_f64.powi(shift.into())) as i32;
        self.weights.i32(&name, &[1], &[multiplier]).unwrap();
        let multipliers = self.builder.constant(&name);
        let shape = self.shape.clone();
        self.add(Operator::Requantize { multipliers, shift }, &shape, 0, 255);
    }

    fn conv(&mut self, outputs: u32, kernel: u32, pad: u32) {
        let [channels, h, w] = self.shape[..] else {
            return;
        };
        let (weight, bias, reach) = self.constants(&[outputs, channels, kernel, kernel]);
        let (weight, bias) = (
            self.builder.constant(&weight),
            Some(self.builder.constant(&bias)),
        );
        let window = Window2d {
            kernel: [kernel; 2],
            strides: [1; 2],
            pads: [pad; 4],
            dilations: [1; 2],
        };
        let grown = |length: u32| length + 2 * pad + 1 - kernel;
        let operator = Operator::Conv {
            weight,
            bias,
            window,
            groups: 1,
        };
        self.add(operator, &[outputs, grown(h), grown(w)], -reach, reach);
        self.activate(channels * kernel * kernel);
    }

    fn max_pool(&mut self) {
        let [channels, h, w] = self.shape[..] else {
            return;
        };
        let window = Window2d {
            kernel: [2; 2],
            strides: [2; 2],
            pads: [0; 4],
            dilations: [1; 2],
        };
        self.add(
            Operator::MaxPool { window },
            &[channels, h / 2, w / 2],
            0,
            255,
        );
    }

    fn finish(self) -> (CheckedProgram<Vec<u8>>, usize) {
        let interface = Interface::Tensor {
            inputs: vec![TensorInput {
                name: "x".to_owned(),
                node: NodeId(0),
                kind: InputKind::Integer,
            }],
            outputs: vec![TensorOutput {
                name: "y".to_owned(),
                node: self.last,
                kind: OutputKind::Integer,
            }],
        };
        let program = self.builder.finish(interface).unwrap();
        let weights = Weights::open(self.weights.finish().unwrap()).unwrap();
        (program.check(weights).unwrap(), self.parameters)
    }
}

fn mlp(widths: &[u32]) -> (CheckedProgram<Vec<u8>>, usize) {
    let mut network = Network::new(&widths[..1]);
    for (layer, pair) in widths.windows(2).enumerate() {
        network.linear(pair[1]);
        if layer + 2 < widths.len() {
            network.activate(pair[0]);
        }
    }
    network.finish()
}

fn lenet() -> (CheckedProgram<Vec<u8>>, usize) {
    let mut network = Network::new(&[1, 28, 28]);
    network.conv(6, 5, 2);
    network.max_pool();
    network.conv(16, 5, 0);
    network.max_pool();
    network.add(Operator::Reshape, &[400], 0, 255);
    for (n, k) in [(120, 400), (84, 120)] {
        network.linear(n);
        network.activate(k);
    }
    network.linear(10);
    network.finish()
}

fn folder(path: &str) -> (CheckedProgram<Vec<u8>>, usize) {
    let read = |name: &str| std::fs::read(std::path::Path::new(path).join(name)).unwrap();
    let program = Program::decode(&read("program.cbor")).unwrap();
    let weights = Weights::open(read("weights.safetensors")).unwrap();
    let parameters = weights.tensors().map(|tensor| tensor.len()).sum();
    (program.check(weights).unwrap(), parameters)
}

fn median(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0], times[times.len() - 1])
}

/// Largest amount of memory that this process held, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn measure(name: &str, checked: &CheckedProgram<Vec<u8>>, parameters: usize, machine: Machine<'_>) {
    let program = checked.program();
    let Interface::Tensor { inputs: wanted, .. } = &program.interface else {
        println!("{name}: not a tensor program");
        return;
    };
    let mut random = Random(7);
    let inputs: Vec<Vec<i32>> = wanted
        .iter()
        .map(|input| {
            let of = &program.node(input.node).unwrap().result;
            (0..of.elements())
                .map(|_| random.within(of.lo, of.hi))
                .collect()
        })
        .collect();
    let slices: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
    let outputs: Vec<Vec<i32>> = reference::tensors(checked, &slices)
        .unwrap()
        .into_iter()
        .map(|tensor| tensor.elements)
        .collect();
    let model = Model::new(checked).unwrap();
    let bytes = model.limbs();
    let started = Instant::now();
    let weights = CommittedWeights::new(machine, &model, &bytes).unwrap();
    let committing = started.elapsed().as_secs_f64();
    let statement = Statement {
        program,
        closure_digest: [0; 32],
        weights: WeightsMode::Committed(weights.public()),
        receipt_id: [0; 16],
        claims_digest: [0; 32],
        inputs: &inputs,
        outputs: &outputs,
        generation: None,
    };
    let estimated = estimate(&plan_of(&model).unwrap(), true);
    let (mut proving, mut verifying) = (Vec::new(), Vec::new());
    let (mut size, mut bits) = (0, 0);
    for _ in 0..RUNS {
        let started = Instant::now();
        let proof = prove(
            machine,
            &model,
            Some(&weights),
            &statement,
            &Options::default(),
            &Nobody,
        )
        .unwrap();
        proving.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        bits = verify(&proof, &statement).unwrap().bits();
        verifying.push(1e3 * started.elapsed().as_secs_f64());
        size = proof.len();
    }
    let ((p, p0, p1), (v, v0, v1)) = (median(proving), median(verifying));
    println!(
        "| {name} | {parameters} | 2^{} | {p:.3} ({p0:.3}–{p1:.3}) | {v:.1} ({v0:.1}–{v1:.1}) | {} | {bits} | {} | {} | {committing:.3} |",
        estimated.leaves.ilog2(),
        size / 1024,
        estimated.memory_bytes >> 20,
        peak_mib()
    );
}

fn main() {
    let pool = Pool::new(std::thread::available_parallelism().map_or(1, usize::from));
    let machine = Machine {
        pool: &pool,
        isa: Isa::detect(),
    };
    println!(
        "| network | parameters | leaves | prove s | verify ms | KiB | bits | MiB estimated | MiB peak so far | commit weights s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let folders: Vec<String> = std::env::args().skip(1).collect();
    for path in &folders {
        let (checked, parameters) = folder(path);
        measure(path, &checked, parameters, machine);
    }
    if folders.is_empty() {
        for (name, widths) in [
            ("MLP 784-64-10", &[784, 64, 10][..]),
            ("MLP 256 x 3", &[256, 256, 256, 256, 10]),
            ("MLP 512 x 3", &[512, 512, 512, 512, 10]),
            ("MLP 4M", &[784, 1024, 2048, 512, 10]),
        ] {
            let (checked, parameters) = mlp(widths);
            measure(name, &checked, parameters, machine);
        }
        let (checked, parameters) = lenet();
        measure("LeNet-5", &checked, parameters, machine);
    }
}
