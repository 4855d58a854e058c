//! Provers that cheat in rows – norms, softmax, one-hot columns – so that exactly one condition of the plan stands between them and an
//! accepted proof: all others hold, and the verifier refuses.
#![cfg(test)]

mod support;

use std::collections::BTreeSet;

use proofmark_kernels::Pool;
use proofmark_program::arbitrary::{Case, with_operator_within};
use proofmark_program::{
    InputKind, Interface, NodeType, Operator, OutputKind, ProgramBuilder, TensorInput,
    TensorOutput, WeightsWriter,
};
use proofmark_proof::plan::{Number, Plan, Recipe, Shape, TensorId, Wire};
use proofmark_proof::{Statement, verify};
use proofmark_prover::witness::{Given, Projection, Witness};
use proofmark_prover::{Nobody, ProverError, plan_of, prove_witness};
use support::violations::violations;
use support::{Inference, REACH, with_machine};

/// An integer in a cell.
fn integer(
    witness: &Witness,
    shape: &Shape,
    (products, constant): (&[(i128, Vec<Wire>)], i128),
    cell: usize,
) -> i128 {
    let at = |wire: &Wire| {
        let place = Projection::new(shape.variables(), &wire.variables).at(cell);
        i128::from(witness.values[wire.tensor][place])
    };
    let product = |weight, wires: &[Wire]| wires.iter().fold(weight, |sum, wire| sum * at(wire));
    let products = products
        .iter()
        .map(|(weight, wires)| product(*weight, wires));
    constant + products.sum::<i128>()
}

/// What a number stands for in a cell.
fn value(witness: &Witness, number: &Number, cell: usize) -> i64 {
    let digits = number.digits.iter();
    let sum: i64 = digits
        .map(|(tensor, place)| i64::from(witness.values[*tensor][cell]) << place)
        .sum();
    sum - number.layout.offset
}

/// Another value, if the number has it.
fn set(witness: &mut Witness, number: &Number, cell: usize, value: i64) -> bool {
    let mut digits = vec![0; number.digits.len()];
    if number.layout.write_digits(value, &mut digits).is_none() {
        return false;
    }
    for ((tensor, _), digit) in number.digits.iter().zip(digits) {
        witness.values[*tensor][cell] = digit;
    }
    true
}

/// Adds to lo + bit + 2·high.
fn add(witness: &mut Witness, bit: TensorId, high: &Number, cell: usize, more: i64) -> bool {
    let all = i64::from(witness.values[bit][cell]) + 2 * value(witness, high, cell) + more;
    witness.values[bit][cell] = (all & 1) as i32;
    set(witness, high, cell, all >> 1)
}

/// Follows a recipe. An integer that a number cannot stand for has its low bits there.
fn follow(recipe: &Recipe, witness: &mut Witness) -> Result<(), ProverError> {
    let followed = witness.follow(recipe, &Pool::new(1));
    let Recipe::Integer {
        shape,
        products,
        constant,
        number,
    } = recipe
    else {
        return followed;
    };
    if followed.is_err() {
        let cells = 1 << shape.variables();
        for &(tensor, _) in &number.digits {
            witness.values[tensor] = vec![0; cells];
        }
        for cell in 0..cells {
            let all = integer(witness, shape, (products, *constant), cell);
            let all = all + i128::from(number.layout.offset);
            for ((tensor, _), (place, width)) in number.digits.iter().zip(&number.layout.digits) {
                let digit = all >> place & ((1 << width) - 1);
                witness.values[*tensor][cell] = digit as i32;
            }
        }
    }
    Ok(())
}

/// A change of what a recipe made; whether there was one.
type Cheat = fn(&Recipe, &mut Witness) -> bool;

/// What a cheat leads to in random programs with an operator: how often it violates one condition alone, and what the verifier says to
/// these.
fn cheats(code: u8, cheat: Cheat) -> (usize, BTreeSet<&'static str>) {
    let (mut alone, mut codes) = (0, BTreeSet::new());
    for seed in 0..60 {
        let inference = Inference::of(&with_operator_within(REACH, code, seed), 0);
        let plan = plan_of(&inference.model).unwrap();
        let inputs: Vec<&[i32]> = inference.inputs.iter().map(Vec::as_slice).collect();
        let given = Given {
            inputs: &inputs,
            constants: inference.model.constants(),
        };
        let mut changed = false;
        let witness = Witness::compute_by(&plan, given, &Pool::new(1), &mut |recipe, witness| {
            follow(recipe, witness)?;
            if !changed {
                let honest = witness.clone();
                changed = cheat(recipe, witness);
                if !changed {
                    // A part of a cheat is none.
                    *witness = honest;
                }
            }
            Ok(())
        });
        // What follows from some lies has no digits.
        let Ok(witness) = witness else { continue };
        let violated = violations(&plan, &witness);
        assert_eq!(
            violated.is_empty(),
            !changed,
            "operator {code}, seed {seed}"
        );
        if violated.len() == 1
            && let Some(said) = said(&inference, &plan, &witness)
        {
            println!("operator {code}, seed {seed}: {violated:?}, {said}");
            alone += 1;
            codes.insert(said);
            if alone == 3 {
                break;
            }
        }
    }
    (alone, codes)
}

/// What the verifier says to a proof with this witness of the outputs that it has; none if these are none of the program.
fn said(inference: &Inference, plan: &Plan, witness: &Witness) -> Option<&'static str> {
    let of = |id: &usize| witness.elements(&plan.tensors[*id].shape, *id);
    let outputs: Vec<Vec<i32>> = plan.outputs.iter().map(of).collect();
    let statement = Statement {
        outputs: &outputs,
        ..inference.statement()
    };
    statement.check().ok()?;
    let proof = with_machine(|machine| {
        prove_witness(machine, plan, witness, None, &statement, &Nobody).unwrap()
    });
    let refused = verify(&proof, &statement);
    Some(refused.map(|_| ()).unwrap_err().code())
}

fn one_condition_refuses(code: u8, cheat: Cheat, expected: &'static str) {
    let (alone, codes) = cheats(code, cheat);
    assert!(alone > 0, "operator {code}: never one condition alone");
    assert_eq!(codes, BTreeSet::from([expected]), "operator {code}");
}

const NORMS: [u8; 2] = [10, 11];

/// e, q, q′ and r for another S of the first row.
fn of_another_sum(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Norm(norm) = recipe else {
        return false;
    };
    let sum = value(witness, &norm.sum, 0) as u128 + 1;
    let exponent = sum.ilog2() / 2;
    let power = 1_u128 << (2 * exponent + 60);
    let quotient = power / sum;
    for (e, &bit) in (norm.first_exponent..).zip(&norm.exponents) {
        witness.values[bit][0] = i32::from(e == exponent);
    }
    let root = quotient.isqrt() as i64 - (1 << 29);
    set(witness, &norm.sum, 0, sum as i64)
        && set(witness, &norm.quotient, 0, quotient as i64)
        && set(witness, &norm.remainder, 0, (power % sum) as i64)
        && set(witness, &norm.root, 0, root)
}

#[test]
fn sums_of_squares_are_those_of_the_row() {
    for code in NORMS {
        one_condition_refuses(code, of_another_sum, "proof.constraint");
    }
}

fn smaller_root(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Norm(norm) = recipe else {
        return false;
    };
    let root = value(witness, &norm.root, 0);
    set(witness, &norm.root, 0, root - 1)
}

#[test]
fn roots_are_the_largest() {
    for code in NORMS {
        one_condition_refuses(code, smaller_root, "proof.constraint");
    }
}

/// q − 1, and a remainder of S or more.
fn smaller_quotient(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Norm(norm) = recipe else {
        return false;
    };
    let [sum, quotient, rest] =
        [&norm.sum, &norm.quotient, &norm.remainder].map(|number| value(witness, number, 0));
    set(witness, &norm.remainder, 0, rest + sum) && set(witness, &norm.quotient, 0, quotient - 1)
}

#[test]
fn remainders_are_below_the_sum() {
    for code in NORMS {
        one_condition_refuses(code, smaller_quotient, "proof.constraint");
    }
}

fn smaller_mean(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Mean(mean) = recipe else {
        return false;
    };
    add(witness, mean.bit, &mean.high, 0, -1)
}

/// The odd one of two means that are as near.
fn odd_mean(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Mean(mean) = recipe else {
        return false;
    };
    let inner = mean.shape.axis(mean.shape.lengths().len() - 1).len();
    let length = i64::from(*mean.shape.lengths().last().unwrap());
    let sums = witness.values[mean.x].chunks(1 << inner);
    let sums: Vec<i64> = sums
        .map(|row| row.iter().map(|x| i64::from(*x)).sum())
        .collect();
    for (cell, sum) in sums.into_iter().enumerate() {
        let twice = 2 * sum + length;
        if twice.rem_euclid(2 * length) == 0 {
            let up = twice.div_euclid(2 * length);
            let more = if up & 1 == 1 { 1 } else { -1 };
            return add(witness, mean.bit, &mean.high, cell, more);
        }
    }
    false
}

#[test]
fn means_are_the_nearest_and_of_two_the_even_one() {
    one_condition_refuses(11, smaller_mean, "proof.constraint");
    one_condition_refuses(11, odd_mean, "proof.constraint");
}

/// One more than the largest score of the first cell, its keys with it; and, if `chosen` is false, no place that has it.
fn larger_maximum(recipe: &Recipe, witness: &mut Witness, chosen: bool) -> bool {
    let Recipe::Distances(of) = recipe else {
        return false;
    };
    if of.rest.is_some() {
        return false;
    }
    witness.values[of.maximum][0] += 1;
    let cells = 1 << (of.shape.variables() - of.choices);
    for choice in 0..1 << of.choices {
        let at = choice * cells;
        if witness.values[of.valid][at] == 1 {
            witness.values[of.key][at] += 1;
        }
        if !chosen {
            witness.values[of.chosen][at] = 0;
        }
    }
    true
}

#[test]
fn maxima_are_scores() {
    let chosen = |recipe: &Recipe, witness: &mut Witness| larger_maximum(recipe, witness, true);
    one_condition_refuses(14, chosen, "proof.constraint");
    let none = |recipe: &Recipe, witness: &mut Witness| larger_maximum(recipe, witness, false);
    one_condition_refuses(14, none, "proof.sum");
}

/// A place that is not chosen is one farther than it is.
fn farther(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Distances(of) = recipe else {
        return false;
    };
    let places = 0..1_usize << of.shape.variables();
    let at = |tensor: TensorId, place: usize| witness.values[tensor][place];
    let mut others = places.filter(|place| at(of.valid, *place) == 1 && at(of.chosen, *place) == 0);
    let Some(place) = others.next() else {
        return false;
    };
    witness.values[of.key][place] += 1;
    true
}

#[test]
fn distances_are_those_of_the_scores() {
    one_condition_refuses(14, farther, "proof.constraint");
}

fn heavier(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Table { result, .. } = recipe else {
        return false;
    };
    witness.values[*result][0] += 1;
    true
}

#[test]
fn weights_are_those_of_the_distances() {
    one_condition_refuses(14, heavier, "proof.lookup");
}

/// A quotient that is less by one, and a remainder of a divisor or more.
fn smaller_share(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Divide(of) = recipe else {
        return false;
    };
    let divisor = integer(witness, &of.shape, (&of.divisor.0, of.divisor.1), 0) as i64;
    let rest = value(witness, &of.remainder, 0);
    add(witness, of.bit, &of.high, 0, -1) && set(witness, &of.remainder, 0, rest + 2 * divisor)
}

/// A quotient that is less by one, as if it were a tie.
fn no_tie(recipe: &Recipe, witness: &mut Witness) -> bool {
    let Recipe::Divide(of) = recipe else {
        return false;
    };
    if witness.values[of.tie][0] == 1 || value(witness, &of.remainder, 0) == 0 {
        return false;
    }
    witness.values[of.tie][0] = 1;
    add(witness, of.bit, &of.high, 0, -1)
}

#[test]
fn shares_are_the_nearest() {
    one_condition_refuses(14, smaller_share, "proof.constraint");
    one_condition_refuses(14, no_tie, "proof.constraint");
}

/// What is added to which places of a row, given the index and the row's length.
type HotChange = fn(i32, i32) -> Option<Vec<(i32, i32)>>;

/// Adds to places of the first cell's row of a one-hot column.
fn of_hot(recipe: &Recipe, witness: &mut Witness, change: HotChange) -> bool {
    let Recipe::OneHot {
        index, length, hot, ..
    } = recipe
    else {
        return false;
    };
    let Some(changes) = change(witness.values[*index][0], length.cast_signed()) else {
        return false;
    };
    for (place, more) in changes {
        witness.values[*hot][place as usize] += more;
    }
    true
}

#[test]
fn hot_places_are_the_index() {
    let other = |recipe: &Recipe, witness: &mut Witness| {
        of_hot(recipe, witness, |index, length| {
            (length > 1).then(|| vec![(index, -1), ((index + 1) % length, 1)])
        })
    };
    one_condition_refuses(3, other, "proof.sum");
}

#[test]
fn one_place_is_hot() {
    // Index 0 weighs nothing in the sum of indices.
    let another = |recipe: &Recipe, witness: &mut Witness| {
        of_hot(recipe, witness, |index, _| {
            Some(vec![(0, if index == 0 { -1 } else { 1 })])
        })
    };
    one_condition_refuses(3, another, "proof.sum");
}

#[test]
fn hot_places_are_bits() {
    // Neither the number of places nor the sum of their indices changes.
    let others = |recipe: &Recipe, witness: &mut Witness| {
        of_hot(recipe, witness, |_, length| {
            (length > 2).then(|| vec![(0, 1), (1, -2), (2, 1)])
        })
    };
    one_condition_refuses(3, others, "proof.constraint");
}

#[test]
fn digits_of_the_same_place_are_two() {
    // A little more than 2^30: the number is tight, and has two digits of place 0.
    let most = (1 << 30) + 5;
    let mut builder = ProgramBuilder::new();
    let name = "x".to_owned();
    let input = NodeType::fixed(&[2], 0, most);
    let x = builder.node("x", Operator::Input { name }, &[], input);
    let norm = Operator::RmsNorm {
        eps: 1,
        fraction: 8,
    };
    let y = builder.node("y", norm, &[x], NodeType::fixed(&[2], 0, 256));
    let interface = Interface::Tensor {
        inputs: vec![TensorInput {
            name: "x".to_owned(),
            node: x,
            kind: InputKind::Integer,
        }],
        outputs: vec![TensorOutput {
            name: "y".to_owned(),
            node: y,
            kind: OutputKind::Integer,
        }],
    };
    let case = Case {
        program: builder.finish(interface).unwrap(),
        weights: WeightsWriter::new().finish().unwrap(),
        ids: vec![],
        inputs: vec![vec![vec![most - 2, 12_345]]],
    };
    let inference = Inference::of(&case, 0);
    let plan = plan_of(&inference.model).unwrap();
    let twice = plan
        .recipes
        .iter()
        .any(|scheduled| match &scheduled.recipe {
            Recipe::Digits { number, .. } => number.digits.iter().filter(|d| d.1 == 0).count() == 2,
            _ => false,
        });
    assert!(twice);
    let proof = inference.prove().unwrap();
    assert!(inference.verify(&proof).unwrap().bits() >= 100);
}
