//! A program with an input, ready to be proven.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proofmark_engine::TensorRunner;
use proofmark_kernels::Isa;
use proofmark_program::{CheckedProgram, Interface, Program, Weights};
use proofmark_proof::{Statement, WeightsMode, verify};
use proofmark_prover::{
    CommittedWeights, Machine, Model, Nobody, Options, estimate, outputs, plan_of, prove,
};

use super::failed;
use crate::BenchError;

/// Inferences are repeated for this long.
const INFERENCE: Duration = Duration::from_millis(500);

/// A checked program and an input for it.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) parameters: usize,
    checked: CheckedProgram<Vec<u8>>,
    model: Model,
    inputs: Vec<Vec<i32>>,
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
        let Interface::Tensor { inputs, .. } = &program.interface else {
            return Err(BenchError::Fixture {
                what: "a program with tensors",
            });
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
            inputs,
        })
    }

    /// The program of a model's folder.
    pub(super) fn of_folder(folder: &Path) -> Result<Self, BenchError> {
        let read = |name: &str| {
            fs::read(folder.join(name)).map_err(BenchError::io("reading a model's folder"))
        };
        let program = Program::decode(&read("program.cbor")?).map_err(failed)?;
        let weights = Weights::open(read("weights.safetensors")?).map_err(failed)?;
        let parameters = weights.tensors().map(|tensor| tensor.len()).sum();
        let checked = program.check(weights).map_err(failed)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self::new(&name, checked, parameters)
    }

    /// Memory that a small network shall need at most.
    pub(super) fn memory_target(&self) -> &'static str {
        if self.parameters < 100_000 {
            "≤ 512"
        } else {
            "–"
        }
    }

    /// Median of the seconds of one inference by the engine.
    pub(super) fn inference_seconds(&self, threads: usize) -> Result<f64, BenchError> {
        let mut runner =
            TensorRunner::new(&self.checked, Isa::detect(), threads).map_err(failed)?;
        let inputs: Vec<&[i32]> = self.inputs.iter().map(Vec::as_slice).collect();
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < INFERENCE {
            let started = Instant::now();
            std::hint::black_box(runner.run(1, &inputs).map_err(failed)?);
            times.push(started.elapsed().as_secs_f64());
        }
        Ok(super::median(&times))
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
        let inputs: Vec<&[i32]> = self.inputs.iter().map(Vec::as_slice).collect();
        Ok(Prepared {
            outputs: outputs(machine, &self.model, &inputs).map_err(failed)?,
            weights,
            subject: self,
        })
    }
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
        let plan = plan_of(&self.subject.model);
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
            inputs: &self.subject.inputs,
            outputs: &self.outputs,
            generation: None,
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
