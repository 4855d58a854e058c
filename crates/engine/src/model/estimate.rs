//! What a model will need, from its program alone.

use proofmark_program::{Interface, Operator, Program};

use crate::error::ModelError;
use crate::exec::BLOCK;

/// Bytes that a model needs, known before its weights are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Weights, packed for the kernels. While it is loaded the file is in memory as well.
    pub weight_bytes: u64,
    /// Keys and values of one position.
    pub position_bytes: u64,
    /// Buffers for one row of a step, at most: what all nodes of a row take.
    pub row_bytes: u64,
    /// Positions of the longest sequence; 0 of a tensor program.
    pub max_positions: u64,
}

impl MemoryEstimate {
    /// Of a program whose weights file has that size.
    pub fn of(program: &Program, weights_file_bytes: u64) -> Self {
        let max_positions = match program.interface {
            Interface::Decoder { max_positions, .. } => u64::from(max_positions),
            Interface::Tensor { .. } => 0,
        };
        let width = |index: usize| {
            let result = &program.nodes[index].result;
            let narrow = result.max_abs() <= 32_767;
            result.elements().saturating_mul(if narrow { 2 } else { 4 })
        };
        let mut last_use: Vec<usize> = (0..program.nodes.len()).collect();
        let mut position_bytes = 0_u64;
        for (index, node) in program.nodes.iter().enumerate() {
            for input in &node.inputs {
                last_use[input.0 as usize] = index;
            }
            if matches!(node.operator, Operator::Attention { .. }) {
                let cached = node.inputs.iter().skip(1).map(|id| width(id.0 as usize));
                position_bytes = position_bytes.saturating_add(cached.fold(0, u64::saturating_add));
            }
        }
        Self {
            weight_bytes: weights_file_bytes.saturating_add(weights_file_bytes / 16),
            position_bytes,
            row_bytes: peak(&last_use, width),
            max_positions,
        }
    }

    /// Bytes that loading takes at its peak, or running one sequence of one block afterwards.
    pub fn least(&self) -> u64 {
        let loading = self.weight_bytes.saturating_mul(2);
        let block = self.position_bytes.saturating_mul(BLOCK as u64);
        let running = self
            .weight_bytes
            .saturating_add(block)
            .saturating_add(self.row_bytes);
        loading.max(running)
    }

    /// Bytes for sequences of that many positions in all and steps of that many rows.
    pub fn running(&self, positions: u64, rows: u64) -> u64 {
        self.weight_bytes
            .saturating_add(self.position_bytes.saturating_mul(positions))
            .saturating_add(self.row_bytes.saturating_mul(rows))
    }

    pub(super) fn check(&self, limit: u64) -> Result<(), ModelError> {
        let needed = self.least();
        if needed > limit {
            return Err(ModelError::Memory { needed, limit });
        }
        Ok(())
    }
}

/// Bytes of the values that are alive at a time, at most. Twice, as buffers that are used again do not always fit.
fn peak(last_use: &[usize], width: impl Fn(usize) -> u64) -> u64 {
    let mut ends = vec![0_u64; last_use.len()];
    let (mut alive, mut most) = (0_u64, 0_u64);
    for (index, last) in last_use.iter().enumerate() {
        let bytes = width(index);
        ends[*last] = ends[*last].saturating_add(bytes);
        alive = alive.saturating_add(bytes);
        most = most.max(alive);
        alive = alive.saturating_sub(ends[index]);
    }
    most.saturating_mul(2)
}
