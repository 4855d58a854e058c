//! What a verifier does at most for a plan, known before it reads a proof (specs/05-proof.md §8.14).

use alloc::vec;
use alloc::vec::Vec;

use super::map::{Map, Seen, Window};
use super::rule::{Public, Rule, Sum, Tensor, TensorId, Variable};
use super::shape::Shape;
use super::{Plan, Unsupported};

/// Most tensors of a plan.
pub const MAX_TENSORS: usize = 1 << 16;
/// Most steps of a verifier.
pub const MAX_STEPS: u64 = 1 << 30;
/// Steps that a claim counts for by itself: it has a point, which is kept.
const CLAIM_STEPS: u64 = 1 << 12;

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Elements of a shape.
fn elements(shape: &Shape) -> u64 {
    let lengths = shape.lengths().iter();
    lengths.fold(1, |product, n| product.saturating_mul(u64::from(*n)))
}

/// Ones of a map, or more.
fn ones(map: &Map) -> u64 {
    match map {
        Map::Window(Window {
            outer,
            inner_length,
            ..
        }) => u64::from(outer.1).saturating_mul(u64::from(*inner_length)),
        Map::Flat { result, .. } => elements(result),
        Map::Gather { ids, .. } => count(ids.len()),
        Map::UpTo { length, .. } | Map::Seen(Seen { length, .. }) => u64::from(*length),
    }
}

fn all_ones(maps: &[Map]) -> u64 {
    maps.iter()
        .fold(0, |sum, map| sum.saturating_add(ones(map)))
}

/// Steps for one claim on a tensor.
fn steps(tensor: &Tensor, public_weights: bool) -> u64 {
    match &tensor.rule {
        Rule::Public(Public::Below(ends)) => count(ends.len()),
        Rule::Public(Public::Inside { maps, .. }) => all_ones(maps),
        Rule::Public(_) => elements(&tensor.shape),
        Rule::Constant(_) if public_weights => elements(&tensor.shape),
        Rule::Sum(sum) => all_ones(&sum.maps),
        _ => 0,
    }
}

/// Whether a factor's point does not depend on the claim.
fn once(variables: &[Variable]) -> bool {
    variables
        .iter()
        .all(|variable| matches!(variable, Variable::Bound(_)))
}

impl Plan {
    /// Refuses what would take a verifier too long.
    ///
    /// # Errors
    /// [`Unsupported`], with the code `proof.limit`.
    pub fn check_cost(&self, public_weights: bool) -> Result<(), Unsupported> {
        if self.steps(public_weights) > MAX_STEPS {
            return Err(Unsupported::limit(
                "a verifier would take more than 2^30 steps",
            ));
        }
        Ok(())
    }

    /// Steps that a verifier takes at most, beyond those that the proof's bytes pay for.
    #[must_use]
    pub fn steps(&self, public_weights: bool) -> u64 {
        let mut claims = self.claims();
        let mut total = 0_u64;
        for (id, tensor) in self.tensors.iter().enumerate().rev() {
            let of_this = claims.get(id).copied().unwrap_or(0);
            let mut add = |to: TensorId, more: u64| {
                if let Some(place) = claims.get_mut(to) {
                    *place = place.saturating_add(more);
                }
            };
            match &tensor.rule {
                Rule::Linear(terms) => {
                    for (to, _) in terms.iter().filter_map(|term| term.tensor.as_ref()) {
                        add(*to, of_this);
                    }
                }
                Rule::Sum(Sum { factors, .. }) => {
                    for factor in factors {
                        let once = once(&factor.variables);
                        add(factor.tensor, if once { of_this.min(1) } else { of_this });
                    }
                    // Claims at equal points are found by comparing them.
                    total = total.saturating_add(of_this.saturating_mul(of_this));
                }
                _ => {}
            }
            let each = steps(tensor, public_weights).saturating_add(CLAIM_STEPS);
            total = total.saturating_add(of_this.saturating_mul(each));
        }
        total
    }

    /// Claims on each tensor before sums and linear tensors pass theirs on.
    fn claims(&self) -> Vec<u64> {
        let mut claims = vec![0_u64; self.tensors.len()];
        let lookups = self.lookups.iter().flat_map(|of| [of.keys.0, of.keys.1]);
        let tables = self
            .tables
            .iter()
            .flat_map(|of| [of.values, of.multiplicity]);
        let wires = self.checks.iter().flat_map(|check| &check.wires);
        let zeros = self.zeros.iter().copied();
        for id in lookups
            .chain(tables)
            .chain(wires.map(|wire| wire.tensor))
            .chain(zeros)
        {
            if let Some(place) = claims.get_mut(id) {
                *place = place.saturating_add(1);
            }
        }
        claims
    }
}
