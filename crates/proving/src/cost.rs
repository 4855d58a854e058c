//! What a proof will cost, before it is begun.

use std::time::Instant;

use proofmark_program::{
    InputKind, Interface, NodeType, Operator, OutputKind, ProgramBuilder, TensorInput,
    TensorOutput, Weights, WeightsWriter,
};
use proofmark_proof::{Statement, WeightsMode};
use proofmark_prover::{
    CommittedWeights, Machine, Model, Nobody, Options, estimate, outputs, plan_for, prove,
};
use proofmark_verify::Run;

use crate::{Mode, ProvableModel, ProvingError};

/// Costs of the proofs of one receipt, one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Proofs, one for each run.
    pub runs: usize,
    /// Largest amount of memory that is held at once, the model included.
    pub memory_bytes: u64,
    /// Size of all proofs.
    pub proof_bytes: u64,
    /// Cells that are proven in all runs, padding included.
    pub cells: u64,
    /// What time is in proportion to, of all runs, in cells of a large proof.
    pub work: u64,
}

impl Cost {
    pub(crate) fn of(
        model: &ProvableModel,
        mode: Mode,
        runs: &[Run],
    ) -> Result<Self, ProvingError> {
        let committed = mode == Mode::Committed;
        let mut all = Self {
            runs: runs.len(),
            memory_bytes: 0,
            proof_bytes: 0,
            cells: 0,
            work: 0,
        };
        let mut of_tensors = None;
        for run in runs {
            // Runs of a tensor program cost the same.
            let one = match (run.generation(), of_tensors) {
                (None, Some(one)) => one,
                (generation, _) => {
                    let plan = plan_for(model.model(), generation.as_ref())?;
                    estimate(&plan, committed)
                }
            };
            if run.generation().is_none() {
                of_tensors = Some(one);
            }
            all.memory_bytes = all.memory_bytes.max(one.memory_bytes);
            all.proof_bytes = all.proof_bytes.saturating_add(one.proof_bytes);
            all.cells = all.cells.saturating_add(one.leaves);
            all.work = all.work.saturating_add(one.work);
        }
        all.memory_bytes = all.memory_bytes.saturating_add(model.memory_bytes());
        Ok(all)
    }

    /// Seconds on this machine as busy as it is now, scaled from a proof of some hundred thousand cells that is made for this.
    ///
    /// # Errors
    /// The sample proof failed, which is a defect.
    pub fn seconds(&self, machine: Machine<'_>) -> Result<f64, ProvingError> {
        let sample = Sample::new()?;
        let (seconds, work) = sample.measure(machine)?;
        Ok(seconds * self.work as f64 / work)
    }
}

/// Inputs, and outputs, of a row of the sample.
const WIDTH: u32 = 64;
/// Rows: enough cells that they cost what those of a large proof do.
const ROWS: u32 = 1024;

/// One dense layer with its rounding, over many rows.
struct Sample {
    model: Model,
    limbs: Vec<i8>,
}

impl Sample {
    fn new() -> Result<Self, ProvingError> {
        let mut weights = WeightsWriter::new();
        // Numbers without a pattern that matters.
        let row: Vec<i8> = (0..WIDTH * WIDTH)
            .map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8 as i8)
            .collect();
        weights.i8("weight", &[WIDTH, WIDTH], &row)?;
        weights.i32("multiplier", &[1], &[40_000])?;
        let mut builder = ProgramBuilder::new();
        let (weight, multipliers) = (builder.constant("weight"), builder.constant("multiplier"));
        let of = |lo, hi| NodeType::fixed(&[ROWS, WIDTH], lo, hi);
        let input = Operator::Input { name: "x".into() };
        let x = builder.node("x", input, &[], of(-128, 127));
        let linear = Operator::Linear { weight, bias: None };
        // At most 64 products of at most 2^14.
        let sums = builder.node("sums", linear, &[x], of(-(1 << 20), 1 << 20));
        let requantize = Operator::Requantize {
            multipliers,
            shift: 30,
        };
        let y = builder.node("y", requantize, &[sums], of(-128, 127));
        let interface = Interface::Tensor {
            inputs: vec![TensorInput {
                name: "x".into(),
                node: x,
                kind: InputKind::Integer,
            }],
            outputs: vec![TensorOutput {
                name: "y".into(),
                node: y,
                kind: OutputKind::Integer,
            }],
        };
        let program = builder.finish(interface)?;
        let checked = program.check(Weights::open(weights.finish()?)?)?;
        let model = Model::new(&checked)?;
        let limbs = model.limbs();
        Ok(Self { model, limbs })
    }

    /// Seconds of a proof, and its work.
    fn measure(&self, machine: Machine<'_>) -> Result<(f64, f64), ProvingError> {
        let weights = CommittedWeights::new(machine, &self.model, &self.limbs)?;
        let x = (0..ROWS * WIDTH).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as i32 - 128);
        let x: Vec<i32> = x.collect();
        let y = outputs(machine, &self.model, &[&x])?;
        let inputs = [x];
        let statement = Statement {
            program: self.model.program(),
            closure_digest: [0; 32],
            weights: WeightsMode::Committed(weights.public()),
            receipt_id: [0; 16],
            claims_digest: [0; 32],
            inputs: &inputs,
            outputs: &y,
            generation: None,
        };
        let started = Instant::now();
        prove(
            machine,
            &self.model,
            Some(&weights),
            &statement,
            &Options::default(),
            &Nobody,
        )?;
        let seconds = started.elapsed().as_secs_f64();
        let work = estimate(&plan_for(&self.model, None)?, true).work;
        Ok((seconds, work as f64))
    }
}
