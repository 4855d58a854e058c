//! Measures proofs of generations: `cargo run --release -p proofmark-prover --example generations MODEL_FOLDER PROMPT IDS …`.
//!
//! The folder has `program.cbor` and `weights.safetensors` of a decoder; for each number of IDS a prompt of PROMPT ids is continued
//! greedily, and the whole is proven. Weights are committed; the commitment is made once and is not part of the time.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement for people"
)]

use std::time::Instant;

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{
    CheckedProgram, Interface, Program, Sampler, SamplerScratch, SamplingParameters, Weights,
    reference,
};
use proofmark_proof::{Generation, Statement, WeightsMode, verify};
use proofmark_prover::{
    CommittedWeights, Machine, Model, Nobody, Options, estimate, plan_for, prove,
};

/// How often each proof is made.
const RUNS: usize = 3;

fn folder(path: &str) -> CheckedProgram<Vec<u8>> {
    let read = |name: &str| std::fs::read(std::path::Path::new(path).join(name)).unwrap();
    let program = Program::decode(&read("program.cbor")).unwrap();
    program
        .check(Weights::open(read("weights.safetensors")).unwrap())
        .unwrap()
}

/// The best id after another, from the reference interpreter.
fn greedy(checked: &CheckedProgram<Vec<u8>>, prompt: &[u32], ids: usize) -> Vec<u32> {
    let Interface::Decoder { vocabulary, .. } = checked.program().interface else {
        return Vec::new();
    };
    let parameters = SamplingParameters::greedy();
    let mut sampler = Sampler::new(parameters, vocabulary, 0, 0, prompt).unwrap();
    let mut sequence = prompt.to_vec();
    for _ in 0..ids {
        let logits = reference::decoder(checked, &sequence).unwrap().elements;
        let row = &logits[logits.len() - vocabulary as usize..];
        sequence.push(sampler.sample(row, &mut SamplerScratch::default()).unwrap());
    }
    sequence.split_off(prompt.len())
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

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, prompt, counts @ ..] = arguments.as_slice() else {
        println!("generations MODEL_FOLDER PROMPT IDS …");
        return;
    };
    let pool = Pool::new(std::thread::available_parallelism().map_or(1, usize::from));
    let machine = Machine {
        pool: &pool,
        isa: Isa::detect(),
    };
    let checked = folder(path);
    let model = Model::new(&checked).unwrap();
    let bytes = model.limbs();
    let started = Instant::now();
    let weights = CommittedWeights::new(machine, &model, &bytes).unwrap();
    println!(
        "commitment to 2^{} bytes of weights: {:.2} s",
        bytes.len().ilog2(),
        started.elapsed().as_secs_f64()
    );
    println!(
        "| prompt | ids | leaves | prove s | verify ms | KiB | bits | MiB estimated | MiB peak so far |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let prompt: Vec<u32> = (0..prompt.parse().unwrap())
        .map(|at: u32| 6 + at * 37 % 900)
        .collect();
    let parameters = SamplingParameters::greedy();
    for count in counts {
        let generated = greedy(&checked, &prompt, count.parse().unwrap());
        let statement = Statement {
            program: checked.program(),
            closure_digest: [0; 32],
            weights: WeightsMode::Committed(weights.public()),
            receipt_id: [0; 16],
            claims_digest: [0; 32],
            inputs: &[],
            outputs: &[],
            generation: Some(Generation {
                prompt: &prompt,
                generated: &generated,
                parameters: &parameters,
                seed: 0,
                choice: 0,
            }),
        };
        let estimated = estimate(
            &plan_for(&model, statement.generation.as_ref()).unwrap(),
            true,
        );
        let (mut proving, mut verifying) = (Vec::new(), Vec::new());
        let (mut size, mut bits) = (0, 0);
        for _ in 0..RUNS {
            let started = Instant::now();
            let options = Options::default();
            let proof = prove(
                machine,
                &model,
                Some(&weights),
                &statement,
                &options,
                &Nobody,
            );
            let proof = proof.unwrap();
            proving.push(started.elapsed().as_secs_f64());
            let started = Instant::now();
            bits = verify(&proof, &statement).unwrap().bits();
            verifying.push(1e3 * started.elapsed().as_secs_f64());
            size = proof.len();
        }
        let ((p, p0, p1), (v, v0, v1)) = (median(proving), median(verifying));
        println!(
            "| {} | {} | 2^{} | {p:.2} ({p0:.2}–{p1:.2}) | {v:.1} ({v0:.1}–{v1:.1}) | {} | {bits} | {} | {} |",
            prompt.len(),
            generated.len(),
            estimated.leaves.ilog2(),
            size / 1024,
            estimated.memory_bytes >> 20,
            peak_mib()
        );
    }
}
