//! Random programs are proven, and the proofs accepted; what is proven is what the reference interpreter computes.
#![cfg(test)]

mod support;

use proofmark_program::arbitrary::{Case, tensor_within, with_operator_within};
use proofmark_prover::ProverError;
use support::{Inference, REACH};

/// Proves every call of a case; whether it is supported.
fn check(case: &Case, name: &str) -> Result<(), &'static str> {
    for call in 0..case.inputs.len() {
        let inference = Inference::of(case, call);
        match inference.prove() {
            Ok(proof) => match inference.verify(&proof) {
                Ok(account) => assert!(account.bits() >= 100, "{name}"),
                Err(error) => panic!("{name}, call {call}: {error} ({})", error.code()),
            },
            Err(ProverError::Unsupported { what }) => return Err(what),
            Err(error) => panic!("{name}, call {call}: {error}"),
        }
    }
    Ok(())
}

fn check_operator(code: u8, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let case = with_operator_within(REACH, code, seed);
        check(&case, &format!("operator {code}, seed {seed}"))
            .unwrap_or_else(|what| panic!("operator {code}, seed {seed}: {what}"));
    }
}

#[test]
fn operators_on_elements_are_proven() {
    for code in [0, 5, 6, 7, 8, 9, 28, 29] {
        check_operator(code, 0..20);
    }
}

#[test]
fn sums_of_products_are_proven() {
    for code in [4, 15, 17, 18] {
        check_operator(code, 0..16);
    }
}

#[test]
fn moves_and_maxima_are_proven() {
    for code in [16, 19, 20, 21, 22, 23, 24, 25, 26] {
        check_operator(code, 0..12);
    }
}

#[test]
fn trees_are_proven() {
    check_operator(27, 0..40);
}

#[test]
fn rows_are_proven() {
    for code in [3, 10, 11, 14] {
        check_operator(code, 0..12);
    }
}

#[test]
fn random_programs_are_proven_or_refused_by_name() {
    let names = [
        "a maximum over a range wider than the field",
        "trees over ranks wider than the field",
    ];
    let mut proven = 0;
    for seed in 0..100 {
        match check(&tensor_within(REACH, seed), &format!("seed {seed}")) {
            Ok(()) => proven += 1,
            Err(what) => assert!(names.contains(&what), "seed {seed}: {what}"),
        }
    }
    assert!(proven >= 60, "{proven}");
}

#[test]
fn committed_weights_are_opened() {
    for code in [4, 9, 15, 27] {
        for seed in 0..4 {
            let inference = Inference::of(&with_operator_within(REACH, code, seed), 0);
            assert!(inference.round_trip_committed().bits() >= 100);
        }
    }
}
