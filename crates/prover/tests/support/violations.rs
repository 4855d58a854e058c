//! What a witness violates, looked at cell by cell, without a proof.

use std::collections::BTreeSet;

use proofmark_proof::plan::{Check, ColumnKind, Plan};
use proofmark_prover::witness::{Projection, Witness};

/// p.
const P: i128 = 2_130_706_433;

/// A condition of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// This constraint of this check.
    Constraint(usize, usize),
    /// This tensor is zero everywhere.
    Zero(usize),
    /// This lookup.
    Lookup(usize),
    /// This column has digits.
    Digit(usize),
}

fn in_check(check: &Check, witness: &Witness, number: usize, found: &mut BTreeSet<Condition>) {
    let variables = check.shape.variables();
    let wires: Vec<(Projection, &[i32])> = check
        .wires
        .iter()
        .map(|wire| {
            let projection = Projection::new(variables, &wire.variables);
            (projection, witness.values[wire.tensor].as_slice())
        })
        .collect();
    for cell in 0..1_usize << variables {
        let at = |wire: usize| i128::from(wires[wire].1[wires[wire].0.at(cell)]);
        for (place, constraint) in check.constraints.iter().enumerate() {
            let sum: i128 = constraint
                .iter()
                .map(|monomial| {
                    let wires = monomial.wires.iter().flatten();
                    let coefficient = i128::from(monomial.coefficient);
                    wires.fold(coefficient, |product, wire| product * at(*wire) % P)
                })
                .sum();
            if sum % P != 0 {
                found.insert(Condition::Constraint(number, place));
            }
        }
    }
}

/// All conditions that do not hold; counts are left out, for [`Witness::count`] makes them.
pub fn violations(plan: &Plan, witness: &Witness) -> BTreeSet<Condition> {
    let mut found = BTreeSet::new();
    for (number, check) in plan.checks.iter().enumerate() {
        in_check(check, witness, number, &mut found);
    }
    for &zero in &plan.zeros {
        if witness.values[zero].iter().any(|x| *x != 0) {
            found.insert(Condition::Zero(zero));
        }
    }
    for (number, lookup) in plan.lookups.iter().enumerate() {
        let rows = &witness.values[plan.tables[lookup.table].values];
        let keys = witness.values[lookup.keys.0].iter();
        let mut pairs = keys.zip(&witness.values[lookup.keys.1]);
        let row = |key: &i32| usize::try_from(*key).ok().and_then(|key| rows.get(key));
        if pairs.any(|(key, value)| row(key) != Some(value)) {
            found.insert(Condition::Lookup(number));
        }
    }
    for column in &plan.columns {
        if let ColumnKind::Digit(bits) = column.kind {
            let mut values = witness.values[column.tensor].iter();
            if values.any(|value| !(0..1 << bits).contains(value)) {
                found.insert(Condition::Digit(column.tensor));
            }
        }
    }
    found
}
