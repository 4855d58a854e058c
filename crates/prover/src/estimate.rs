//! What a proof will cost, from its plan alone.

use proofmark_proof::commitment::{Plan as OpeningPlan, Shape};
use proofmark_proof::field::E_BYTES;
use proofmark_proof::plan::{ConstantType, Plan, Rule};
use proofmark_proof::{Limbs, protocol};

/// Costs of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Largest amount of memory that is held at once.
    pub memory_bytes: u64,
    /// Size of the proof.
    pub proof_bytes: u64,
    /// Cells that are proven, padding included.
    pub leaves: u64,
    /// What time is in proportion to, in cells (docs/performance.md): cells, opened weights, and tensors.
    pub work: u64,
}

/// Weights that cost as much as a cell: they are folded once, a cell is looked up and constrained as well.
const WEIGHTS_PER_CELL: u64 = 10;
/// Cells that cost as much as a tensor, whose sumchecks have rounds however small it is.
const CELLS_PER_TENSOR: u64 = 250;

fn power(variables: usize) -> u64 {
    1_u64.checked_shl(variables as u32).unwrap_or(u64::MAX)
}

/// Estimates a proof of this plan, with or without the opening of committed weights.
#[must_use]
pub fn estimate(plan: &Plan, committed_weights: bool) -> Estimate {
    let (witness, leaves) = (plan.witness().variables(), plan.leaves().variables());
    let types: Vec<ConstantType> = plan
        .constants
        .iter()
        .map(|constant| ConstantType {
            element: constant.element,
            shape: constant.shape.lengths().to_vec(),
        })
        .collect();
    let weights = Limbs::of(&types).variables();
    let element = E_BYTES as u64;
    let tensors: u64 = plan
        .tensors
        .iter()
        .map(|tensor| 4 * power(tensor.shape.variables()))
        .sum();
    let code = |variables: usize| {
        let rate = Shape::for_size(variables as u32).map_or(2, |shape| shape.log2_inverse_rate());
        (4 * power(variables)) << rate
    };
    // The layers of fractions, of which the leaves are half, and one layer more while it is folded.
    let lookups = 4 * element * power(leaves);
    let reduction = |variables: usize| (2 * element + 4) * power(variables);
    let checks = plan.checks.iter().map(|check| {
        let wires = check.wires.len() as u64 + 2;
        wires * (element / 2 + 4) * power(check.shape.variables())
    });
    let sums = plan.tensors.iter().filter_map(|tensor| match &tensor.rule {
        Rule::Sum(sum) => Some(3 * element * power(sum.bound.variables())),
        _ => None,
    });
    let mut peak = lookups.max(reduction(witness));
    peak = checks.chain(sums).fold(peak, u64::max);
    if committed_weights {
        peak = peak.max(reduction(weights));
    }
    Estimate {
        memory_bytes: tensors + 4 * power(witness) + code(witness) + peak,
        proof_bytes: proof_bytes(plan, committed_weights.then_some(weights)),
        leaves: power(leaves),
        work: plan.leaves().end()
            + CELLS_PER_TENSOR * plan.tensors.len() as u64
            + if committed_weights {
                power(weights) / WEIGHTS_PER_CELL
            } else {
                0
            },
    }
}

/// Size of the protocol's messages and of the openings.
fn proof_bytes(plan: &Plan, weights: Option<usize>) -> u64 {
    let leaves = plan.leaves().variables();
    let layers: usize = (0..leaves).map(|layer| 3 * layer + 4).sum();
    let checks: usize = plan
        .checks
        .iter()
        .map(|check| 3 * check.shape.variables() + check.wires.len())
        .sum();
    let rest: usize = plan
        .tensors
        .iter()
        .map(|tensor| match &tensor.rule {
            Rule::Sum(sum) => protocol::degree(sum) * sum.bound.variables() + 2 * sum.factors.len(),
            // Claims come from two sides.
            Rule::Linear(terms) if terms.len() > 1 => 2 * terms.len(),
            _ => 0,
        })
        .sum();
    let witness = plan.witness().variables();
    let reductions = 2 * (witness + weights.unwrap_or(0)) + 2;
    let elements = layers + checks + rest + reductions;
    let openings = opening_bytes(witness) + weights.map_or(0, opening_bytes);
    (E_BYTES * elements) as u64 + openings
}

/// Size of an opening: positions with their siblings, of which neighbours share the upper ones.
fn opening_bytes(variables: usize) -> u64 {
    let Ok(shape) = Shape::for_size(variables as u32) else {
        return 0;
    };
    let opening = OpeningPlan::for_shape(&shape);
    let mut bytes = 0;
    for (number, level) in opening.levels().iter().enumerate() {
        let word = if number == 0 { 4 } else { E_BYTES as u64 };
        let queries = u64::from(level.queries);
        let shared = queries.max(1).ilog2();
        let path = u64::from(level.log2_length().saturating_sub(shared));
        bytes += queries * ((word << level.log2_width) + 32 * path);
    }
    let last = opening
        .levels()
        .last()
        .map_or(0, |level| level.log2_message);
    bytes + ((E_BYTES as u64) << last)
}
