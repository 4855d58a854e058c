//! The prover as a party of the protocol: it computes what it sends.

mod check;
mod products;

use proofmark_proof::field::{E, F, eq_table};
use proofmark_proof::fractions::Leaves;
use proofmark_proof::plan::{Check, ColumnKind, Form, Plan, Rule, Stack, Sum, TensorId};
use proofmark_proof::protocol::{Fingerprint, Party, Request, degree, factor_point};
use proofmark_proof::sumcheck::Reduced;
use proofmark_proof::{Outgoing, Rejection, Transcript};

use crate::ProverError;
use crate::fractions::{self, Layer};
use crate::watch::Watch;
use crate::witness::Witness;

/// The prover's side.
pub struct Prover<'p> {
    plan: &'p Plan,
    witness: &'p Witness,
    proof: &'p mut Outgoing,
    watch: &'p dyn Watch,
    /// Sumchecks so far, and how many there will be at most.
    done: usize,
    steps: usize,
    /// Values that the last sumcheck ended with.
    known: Vec<(Request, E)>,
}

impl<'p> Prover<'p> {
    /// A prover that has committed to the witness.
    pub fn new(
        plan: &'p Plan,
        witness: &'p Witness,
        proof: &'p mut Outgoing,
        watch: &'p dyn Watch,
    ) -> Self {
        Self {
            plan,
            witness,
            proof,
            watch,
            done: 0,
            steps: steps(plan),
            known: Vec::new(),
        }
    }

    fn step(&mut self) -> Result<(), ProverError> {
        self.watch.step(self.done, self.steps)?;
        self.done += 1;
        Ok(())
    }

    fn values_of(&self, tensor: TensorId) -> &'p [i32] {
        &self.witness.values[tensor]
    }

    fn leaves(&self, fingerprint: &Fingerprint) -> Layer {
        let stack = self.plan.leaves();
        let size = 1 << stack.variables();
        let mut leaves = Layer {
            numerators: vec![E::ZERO; size],
            denominators: vec![E::ONE; size],
        };
        let [digits, _] = self.plan.column_groups();
        let square = fingerprint.lambda * fingerprint.lambda;
        let mut slots = stack.slots().iter();
        for (column, slot) in digits.iter().zip(slots.by_ref()) {
            let column = &self.plan.columns[*column];
            let ColumnKind::Digit(width) = column.kind else {
                continue;
            };
            let start = fingerprint.denominator(0, E::new(width), E::ZERO);
            let offset = slot.offset() as usize;
            for (at, value) in self.values_of(column.tensor).iter().enumerate() {
                leaves.numerators[offset + at] = E::ONE;
                leaves.denominators[offset + at] = start - square.scale(F::from_i32(*value));
            }
        }
        for (lookup, slot) in self.plan.lookups.iter().zip(slots.by_ref()) {
            let keys = self
                .values_of(lookup.keys.0)
                .iter()
                .zip(self.values_of(lookup.keys.1));
            let offset = slot.offset() as usize;
            for (at, (first, second)) in keys.enumerate() {
                leaves.numerators[offset + at] = E::ONE;
                leaves.denominators[offset + at] = fingerprint.denominator(
                    lookup.table as u32 + 1,
                    integer(*first),
                    integer(*second),
                );
            }
        }
        if let (Some(slot), Some(counts)) = (slots.next(), self.plan.digit_multiplicity()) {
            let offset = slot.offset() as usize;
            for (row, count) in self.values_of(counts).iter().enumerate() {
                let width = row.max(1).ilog2();
                let value = row as u32 - if row == 0 { 0 } else { 1 << width };
                leaves.numerators[offset + row] = -integer(*count);
                leaves.denominators[offset + row] =
                    fingerprint.denominator(0, E::new(width), E::new(value));
            }
        }
        for ((number, table), slot) in (1..).zip(&self.plan.tables).zip(slots) {
            let rows = self
                .values_of(table.multiplicity)
                .iter()
                .zip(self.values_of(table.values));
            let offset = slot.offset() as usize;
            for (row, (count, value)) in rows.enumerate() {
                leaves.numerators[offset + row] = -integer(*count);
                leaves.denominators[offset + row] =
                    fingerprint.denominator(number, E::new(row as u32), integer(*value));
            }
        }
        leaves
    }

    /// Values at one point of several tensors.
    fn evaluate(&self, requests: &[Request]) -> Vec<E> {
        let mut table: (&[E], Vec<E>) = (&[], vec![E::ONE]);
        requests
            .iter()
            .map(|request| {
                if let Some((_, value)) = self.known.iter().find(|(known, _)| known == request) {
                    return *value;
                }
                if table.0 != request.point.as_slice() {
                    table = (&request.point, eq_table(&request.point));
                }
                weigh(&table.1, self.values_of(request.tensor))
            })
            .collect()
    }
}

/// Lookups, checks and sums.
fn steps(plan: &Plan) -> usize {
    let sums = plan
        .tensors
        .iter()
        .filter(|tensor| matches!(tensor.rule, Rule::Sum(_)));
    1 + plan.checks.len() + sums.count()
}

fn integer(value: i32) -> E {
    E::from_base(F::from_i32(value))
}

/// Σ weight·value.
pub(crate) fn weigh(weights: &[E], values: &[i32]) -> E {
    weights
        .iter()
        .zip(values)
        .filter(|(_, value)| **value != 0)
        .map(|(weight, value)| weight.scale(F::from_i32(*value)))
        .sum()
}

impl Party for Prover<'_> {
    type Error = ProverError;

    fn transcript(&mut self) -> &mut Transcript {
        self.proof.transcript()
    }

    fn values(&mut self, label: &str, requests: &[Request]) -> Result<Vec<E>, ProverError> {
        let values = self.evaluate(requests);
        self.proof.send_extensions(label, &values);
        Ok(values)
    }

    fn digits(&mut self, point: &[E]) -> Result<E, ProverError> {
        let stack = self.plan.leaves();
        let [digits, _] = self.plan.column_groups();
        let mut sum = E::ZERO;
        let mut table: (&[E], Vec<E>) = (&[], vec![E::ONE]);
        for (column, slot) in digits.iter().zip(stack.slots()) {
            let (weight, rest) = slot.split(point);
            if table.0 != rest {
                table = (rest, eq_table(rest));
            }
            sum += weight * weigh(&table.1, self.values_of(self.plan.columns[*column].tensor));
        }
        self.proof.send_extensions("digits", &[sum]);
        Ok(sum)
    }

    fn require(
        &mut self,
        _: &'static str,
        _: &'static str,
        _: impl FnOnce(&Self) -> bool,
    ) -> Result<(), ProverError> {
        Ok(())
    }

    fn public(&self, _: TensorId, _: &[E]) -> Option<E> {
        None
    }

    fn fractions(&mut self, fingerprint: &Fingerprint) -> Result<Leaves, ProverError> {
        self.step()?;
        let leaves = self.leaves(fingerprint);
        Ok(fractions::prove(leaves, self.proof))
    }

    fn check(&mut self, check: &Check, form: &Form, tau: &[E]) -> Result<Reduced, ProverError> {
        self.step()?;
        let ended = check::prove(self.witness, check, form, tau, self.proof);
        self.known = check
            .wires
            .iter()
            .zip(ended.wires)
            .map(|(wire, value)| {
                let point = proofmark_proof::plan::pick(&ended.reduced.point, &wire.variables);
                let request = Request {
                    tensor: wire.tensor,
                    point,
                };
                (request, value)
            })
            .collect();
        Ok(ended.reduced)
    }

    fn sum(&mut self, sum: &Sum, points: &[(E, Vec<E>)], claim: E) -> Result<Reduced, ProverError> {
        self.step()?;
        let (products, factors) = products::of_sum(self.witness, sum, points);
        let ended = products.prove(claim, degree(sum), self.proof);
        self.known = factors
            .into_iter()
            .map(|(claim, factor, table)| {
                let factor = &sum.factors[factor];
                let point = factor_point(&factor.variables, &points[claim].1, &ended.reduced.point);
                let request = Request {
                    tensor: factor.tensor,
                    point,
                };
                (request, ended.tables[table])
            })
            .collect();
        Ok(ended.reduced)
    }
}

/// A vector over a stack, of which the digits and the other columns are parts.
pub(crate) fn stacked(plan: &Plan, witness: &Witness, stack: &Stack) -> Vec<F> {
    let mut values = vec![F::ZERO; 1 << stack.variables()];
    for (column, slot) in plan.column_groups().concat().into_iter().zip(stack.slots()) {
        let offset = slot.offset() as usize;
        let column = &witness.values[plan.columns[column].tensor];
        for (place, value) in values[offset..].iter_mut().zip(column) {
            *place = F::from_i32(*value);
        }
    }
    values
}

impl From<Rejection> for ProverError {
    fn from(rejection: Rejection) -> Self {
        Self::Protocol(rejection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_digits_table_are_its_polynomials() {
        let point: Vec<E> = (3..9).map(|x| E([x, 1, 4, 1, x].map(F::new))).collect();
        let weights = eq_table(&point);
        let (mut widths, mut values) = (E::ZERO, E::ZERO);
        for (row, weight) in weights.iter().enumerate().skip(1) {
            let width = row.ilog2();
            widths += weight.scale(F::new(width));
            values += weight.scale(F::new(row as u32 - (1 << width)));
        }
        assert_eq!(
            proofmark_proof::protocol::digit_row(&point),
            [widths, values]
        );
        let indices: E = (0..)
            .zip(&weights)
            .map(|(row, weight)| weight.scale(F::new(row)))
            .sum();
        assert_eq!(proofmark_proof::protocol::index(&point), indices);
    }
}
