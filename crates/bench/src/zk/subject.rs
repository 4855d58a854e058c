//! A program with an input, ready to be proven.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proofmark_engine::{LogitsRunner, TensorRunner};
use proofmark_kernels::Isa;
use proofmark_program::{
    CheckedProgram, Interface, Program, Sampler, SamplerScratch, SamplingParameters, Weights,
};
use proofmark_proof::{Generation, Statement, WeightsMode, verify};
use proofmark_prover::{
    CommittedWeights, Machine, Model, Nobody, Options, estimate, outputs, plan_for, prove,
};

use super::failed;
use crate::BenchError;

/// Inferences are repeated for this long.
const INFERENCE: Duration = Duration::from_millis(500);

/// Ids of the prompt of a text.
const PROMPT: u32 = 32;
/// Ids that are sampled after it.
const ANSWER: usize = 64;

/// A checked program and an input for it.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) parameters: usize,
    checked: CheckedProgram<Vec<u8>>,
    model: Model,
    asked: Asked,
}

/// What is proven of a program.
enum Asked {
    /// One inference on these inputs.
    Tensors(Vec<Vec<i32>>),
    /// The best ids after a prompt, whatever they are.
    Text {
        prompt: Vec<u32>,
        ids: Vec<u32>,
        parameters: SamplingParameters,
    },
}

/// One proof.
pub(super) struct Measured {
    pub(super) prove_s: f64,
    pub(super) verify_ms: f64,
    pub(super) proof_bytes: usize,
    pub(super) bits: u32,
}

impl Subject {
    pub(super) fn new(
        name: &str,
        checked: CheckedProgram<Vec<u8>>,
        parameters: usize,
    ) -> Result<Self, BenchError> {
        let program = checked.program();
        let inputs = match &program.interface {
            Interface::Tensor { inputs, .. } => inputs,
            Interface::Decoder { vocabulary, .. } => {
                let asked = text(&checked, *vocabulary)?;
                return Ok(Self {
                    name: format!("{name}, {PROMPT} + {ANSWER} ids"),
                    parameters,
                    model: Model::new(&checked).map_err(failed)?,
                    checked,
                    asked,
                });
            }
        };
        // Numbers without a pattern, within the input's range.
        let mut state = 7_u32;
        let mut within = |lo: i32, hi: i32| {
            state = state.wrapping_mul(0x915f_77f5).wrapping_add(1);
            let width = i64::from(hi) - i64::from(lo) + 1;
            (i64::from(lo) + i64::from(state >> 8) % width) as i32
        };
        let inputs = inputs
            .iter()
            .filter_map(|input| program.node(input.node))
            .map(|node| {
                let of = &node.result;
                (0..of.elements()).map(|_| within(of.lo, of.hi)).collect()
            })
            .collect();
        Ok(Self {
            name: name.to_owned(),
            parameters,
            model: Model::new(&checked).map_err(failed)?,
            checked,
            asked: Asked::Tensors(inputs),
        })
    }

    /// The program of a model's folder.
    pub(super) fn of_folder(folder: &Path) -> Result<Self, BenchError> {
        let read = |name: &str| {
            fs::read(folder.join(name)).map_err(BenchError::io("reading a model's folder"))
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self::of_files(&name, &read("program.cbor")?, read("weights.safetensors")?)
    }

    /// The program of these files.
    pub(super) fn of_files(
        name: &str,
        program: &[u8],
        weights: Vec<u8>,
    ) -> Result<Self, BenchError> {
        let program = Program::decode(program).map_err(failed)?;
        let weights = Weights::open(weights).map_err(failed)?;
        let parameters = weights.tensors().map(|tensor| tensor.len()).sum();
        let checked = program.check(weights).map_err(failed)?;
        Self::new(name, checked, parameters)
    }

    /// Memory that a small network shall need at most.
    pub(super) fn memory_target(&self) -> &'static str {
        if self.parameters < 100_000 {
            "≤ 512"
        } else {
            "–"
        }
    }

    /// Median of the seconds of one inference by the engine; of a text, of one pass over all of its positions.
    pub(super) fn inference_seconds(&self, threads: usize) -> Result<f64, BenchError> {
        match &self.asked {
            Asked::Tensors(inputs) => {
                let runner = TensorRunner::new(&self.checked, Isa::detect(), threads);
                let mut runner = runner.map_err(failed)?;
                let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
                repeated(|| runner.run(1, &inputs).map(drop).map_err(failed))
            }
            Asked::Text { prompt, ids, .. } => {
                let runner = LogitsRunner::new(&self.checked, Isa::detect(), threads);
                let runner = runner.map_err(failed)?;
                let sequence = [prompt.as_slice(), &ids[..ids.len() - 1]].concat();
                repeated(|| {
                    std::hint::black_box(runner.logits(&sequence).map_err(failed)?);
                    Ok(())
                })
            }
        }
    }

    fn generation(&self) -> Option<Generation<'_>> {
        match &self.asked {
            Asked::Tensors(_) => None,
            Asked::Text {
                prompt,
                ids,
                parameters,
            } => Some(Generation {
                prompt,
                generated: ids,
                parameters,
                seed: 0,
                choice: 0,
            }),
        }
    }

    fn inputs(&self) -> &[Vec<i32>] {
        match &self.asked {
            Asked::Tensors(inputs) => inputs,
            Asked::Text { .. } => &[],
        }
    }

    pub(super) fn limbs(&self) -> Vec<i8> {
        self.model.limbs()
    }

    /// Commits to the weights, and runs the program.
    pub(super) fn prepare<'s>(
        &'s self,
        machine: Machine<'_>,
        limbs: &'s [i8],
    ) -> Result<Prepared<'s>, BenchError> {
        let weights = CommittedWeights::new(machine, &self.model, limbs).map_err(failed)?;
        let given = match &self.asked {
            Asked::Tensors(inputs) => {
                let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
                outputs(machine, &self.model, &inputs).map_err(failed)?
            }
            Asked::Text { .. } => Vec::new(),
        };
        Ok(Prepared {
            outputs: given,
            weights,
            subject: self,
        })
    }
}

/// A prompt without a meaning, and the best ids after it.
fn text(checked: &CheckedProgram<Vec<u8>>, vocabulary: u32) -> Result<Asked, BenchError> {
    let runner = LogitsRunner::new(checked, Isa::detect(), 1).map_err(failed)?;
    let prompt: Vec<u32> = (0..PROMPT).map(|at| (6 + at * 37) % vocabulary).collect();
    let parameters = SamplingParameters::greedy();
    let sampler = Sampler::new(parameters.clone(), vocabulary, 0, 0, &prompt);
    let mut sampler = sampler.map_err(failed)?;
    let mut scratch = SamplerScratch::default();
    let mut sequence = prompt.clone();
    for _ in 0..ANSWER {
        let logits = runner.logits(&sequence).map_err(failed)?;
        let row = &logits[logits.len() - vocabulary as usize..];
        sequence.push(sampler.sample(row, &mut scratch).map_err(failed)?);
    }
    Ok(Asked::Text {
        ids: sequence.split_off(prompt.len()),
        prompt,
        parameters,
    })
}

/// Median of the seconds of what is done again and again.
fn repeated(mut once: impl FnMut() -> Result<(), BenchError>) -> Result<f64, BenchError> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < INFERENCE {
        let started = Instant::now();
        once()?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(super::median(&times))
}

/// A subject with its commitment.
pub(super) struct Prepared<'s> {
    subject: &'s Subject,
    weights: CommittedWeights<'s>,
    outputs: Vec<Vec<i32>>,
}

impl Prepared<'_> {
    /// What the prover thinks that it needs.
    pub(super) fn estimated_mib(&self) -> f64 {
        let plan = plan_for(&self.subject.model, self.subject.generation().as_ref());
        let bytes = plan.map_or(0, |plan| estimate(&plan, true).memory_bytes);
        bytes as f64 / f64::from(1 << 20)
    }

    pub(super) fn prove(&self, machine: Machine<'_>) -> Result<Measured, BenchError> {
        let statement = Statement {
            program: self.subject.checked.program(),
            closure_digest: [0; 32],
            weights: WeightsMode::Committed(self.weights.public()),
            receipt_id: [0; 16],
            claims_digest: [0; 32],
            inputs: self.subject.inputs(),
            outputs: &self.outputs,
            generation: self.subject.generation(),
        };
        let started = Instant::now();
        let options = Options::default();
        let model = &self.subject.model;
        let proof = prove(
            machine,
            model,
            Some(&self.weights),
            &statement,
            &options,
            &Nobody,
        )
        .map_err(failed)?;
        let prove_s = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let account = verify(&proof, &statement).map_err(failed)?;
        Ok(Measured {
            prove_s,
            verify_ms: 1e3 * started.elapsed().as_secs_f64(),
            proof_bytes: proof.len(),
            bits: account.bits(),
        })
    }
}
