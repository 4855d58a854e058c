//! What a verifier does for anybody (§8, §8.14).

use crate::Code;
use crate::plan::{Place, Plan, Rule};

/// Tensors of a plan.
pub(crate) const TENSORS: usize = 1 << 16;
/// Steps of a verifier.
const STEPS: u128 = 1 << 30;

/// Refuses tensors, stacks and steps beyond the limits.
pub(crate) fn check(plan: &Plan, public_weights: bool) -> Result<(), Code> {
    let mut tensors = plan.tensors.iter();
    let large = tensors.any(|tensor| match &tensor.rule {
        Rule::Sum(sum) => sum.bound > 28 || tensor.shape.variables() > 28,
        _ => tensor.shape.variables() > 28,
    });
    if large || plan.witness().variables > 30 || plan.leaves().variables > 30 {
        return Err("proof.unsupported");
    }
    if steps(plan, public_weights) > STEPS {
        return Err("proof.limit");
    }
    Ok(())
}

fn steps(plan: &Plan, public_weights: bool) -> u128 {
    let mut claims = vec![0_u128; plan.tensors.len()];
    for (_, key, value) in &plan.lookups {
        claims[*key] += 1;
        claims[*value] += 1;
    }
    for (rows, counts) in &plan.tables {
        claims[*rows] += 1;
        claims[*counts] += 1;
    }
    for wire in plan.checks.iter().flat_map(|check| &check.wires) {
        claims[wire.tensor] += 1;
    }
    for zero in &plan.zeros {
        claims[*zero] += 1;
    }
    let mut total = 0;
    for (at, tensor) in plan.tensors.iter().enumerate().rev() {
        // Beyond any limit, all numbers are the same.
        let of_this = claims[at].min(1 << 40);
        let elements = u128::from(tensor.shape.elements());
        let each = match &tensor.rule {
            Rule::Given(_) => elements,
            Rule::Below(ends, _) => ends.len() as u128,
            Rule::Inside(_, maps) => maps.iter().map(|map| u128::from(map.steps)).sum(),
            Rule::Constant(_) if public_weights => elements,
            Rule::Column(_) | Rule::Constant(_) => 0,
            Rule::Linear(terms) => {
                for (to, _) in terms.iter().filter_map(|term| term.tensor.as_ref()) {
                    claims[*to] += of_this;
                }
                0
            }
            Rule::Sum(sum) => {
                for (to, places) in &sum.factors {
                    let all_bound = places.iter().all(|place| matches!(place, Place::Bound(_)));
                    claims[*to] += if all_bound { of_this.min(1) } else { of_this };
                }
                let maps = sum.maps.iter().map(|map| u128::from(map.steps));
                of_this + maps.sum::<u128>()
            }
        };
        total += of_this * (each + (1 << 12));
    }
    total
}
