//! A prover that cheats: whatever it changes in the witness, in the statement or in the bytes, the verifier refuses.
#![cfg(test)]

mod support;

use proofmark_program::Operator;
use proofmark_program::arbitrary::with_operator_within;
use proofmark_proof::plan::{ColumnKind, Plan, TensorId};
use proofmark_proof::{PublicWeights, Rejection, Statement, WeightsMode, verify};
use proofmark_prover::witness::{Given, Witness};
use proofmark_prover::{CommittedWeights, Nobody, Options, plan_of, prove, prove_witness};
use support::{Inference, REACH, with_machine};

/// An honest inference, and its witness to change.
struct Bench {
    inference: Inference,
    plan: Plan,
    witness: Witness,
}

impl Bench {
    fn new(code: u8, seed: u64) -> Self {
        let inference = Inference::of(&with_operator_within(REACH, code, seed), 0);
        let plan = plan_of(&inference.model).unwrap();
        let witness = Self::witness(&inference, &plan, &inference.inputs);
        Self {
            inference,
            plan,
            witness,
        }
    }

    fn witness(inference: &Inference, plan: &Plan, inputs: &[Vec<i32>]) -> Witness {
        let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
        let given = Given {
            inputs: &inputs,
            constants: inference.model.constants(),
        };
        with_machine(|machine| Witness::compute(plan, given, machine.pool).unwrap())
    }

    /// What the verifier says to a proof of this statement with this witness.
    fn judge(&self, witness: &Witness, statement: &Statement<'_>) -> Result<(), Rejection> {
        let proof = with_machine(|machine| {
            prove_witness(machine, &self.plan, witness, None, statement, &Nobody).unwrap()
        });
        verify(&proof, statement).map(|_| ())
    }
}

#[test]
fn every_column_is_bound() {
    let mut changed = 0;
    for code in [5, 7, 8, 9, 16, 25, 26, 27, 28] {
        for seed in 0..2 {
            let bench = Bench::new(code, seed);
            let idle = support::idle(&bench.plan);
            for column in &bench.plan.columns {
                let cells = bench.witness.values[column.tensor].len();
                // The last cell is padding in many shapes.
                for cell in [0, cells / 2, cells - 1] {
                    let mut witness = bench.witness.clone();
                    witness.values[column.tensor][cell] ^= 1;
                    if !matches!(column.kind, ColumnKind::Multiplicity(_)) {
                        witness.count(&bench.plan);
                    }
                    let verdict = bench.judge(&witness, &bench.inference.statement());
                    let bound = !idle.contains(&column.tensor);
                    assert!(
                        verdict.is_err() || !bound,
                        "operator {code}, seed {seed}: {:?}, cell {cell}",
                        column.kind
                    );
                    changed += 1;
                }
            }
            assert!(
                bench
                    .judge(&bench.witness, &bench.inference.statement())
                    .is_ok()
            );
        }
    }
    assert!(changed > 250, "{changed}");
}

#[test]
fn digits_beyond_their_width_have_no_row() {
    let bench = Bench::new(5, 0);
    for column in &bench.plan.columns {
        if let ColumnKind::Digit(bits) = column.kind {
            for wrong in [1 << bits, -1] {
                let mut witness = bench.witness.clone();
                witness.values[column.tensor][0] = wrong;
                witness.count(&bench.plan);
                let verdict = bench.judge(&witness, &bench.inference.statement());
                assert_eq!(verdict.unwrap_err().code(), "proof.lookup");
            }
        }
    }
}

#[test]
fn another_row_of_a_table_is_refused() {
    let bench = Bench::new(9, 1);
    let lookup = &bench.plan.lookups[0];
    let mut witness = bench.witness.clone();
    witness.values[lookup.keys.1][0] += 1;
    let verdict = bench.judge(&witness, &bench.inference.statement());
    assert_eq!(verdict.unwrap_err().code(), "proof.lookup");
    // A count that hides it would have to be of a row that is not in the table.
    let mut witness = bench.witness.clone();
    let counts = bench.plan.tables[lookup.table].multiplicity;
    witness.values[counts][0] += 1;
    let verdict = bench.judge(&witness, &bench.inference.statement());
    assert_eq!(verdict.unwrap_err().code(), "proof.lookup");
}

#[test]
fn other_outputs_and_other_inputs_are_refused() {
    let mut lies = 0;
    for (code, seed) in [4, 5, 15, 18, 24]
        .into_iter()
        .flat_map(|code| [1, 2, 3].map(|s| (code, s)))
    {
        let bench = Bench::new(code, seed);
        let mut outputs = bench.inference.outputs.clone();
        let node = bench.plan.outputs[0];
        let (lo, hi) = (bench.plan.tensors[node].lo, bench.plan.tensors[node].hi);
        let other = if i64::from(outputs[0][0]) < hi { 1 } else { -1 };
        if lo == hi {
            continue;
        }
        outputs[0][0] += other;
        let statement = Statement {
            outputs: &outputs,
            ..bench.inference.statement()
        };
        let verdict = bench.judge(&bench.witness, &statement);
        assert!(matches!(
            verdict.unwrap_err().code(),
            "proof.statement" | "proof.sum"
        ));
        // The outputs are right for other inputs.
        let mut inputs = bench.inference.inputs.clone();
        let changed = inputs.iter_mut().flatten().find(|x| **x != 0);
        let Some(changed) = changed else { continue };
        *changed = 0;
        let witness = Bench::witness(&bench.inference, &bench.plan, &inputs);
        let of = |tensor: TensorId| witness.elements(&bench.plan.tensors[tensor].shape, tensor);
        let outputs: Vec<Vec<i32>> = bench.plan.outputs.iter().map(|id| of(*id)).collect();
        if outputs == bench.inference.outputs {
            continue;
        }
        lies += 1;
        let statement = Statement {
            outputs: &outputs,
            ..bench.inference.statement()
        };
        let verdict = bench.judge(&witness, &statement);
        assert_eq!(verdict.unwrap_err().code(), "proof.statement");
    }
    assert!(lies > 3, "{lies}");
}

#[test]
fn a_proof_is_for_one_statement() {
    let bench = Bench::new(5, 3);
    let honest = bench.inference.statement();
    let proof = bench.inference.prove().unwrap();
    assert!(verify(&proof, &honest).is_ok());
    let others = [
        Statement {
            receipt_id: [9; 16],
            ..honest
        },
        Statement {
            claims_digest: [9; 32],
            ..honest
        },
        Statement {
            closure_digest: [9; 32],
            ..honest
        },
    ];
    for other in others {
        assert!(verify(&proof, &other).is_err());
    }
    // The same shapes, another shift.
    let mut program = bench.inference.program.clone();
    for node in &mut program.nodes {
        if let Operator::Requantize { shift, .. } = &mut node.operator {
            *shift = shift.wrapping_sub(1).min(62);
        }
    }
    let other = Statement {
        program: &program,
        ..honest
    };
    assert!(verify(&proof, &other).is_err());
    // Inputs out of their range are none.
    let mut inputs = bench.inference.inputs.clone();
    inputs[0][0] = i32::MAX;
    let other = Statement {
        inputs: &inputs,
        ..honest
    };
    assert_eq!(
        verify(&proof, &other).unwrap_err().code(),
        "proof.statement"
    );
}

#[test]
fn other_weights_with_the_same_outputs_are_refused() {
    // All inputs zero: the weights do not matter to the outputs, and yet they are bound.
    let case = with_operator_within(REACH, 4, 1);
    let mut inference = Inference::of(&case, 0);
    for x in inference.inputs.iter_mut().flatten() {
        *x = 0;
    }
    let inputs: Vec<&[i32]> = inference.inputs.iter().map(Vec::as_slice).collect();
    inference.outputs =
        with_machine(|m| proofmark_prover::outputs(m, &inference.model, &inputs).unwrap());
    let proof = inference.prove().unwrap();
    assert!(inference.verify(&proof).is_ok());
    let mut changed = case.clone();
    *changed.weights.last_mut().unwrap() ^= 1;
    let other = PublicWeights::of(&changed.checked()).unwrap();
    let honest = inference.statement();
    let statement = Statement {
        weights: WeightsMode::Public(&other),
        ..honest
    };
    assert!(verify(&proof, &statement).is_err());
    // Even a proof that was made for the statement does not show it with the prover's own weights.
    let own = with_machine(|machine| {
        prove(
            machine,
            &inference.model,
            None,
            &statement,
            &Options::default(),
            &Nobody,
        )
        .unwrap()
    });
    assert_eq!(
        verify(&own, &statement).unwrap_err().code(),
        "proof.weights"
    );
    // Committed: a commitment to other bytes, and the prover's own weights.
    with_machine(|machine| {
        let bytes = inference.model.limbs();
        let mut changed = bytes.clone();
        changed[0] ^= 1;
        let weights = CommittedWeights::new(machine, &inference.model, &bytes).unwrap();
        let other = CommittedWeights::new(machine, &inference.model, &changed).unwrap();
        let statement = inference.committed(other.public());
        let proof = prove(
            machine,
            &inference.model,
            Some(&weights),
            &statement,
            &Options::default(),
            &Nobody,
        )
        .unwrap();
        assert!(verify(&proof, &statement).is_err());
        let proof = prove(
            machine,
            &inference.model,
            Some(&other),
            &statement,
            &Options::default(),
            &Nobody,
        )
        .unwrap();
        assert!(verify(&proof, &statement).is_err());
        assert_ne!(weights.public().digest(), other.public().digest());
    });
}

#[test]
fn every_byte_of_a_proof_counts() {
    let inference = Inference::of(&with_operator_within(REACH, 5, 2), 0);
    let proof = inference.prove().unwrap();
    assert!(inference.verify(&proof).is_ok());
    // Every byte of the protocol's part, and some of the openings'.
    for at in (0..proof.len()).filter(|at| at % 61 == 0 || *at < 700) {
        let mut changed = proof.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(inference.verify(&changed).is_err(), "byte {at}");
    }
    for end in [0, 1, 40, proof.len() / 2, proof.len() - 1] {
        assert_eq!(
            inference.verify(&proof[..end]).unwrap_err().code(),
            "proof.malformed"
        );
    }
    let longer = [proof.as_slice(), &[0]].concat();
    assert_eq!(
        inference.verify(&longer).unwrap_err().code(),
        "proof.malformed"
    );
}
