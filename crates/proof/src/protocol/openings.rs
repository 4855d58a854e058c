//! What is left to open, and its reduction to one point (specs/05-proof.md §10.5).

use alloc::vec;
use alloc::vec::Vec;

use super::{Claim, Tally, weight_of};
use crate::field::{E, eq};
use crate::plan::{Plan, Stack};

/// A linear functional of a stack.
#[derive(Debug, Clone)]
pub enum Functional {
    /// A column's value at a point.
    Column(usize, Vec<E>),
    /// The digits' part at a point of the lookups' leaves.
    Digits(Vec<E>),
    /// A slot's value at a point.
    Slot(usize, Vec<E>),
}

/// A functional and what it is claimed to be.
#[derive(Debug, Clone)]
pub struct StackClaim {
    /// The functional.
    pub functional: Functional,
    /// Its value.
    pub value: E,
}

/// Claims on what was committed to.
#[derive(Debug, Clone)]
pub struct Openings {
    /// Claims on the witness.
    pub witness: Vec<StackClaim>,
    /// Claims on each constant.
    pub constants: Vec<Vec<Claim>>,
    /// What was drawn so far.
    pub tally: Tally,
}

impl Openings {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            witness: Vec::new(),
            constants: vec![Vec::new(); plan.constants.len()],
            tally: Tally::default(),
        }
    }

    pub(super) fn witness(&mut self, functional: Functional, value: E) {
        self.witness.push(StackClaim { functional, value });
    }
}

/// Claims on one stack, weighted by powers of a challenge: Σ_z stack(z)·weight(z) = Σ γ^k·value_k.
#[derive(Debug, Clone)]
pub struct Reduction<'r> {
    /// Slots.
    pub stack: &'r Stack,
    /// Slots of the leaves, and how many of them are digits, for [`Functional::Digits`].
    pub leaves: Option<(&'r Stack, usize)>,
    /// The slot of each column.
    pub columns: &'r [usize],
    /// The claims.
    pub claims: &'r [StackClaim],
    /// The challenge.
    pub gamma: E,
}

impl Reduction<'_> {
    /// Σ γ^k·value_k.
    #[must_use]
    pub fn claim(&self) -> E {
        self.claims.iter().rev().fold(E::ZERO, |sum, claim| {
            sum.times(self.gamma).plus(claim.value)
        })
    }

    /// The weight's polynomial at a point of the stack; none if a claim refers to no slot.
    #[must_use]
    pub fn weight(&self, zeta: &[E]) -> Option<E> {
        let (mut sum, mut power) = (E::ZERO, E::ONE);
        for claim in self.claims {
            let value = match &claim.functional {
                Functional::Column(column, point) => {
                    self.at_slot(*self.columns.get(*column)?, point, zeta)?
                }
                Functional::Slot(slot, point) => self.at_slot(*slot, point, zeta)?,
                Functional::Digits(point) => self.at_digits(point, zeta)?,
            };
            sum += power.times(value);
            power = power.times(self.gamma);
        }
        Some(sum)
    }

    fn at_slot(&self, slot: usize, point: &[E], zeta: &[E]) -> Option<E> {
        let (weight, rest) = weight_of(self.stack, slot, zeta)?;
        Some(weight.times(eq(point, &rest)))
    }

    fn at_digits(&self, point: &[E], zeta: &[E]) -> Option<E> {
        let (leaves, digits) = self.leaves?;
        let mut sum = E::ZERO;
        for slot in 0..digits {
            let (of_leaves, inner) = weight_of(leaves, slot, point)?;
            sum += of_leaves.times(self.at_slot(slot, &inner, zeta)?);
        }
        Some(sum)
    }
}
