//! A decoder, compiled, and the memory that its steps use.

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{CheckedProgram, Interface};

use super::BLOCK;
use super::compile::compile;
use super::kv::{BlockId, KvBlocks, KvShape};
use super::plan::Plan;
use super::run::{Chunk, Results, Runner, Workspace};
use super::value::View;
use crate::error::ModelError;

/// Rows of a step of a sequence that is read by itself.
const ROWS: usize = 32;

/// A decoder.
#[derive(Debug)]
pub(crate) struct Decoder {
    plan: Plan,
    isa: Isa,
    cache: KvShape,
    vocabulary: usize,
    max_positions: usize,
}

/// Buffers and cache of a decoder.
pub(crate) struct DecoderMemory {
    workspace: Workspace,
    cache: KvBlocks,
}

impl Decoder {
    /// Compiles a checked decoder; the weights may be dropped afterwards.
    pub(crate) fn new<B: AsRef<[u8]>>(
        program: &CheckedProgram<B>,
        isa: Isa,
    ) -> Result<Self, ModelError> {
        let Interface::Decoder {
            vocabulary,
            max_positions,
            ..
        } = program.program().interface
        else {
            return Err(ModelError::malformed(
                proofmark_program::PROGRAM_PATH,
                "the program is no decoder",
            ));
        };
        let plan = compile(program, isa)?;
        Ok(Self {
            cache: KvShape::new(&plan.layers),
            plan,
            isa,
            vocabulary: vocabulary as usize,
            max_positions: max_positions as usize,
        })
    }

    pub(crate) fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    pub(crate) fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// Elements of the hidden node, 0 if there is none.
    pub(crate) fn hidden_width(&self) -> usize {
        self.plan.hidden.map_or(0, |hidden| hidden.elements)
    }

    /// Bytes of the weights as they are in memory.
    pub(crate) fn weight_bytes(&self) -> u64 {
        self.plan.weight_bytes()
    }

    /// Bytes of the buffers for steps of so many rows, and so many that results are asked for.
    pub(crate) fn workspace_bytes(&self, rows: usize, wanted: usize) -> u64 {
        Workspace::bytes(&self.plan, rows, wanted)
    }

    /// Bytes of 64 positions of the cache.
    pub(crate) fn block_bytes(&self) -> usize {
        self.cache.block_bytes()
    }

    /// Runs rows of sequences. Logits and hidden rows of the rows asked for are in the memory afterwards.
    pub(crate) fn step(
        &self,
        pool: &Pool,
        memory: &mut DecoderMemory,
        chunks: &[Chunk<'_>],
        results: Results,
    ) {
        let runner = Runner {
            plan: &self.plan,
            isa: self.isa,
            pool,
        };
        runner.step(&mut memory.workspace, &mut memory.cache, chunks, results);
    }

    /// Reads one sequence from its beginning, in memory of its own. `part` is told after each step how many rows it has.
    pub(crate) fn sequence(
        &self,
        pool: &Pool,
        ids: &[u32],
        results: Results,
        mut part: impl FnMut(&DecoderMemory, usize),
    ) {
        let mut memory = DecoderMemory::new(self, ROWS, ROWS);
        let blocks: Vec<usize> = (0..ids.len().div_ceil(BLOCK)).collect();
        for block in &blocks {
            memory.allocate(*block);
        }
        for (number, ids) in ids.chunks(ROWS).enumerate() {
            let chunk = Chunk {
                ids,
                first: number * ROWS,
                blocks: &blocks,
                wanted: ids.len(),
            };
            self.step(pool, &mut memory, &[chunk], results);
            part(&memory, ids.len());
        }
    }

    /// Logits of all rows of a sequence, one after another.
    pub(crate) fn all_logits(&self, pool: &Pool, ids: &[u32]) -> Vec<i32> {
        let mut logits = Vec::with_capacity(ids.len() * self.vocabulary);
        let results = Results {
            outputs: true,
            hidden: false,
        };
        self.sequence(pool, ids, results, |memory, rows| {
            for row in 0..rows {
                logits.extend_from_slice(self.logits(memory, row).unwrap_or_default());
            }
        });
        logits
    }

    /// Sums of the hidden node's elements over all rows of a sequence.
    pub(crate) fn hidden_sums(&self, pool: &Pool, ids: &[u32]) -> Vec<i64> {
        let width = self.hidden_width();
        let mut sums = vec![0_i64; width];
        let results = Results {
            outputs: false,
            hidden: true,
        };
        self.sequence(pool, ids, results, |memory, rows| {
            for row in 0..rows {
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum += i64::from(self.hidden_at(memory, row * width + at));
                }
            }
        });
        sums
    }

    /// Logits of one of the rows asked for.
    pub(crate) fn logits<'a>(&self, memory: &'a DecoderMemory, row: usize) -> Option<&'a [i32]> {
        let value = self.plan.outputs.first()?;
        match memory.workspace.rows_of(value) {
            View::Wide(all) => all.get(row * self.vocabulary..(row + 1) * self.vocabulary),
            View::Narrow(_) => None,
        }
    }

    /// An element of the hidden rows asked for.
    pub(crate) fn hidden_at(&self, memory: &DecoderMemory, index: usize) -> i32 {
        let hidden = self.plan.hidden.as_ref();
        hidden.map_or(0, |hidden| memory.workspace.rows_of(hidden).at(index))
    }
}

impl DecoderMemory {
    pub(crate) fn new(decoder: &Decoder, rows: usize, wanted: usize) -> Self {
        Self {
            workspace: Workspace::new(&decoder.plan, rows, wanted),
            cache: KvBlocks::new(decoder.cache.clone()),
        }
    }

    /// Makes sure that a block exists.
    pub(crate) fn allocate(&mut self, block: BlockId) {
        self.cache.allocate(block);
    }
}
