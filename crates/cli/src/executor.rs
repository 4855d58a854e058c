//! The engine in the place of the reference interpreter, for imports and comparisons.

use proofmark_engine::{LogitsRunner, TensorRunner};
use proofmark_gateway::EngineConfig;
use proofmark_import::{ClampCount, Executor, ImportError, ReferenceExecutor, TensorExecutor};
use proofmark_program::CheckedProgram;

use crate::models;

/// Multiplications that the reference interpreter may take.
const REFERENCE_WORK: u64 = 2_000_000_000;
/// Most ids that the reference interpreter reads as well.
const REFERENCE_IDS: u64 = 64;

/// Runs one program, the first that it is given. The beginning of the first sequence, or the first input, runs on the reference interpreter
/// too: the results must be the same, and clamps are counted there.
#[derive(Debug, Default)]
pub(crate) struct EngineExecutor {
    logits: Option<LogitsRunner>,
    tensors: Option<TensorRunner>,
    reference: ReferenceExecutor,
    /// Multiplications per id, at most.
    parameters: u64,
}

impl EngineExecutor {
    /// For a model of so many parameters.
    pub(crate) fn new(parameters: u64) -> Self {
        Self {
            parameters,
            ..Self::default()
        }
    }
}

fn engine(error: impl core::fmt::Display) -> ImportError {
    ImportError::unsupported(error.to_string(), "the engine")
}

fn differs() -> ImportError {
    ImportError::unsupported(
        "a program on which engine and reference interpreter differ",
        "a fault of this program: please report it",
    )
}

fn threads() -> usize {
    models::threads(&EngineConfig::default())
}

impl Executor for EngineExecutor {
    fn logits(&mut self, program: &CheckedProgram, ids: &[u32]) -> Result<Vec<i32>, ImportError> {
        let runner = match &mut self.logits {
            Some(runner) => runner,
            empty => {
                let isa = proofmark_engine::ModelOptions::default().isa;
                let runner = LogitsRunner::new(program, isa, threads()).map_err(engine)?;
                let some = (REFERENCE_WORK / self.parameters.max(1)).clamp(1, REFERENCE_IDS);
                let beginning: Vec<u32> = ids.iter().take(some as usize).copied().collect();
                let defined = self.reference.logits(program, &beginning)?;
                if runner.logits(&beginning).map_err(engine)? != defined {
                    return Err(differs());
                }
                empty.insert(runner)
            }
        };
        runner.logits(ids).map_err(engine)
    }

    fn clamps(&self) -> Vec<ClampCount> {
        self.reference.clamps()
    }
}

impl TensorExecutor for EngineExecutor {
    fn outputs(
        &mut self,
        program: &CheckedProgram,
        inputs: &[&[i32]],
    ) -> Result<Vec<Vec<i32>>, ImportError> {
        let runner = match &mut self.tensors {
            Some(runner) => runner,
            empty => {
                let isa = proofmark_engine::ModelOptions::default().isa;
                let mut runner = TensorRunner::new(program, isa, threads()).map_err(engine)?;
                let defined = self.reference.outputs(program, inputs)?;
                if runner.run(1, inputs).map_err(engine)? != defined {
                    return Err(differs());
                }
                empty.insert(runner)
            }
        };
        runner.run(1, inputs).map_err(engine)
    }
}

/// Parameters of a program: elements of the constants that it multiplies by, at most.
pub(crate) fn parameters_of(program: &CheckedProgram) -> u64 {
    let weights = program.weights();
    weights.tensors().map(|tensor| tensor.len() as u64).sum()
}
