//! A plan: what an executor does, in order, and in which buffers.

use proofmark_kernels::{Attention, KvLayout, PackedLinear, Span, Window};

use super::op::{RowOp, Scale};
use super::value::{Rows, Value};

/// One step of a plan.
#[derive(Debug)]
pub(crate) struct Instruction {
    pub(crate) work: Work,
    pub(crate) inputs: Vec<Value>,
    pub(crate) out: Value,
    pub(crate) needed: Needed,
}

/// For which results an instruction is needed; those of later positions always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    /// Later positions of the sequence.
    pub(crate) later: bool,
    /// Logits, or the outputs of a tensor program.
    pub(crate) outputs: bool,
    /// The hidden node.
    pub(crate) hidden: bool,
}

/// What an instruction computes.
#[derive(Debug)]
pub(crate) enum Work {
    /// Each row by itself.
    Row(RowOp),
    /// A matrix product, and what follows it at once.
    Linear(Linear),
    /// Writes keys and values into a layer's cache.
    Store { layer: usize },
    /// Reads a layer's cache.
    Attend { layer: usize, attention: Attention },
    /// A convolution, image by image.
    Conv(Conv),
}

/// A packed linear with the requantization that follows it.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) packed: PackedLinear,
    pub(crate) span: Span,
    pub(crate) scale: Option<Scale>,
    /// Rows of the matrix per row of the step.
    pub(crate) rows: usize,
}

/// A convolution as matrix products of windows; images have their channels last.
#[derive(Debug)]
pub(crate) struct Conv {
    pub(crate) groups: Vec<ConvGroup>,
    pub(crate) span: Span,
    /// Channels, height, width of the input.
    pub(crate) shape: [usize; 3],
    pub(crate) window: Window,
    /// Places of the output.
    pub(crate) places: usize,
}

/// A group of channels of a convolution.
#[derive(Debug)]
pub(crate) struct ConvGroup {
    pub(crate) packed: PackedLinear,
    pub(crate) scale: Option<Scale>,
}

impl Conv {
    /// Elements of the matrix of windows.
    pub(crate) fn windows(&self) -> usize {
        self.places * self.groups.first().map_or(0, |group| group.packed.inputs())
    }
}

/// A buffer's size in elements per row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) rows: Rows,
    pub(crate) elements: usize,
}

/// A plan.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) narrow: Vec<Slot>,
    pub(crate) wide: Vec<Slot>,
    pub(crate) narrow_constants: Vec<Vec<i16>>,
    pub(crate) wide_constants: Vec<Vec<i32>>,
    /// One per attention.
    pub(crate) layers: Vec<KvLayout>,
    /// Token ids and positions, of a decoder that reads them.
    pub(crate) tokens: Option<Value>,
    pub(crate) positions: Option<Value>,
    /// Inputs of a tensor program, in the order of the interface.
    pub(crate) inputs: Vec<Value>,
    /// The logits, or the outputs in the order of the interface.
    pub(crate) outputs: Vec<Value>,
    pub(crate) hidden: Option<Value>,
    /// Elements of the largest matrix of windows.
    pub(crate) windows: usize,
    /// Elements of the largest matrix of results of one of several groups of a convolution.
    pub(crate) sums: usize,
    /// Elements of a row of the largest matrix that a linear reads.
    pub(crate) widest: usize,
}

impl Plan {
    /// Bytes of weights, tables and constants.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let work = self
            .instructions
            .iter()
            .map(|instruction| match &instruction.work {
                Work::Row(op) => op.bytes(),
                Work::Linear(linear) => {
                    linear.packed.bytes() + linear.scale.as_ref().map_or(0, Scale::bytes)
                }
                Work::Conv(conv) => conv.groups.iter().map(|group| group.packed.bytes()).sum(),
                Work::Store { .. } | Work::Attend { .. } => 0,
            });
        let narrow: usize = self.narrow_constants.iter().map(|c| 2 * c.len()).sum();
        let wide: usize = self.wide_constants.iter().map(|c| 4 * c.len()).sum();
        (work.sum::<usize>() + narrow + wide) as u64
    }
}
