//! A tensor program, compiled: inputs to outputs, one or many at a time.

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{CheckedProgram, Interface};

use super::compile::compile;
use super::plan::Plan;
use super::run::{Runner, Workspace};
use crate::error::{ModelError, RequestError};

/// Most inputs that are computed at a time.
const BATCH: usize = 64;

/// A tensor program with its buffers.
pub struct TensorRunner {
    plan: Plan,
    isa: Isa,
    pool: Pool,
    names: Vec<String>,
    workspace: Workspace,
    rows: usize,
}

impl core::fmt::Debug for TensorRunner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TensorRunner")
            .field("inputs", &self.names)
            .field("isa", &self.isa)
            .finish_non_exhaustive()
    }
}

impl TensorRunner {
    /// Compiles a checked tensor program; the weights may be dropped afterwards.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] names the node that this engine cannot run.
    pub fn new<B: AsRef<[u8]>>(
        program: &CheckedProgram<B>,
        isa: Isa,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let Interface::Tensor { inputs, .. } = &program.program().interface else {
            return Err(ModelError::malformed(
                proofmark_program::PROGRAM_PATH,
                "the program is a decoder",
            ));
        };
        let plan = compile(program, isa)?;
        Ok(Self {
            workspace: Workspace::new(&plan, 1, 1),
            names: inputs.iter().map(|input| input.name.clone()).collect(),
            plan,
            isa,
            pool: Pool::new(threads.max(1)),
            rows: 1,
        })
    }

    /// Bytes of weights and buffers.
    pub fn memory_bytes(&self) -> u64 {
        self.plan.weight_bytes() + Workspace::bytes(&self.plan, self.rows, self.rows)
    }

    /// Computes outputs of independent inputs: `inputs` holds for each input of the interface the elements of `batch` tensors one after
    /// another; the result holds the same for each output.
    ///
    /// # Errors
    /// [`RequestError::Malformed`] if numbers of elements are wrong, or an element is outside of its input's range (`program.input`).
    pub fn run(&mut self, batch: usize, inputs: &[&[i32]]) -> Result<Vec<Vec<i32>>, RequestError> {
        self.check(batch, inputs)?;
        let mut outputs: Vec<Vec<i32>> = vec![Vec::new(); self.plan.outputs.len()];
        for start in (0..batch).step_by(BATCH) {
            let rows = BATCH.min(batch - start);
            if rows > self.rows {
                self.workspace = Workspace::new(&self.plan, rows, rows);
                self.rows = rows;
            }
            let part: Vec<&[i32]> = inputs
                .iter()
                .zip(&self.plan.inputs)
                .map(|(input, value)| {
                    &input[start * value.elements..(start + rows) * value.elements]
                })
                .collect();
            let runner = Runner {
                plan: &self.plan,
                isa: self.isa,
                pool: &self.pool,
            };
            runner.batch(&mut self.workspace, rows, &part);
            for (output, value) in outputs.iter_mut().zip(&self.plan.outputs) {
                let view = self.workspace.rows_of(value);
                output.extend((0..view.len()).map(|index| view.at(index)));
            }
        }
        Ok(outputs)
    }

    fn check(&self, batch: usize, inputs: &[&[i32]]) -> Result<(), RequestError> {
        let malformed = |reason: String| RequestError::Malformed {
            what: "inputs",
            reason,
        };
        if inputs.len() != self.names.len() {
            return Err(malformed(format!(
                "{} where {} are expected",
                inputs.len(),
                self.names.len()
            )));
        }
        for ((input, value), name) in inputs.iter().zip(&self.plan.inputs).zip(&self.names) {
            if Some(input.len()) != batch.checked_mul(value.elements) {
                return Err(malformed(format!("{name} has {} elements", input.len())));
            }
            if input.iter().any(|x| !(value.lo..=value.hi).contains(x)) {
                return Err(malformed(format!(
                    "{name} has elements outside of its range"
                )));
            }
        }
        Ok(())
    }
}
