//! Random decoders are proven: what their proofs show are the ids that the reference interpreter and the sampler give.
#![cfg(test)]

mod support;

use proofmark_program::SamplingParameters;
use proofmark_program::arbitrary::with_operator_within;
use proofmark_proof::plan::{ColumnKind, Number, Plan, Recipe, TensorId};
use proofmark_proof::{Generation, PublicWeights, Statement, WeightsMode, verify};
use proofmark_prover::ProverError;
use support::REACH;
use support::decoder::{Generated, vocabulary};

fn check(generated: &Generated, name: &str) {
    match generated.prove() {
        Ok(proof) => match verify(&proof, &generated.statement()) {
            Ok(account) => assert!(account.bits() >= 100, "{name}"),
            Err(error) => panic!("{name}: {error} ({})", error.code()),
        },
        Err(error) => panic!("{name}: {error}"),
    }
}

fn check_operator(code: u8, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let case = with_operator_within(REACH, code, seed);
        for sequence in 0..case.ids.len() {
            let generated = Generated::of(&case, sequence, 3, SamplingParameters::greedy());
            check(
                &generated,
                &format!("operator {code}, seed {seed}, sequence {sequence}"),
            );
        }
    }
}

#[test]
fn positions_are_proven() {
    for code in [1, 2, 12] {
        check_operator(code, 0..8);
    }
}

#[test]
fn attention_is_proven() {
    check_operator(13, 0..12);
}

/// Temperatures from where all weights are equal to where one is left.
fn temperatures() -> impl Iterator<Item = SamplingParameters> {
    let warm = [1, 3_000, 700_000, 1_000_000, 2_000_000];
    warm.into_iter().flat_map(|temperature| {
        [0, 50_000].map(|min_p| SamplingParameters {
            temperature,
            min_p,
            ..SamplingParameters::default()
        })
    })
}

#[test]
fn drawn_ids_are_proven() {
    for (seed, parameters) in (0..).zip(temperatures()) {
        let case = with_operator_within(REACH, 1, seed);
        let generated = Generated::of(&case, 2, 4, parameters.clone());
        check(&generated, &format!("seed {seed}, {parameters:?}"));
    }
}

#[test]
fn ids_that_were_not_sampled_have_no_proof() {
    let mut refused = 0;
    for temperature in [0, 1_000_000] {
        let parameters = SamplingParameters {
            temperature,
            ..SamplingParameters::default()
        };
        let case = with_operator_within(REACH, 13, 2);
        let mut generated = Generated::of(&case, 2, 2, parameters);
        let last = generated.generated.len() - 1;
        let honest = generated.generated[last];
        for other in (0..50).filter(|id| *id != honest) {
            generated.generated[last] = other;
            if generated.statement().check().is_ok() {
                assert_eq!(generated.prove(), Err(ProverError::False), "id {other}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1, "{refused}");
}

#[test]
fn what_is_not_proven_is_refused_by_name() {
    let case = with_operator_within(REACH, 1, 1);
    for parameters in [
        SamplingParameters {
            top_k: 3,
            ..SamplingParameters::default()
        },
        SamplingParameters {
            top_p: 900_000,
            ..SamplingParameters::default()
        },
        SamplingParameters {
            presence_penalty: 1,
            ..SamplingParameters::greedy()
        },
        SamplingParameters {
            repetition_penalty: 1_100_000,
            ..SamplingParameters::greedy()
        },
        SamplingParameters {
            logit_bias: vec![(0, 5)],
            ..SamplingParameters::greedy()
        },
    ] {
        let generated = Generated::of(&case, 0, 1, parameters);
        assert!(matches!(
            generated.prove(),
            Err(ProverError::Unsupported { .. })
        ));
        assert_eq!(
            verify(&[12; 100], &generated.statement())
                .unwrap_err()
                .code(),
            "proof.unsupported"
        );
    }
}

#[test]
fn a_proof_is_for_one_generation() {
    let case = (0..)
        .map(|seed| with_operator_within(REACH, 13, seed))
        .find(|case| vocabulary(&case.program) > 3 && case.ids[1].len() > 3)
        .unwrap();
    let parameters = SamplingParameters::default();
    let generated = Generated::of(&case, 1, 3, parameters.clone());
    let proof = generated.prove().unwrap();
    let honest = generated.statement();
    assert!(verify(&proof, &honest).is_ok());
    let of = generated.generation();
    let cooler = SamplingParameters {
        temperature: 999_999,
        ..parameters
    };
    let mut prompt = generated.prompt.clone();
    prompt[0] = u32::from(prompt[0] == 0);
    let mut ids = generated.generated.clone();
    ids[0] = u32::from(ids[0] == 0);
    let others = [
        Generation {
            prompt: &prompt,
            ..of
        },
        Generation {
            generated: &ids,
            ..of
        },
        Generation { seed: 8, ..of },
        Generation { choice: 1, ..of },
        Generation {
            parameters: &cooler,
            ..of
        },
        Generation {
            generated: &generated.generated[1..],
            ..of
        },
    ];
    let mut judged = 0;
    for other in others {
        let statement = Statement {
            generation: Some(other),
            ..honest
        };
        assert!(verify(&proof, &statement).is_err(), "{other:?}");
        // Nor does a proof that was made for it with this witness show it, where the plan has the same shapes.
        let Ok(plan) = proofmark_prover::plan_for(&generated.model, statement.generation.as_ref())
        else {
            continue;
        };
        let own = generated.plan().unwrap();
        let witness = generated.witness(&own);
        let shapes = |plan: &Plan| -> Vec<_> {
            let tensors = plan.tensors.iter();
            tensors.map(|tensor| tensor.shape.clone()).collect()
        };
        if shapes(&plan) == shapes(&own) && statement.check().is_ok() {
            let refused = generated.judge(&plan, &witness, &statement).unwrap_err();
            assert!(refused.code().starts_with("proof."));
            judged += 1;
        }
    }
    assert!(judged >= 3, "{judged}");
    let none = Statement {
        generation: None,
        ..honest
    };
    assert_eq!(verify(&proof, &none).unwrap_err().code(), "proof.statement");
}

#[test]
fn other_weights_are_refused() {
    let case = with_operator_within(REACH, 13, 7);
    let generated = Generated::of(&case, 2, 2, SamplingParameters::greedy());
    let proof = generated.prove().unwrap();
    let mut changed = case.clone();
    *changed.weights.last_mut().unwrap() ^= 1;
    let other = PublicWeights::of(&changed.checked()).unwrap();
    let statement = Statement {
        weights: WeightsMode::Public(&other),
        ..generated.statement()
    };
    assert!(verify(&proof, &statement).is_err());
    let plan = generated.plan().unwrap();
    let witness = generated.witness(&plan);
    let refused = generated.judge(&plan, &witness, &statement).unwrap_err();
    assert_eq!(refused.code(), "proof.weights");
}

/// A short generation by a program with this operator.
fn short(code: u8, parameters: SamplingParameters) -> Generated {
    let case = (0..)
        .map(|seed| with_operator_within(REACH, code, seed))
        .find(|case| vocabulary(&case.program) > 3 && (2..8).contains(&case.ids[1].len()))
        .unwrap();
    Generated::of(&case, 1, 2, parameters)
}

/// Changes a cell of each of these columns, and looks whether the verifier refuses.
fn are_bound(generated: &Generated, which: impl Fn(&Plan) -> Vec<TensorId>, least: usize) {
    let plan = generated.plan().unwrap();
    let honest = generated.witness(&plan);
    let statement = generated.statement();
    assert!(generated.judge(&plan, &honest, &statement).is_ok());
    let which = which(&plan);
    assert!(which.len() >= least, "{}", which.len());
    for (number, column) in which.into_iter().enumerate() {
        let cells = honest.values[column].len();
        // The last cell is padding in many shapes.
        let cell = [0, cells - 1, cells / 2][number % 3];
        let mut witness = honest.clone();
        witness.values[column][cell] ^= 1;
        witness.count(&plan);
        let verdict = generated.judge(&plan, &witness, &statement);
        assert!(verdict.is_err(), "tensor {column}, cell {cell}");
    }
}

/// Columns that nothing but constraints and lookups binds.
fn every_column(plan: &Plan) -> Vec<TensorId> {
    let idle = support::idle(plan);
    let columns = plan.columns.iter();
    columns
        .filter(|column| !matches!(column.kind, ColumnKind::Multiplicity(_)))
        .map(|column| column.tensor)
        .filter(|column| !idle.contains(column))
        .collect()
}

#[test]
fn columns_of_attention_are_bound() {
    are_bound(&short(13, SamplingParameters::greedy()), every_column, 60);
}

#[test]
fn columns_of_rotations_are_bound() {
    are_bound(&short(12, SamplingParameters::greedy()), every_column, 40);
}

#[test]
fn columns_of_draws_are_bound() {
    let of_draws = |plan: &Plan| {
        let mut columns = Vec::new();
        let first = |number: &Number| number.digits.first().map(|digit| digit.0);
        for scheduled in &plan.recipes {
            match &scheduled.recipe {
                Recipe::Best { chosen, .. } => columns.push(*chosen),
                Recipe::Key(key) => {
                    columns.push(key.key);
                    columns.extend([&key.low, &key.rest].into_iter().filter_map(first));
                }
                Recipe::Draw(draw) => {
                    let [low, high] = &draw.remainder;
                    let numbers = [&draw.z, &draw.scaled, low, high];
                    columns.extend(numbers.into_iter().filter_map(first));
                }
                _ => {}
            }
        }
        columns.extend(plan.lookups.iter().map(|lookup| lookup.keys.1));
        columns
    };
    are_bound(&short(1, SamplingParameters::default()), of_draws, 10);
}
