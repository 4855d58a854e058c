//! A decoder, compiled, and the memory that its steps use.

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{CheckedProgram, Interface};

use super::compile::compile;
use super::kv::{BlockId, KvBlocks, KvShape};
use super::plan::Plan;
use super::run::{Chunk, Results, Runner, Workspace};
use super::value::View;
use crate::error::ModelError;

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
