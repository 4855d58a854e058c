//! The prover as a party of the protocol: it computes what it sends.

mod check;
mod products;

use proofmark_kernels::field::{evaluate_integers, to_field};
use proofmark_proof::field::{E, F};
use proofmark_proof::fractions::Leaves;
use proofmark_proof::plan::{Check, ColumnKind, Form, Plan, Rule, Stack, Sum, TensorId};
use proofmark_proof::protocol::{Fingerprint, Party, Request, degree, factor_point};
use proofmark_proof::sumcheck::Reduced;
use proofmark_proof::{Outgoing, Rejection, Transcript};

use crate::fractions::{self, Layer, Numerators};
use crate::watch::Watch;
use crate::witness::Witness;
use crate::{Machine, ProverError};

/// The prover's side.
pub struct Prover<'p> {
    machine: Machine<'p>,
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
        machine: Machine<'p>,
        plan: &'p Plan,
        witness: &'p Witness,
        proof: &'p mut Outgoing,
        watch: &'p dyn Watch,
    ) -> Self {
        Self {
            machine,
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
        let mut leaves = Layer::neutral(self.machine, stack.variables());
        let [digits, _] = self.plan.column_groups();
        // The denominator is affine in both parts of a key.
        let start = |table: usize| fingerprint.denominator(table as u32, E::ZERO, E::ZERO);
        let first = E::ZERO - fingerprint.lambda;
        let second = first * fingerprint.lambda;
        let mut slots = stack.slots().iter().map(|slot| slot.offset() as usize);
        for (column, offset) in digits.iter().zip(slots.by_ref()) {
            let column = &self.plan.columns[*column];
            let ColumnKind::Digit(width) = column.kind else {
                continue;
            };
            let start = fingerprint.denominator(0, E::new(width), E::ZERO);
            let keys = [(second, self.values_of(column.tensor))];
            leaves.set(self.machine, offset, Numerators::One, start, &keys);
        }
        for (lookup, offset) in self.plan.lookups.iter().zip(slots.by_ref()) {
            let (one, other) = lookup.keys;
            let keys = [
                (first, self.values_of(one)),
                (second, self.values_of(other)),
            ];
            let start = start(lookup.table + 1);
            leaves.set(self.machine, offset, Numerators::One, start, &keys);
        }
        if let (Some(counts), Some(offset)) = (self.plan.digit_multiplicity(), slots.next()) {
            let counts = self.values_of(counts);
            let (widths, values): (Vec<i32>, Vec<i32>) = (0..counts.len() as i32)
                .map(|row| (row.max(1).ilog2() as i32, row))
                .map(|(width, row)| (width, if row == 0 { 0 } else { row - (1 << width) }))
                .unzip();
            let keys = [(first, widths.as_slice()), (second, values.as_slice())];
            leaves.set(
                self.machine,
                offset,
                Numerators::Minus(counts),
                start(0),
                &keys,
            );
        }
        for ((number, table), offset) in (1..).zip(&self.plan.tables).zip(slots) {
            let counts = self.values_of(table.multiplicity);
            let rows: Vec<i32> = (0..counts.len() as i32).collect();
            let keys = [
                (first, rows.as_slice()),
                (second, self.values_of(table.values)),
            ];
            let counts = Numerators::Minus(counts);
            leaves.set(self.machine, offset, counts, start(number), &keys);
        }
        leaves
    }

    /// Values at their points of several tensors.
    fn evaluate(&self, requests: &[Request]) -> Vec<E> {
        let Machine { pool, isa } = self.machine;
        requests
            .iter()
            .map(|request| {
                if let Some((_, value)) = self.known.iter().find(|(known, _)| known == request) {
                    return *value;
                }
                evaluate_integers(self.values_of(request.tensor), &request.point, pool, isa)
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
        let Machine { pool, isa } = self.machine;
        let mut sum = E::ZERO;
        for (column, slot) in digits.iter().zip(stack.slots()) {
            let (weight, rest) = slot.split(point);
            let values = self.values_of(self.plan.columns[*column].tensor);
            sum += weight * evaluate_integers(values, rest, pool, isa);
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
        Ok(fractions::prove(self.machine, leaves, self.proof))
    }

    fn check(&mut self, check: &Check, form: &Form, tau: &[E]) -> Result<Reduced, ProverError> {
        self.step()?;
        let ended = check::prove(self.machine, self.witness, check, form, tau, self.proof);
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
        let (products, factors) = products::of_sum(self.machine, self.witness, sum, points);
        let ended = products.prove(self.machine, claim, degree(sum), self.proof);
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
pub(crate) fn stacked(
    machine: Machine<'_>,
    plan: &Plan,
    witness: &Witness,
    stack: &Stack,
) -> Vec<F> {
    let mut values = vec![F::ZERO; 1 << stack.variables()];
    for (column, slot) in plan.column_groups().concat().into_iter().zip(stack.slots()) {
        let offset = slot.offset() as usize;
        let column = &witness.values[plan.columns[column].tensor];
        let place = &mut values[offset..][..column.len()];
        to_field(column, place, machine.pool, machine.isa);
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
    use proofmark_proof::field::eq_table;

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
