//! Provers who cheat and say everything else as it has to be.

use super::plain::{Cheat, prove};
use super::*;

/// What the verifier says; with one level, or with two.
fn outcome(levels: usize, cheat: Cheat) -> &'static str {
    let shape = Shape::new(10, 4, 2).unwrap();
    let point = point(3, 10);
    let plan = match levels {
        1 => Plan::for_shape(&shape),
        _ => two_levels(&shape, 3),
    };
    assert_eq!(plan.levels().len(), levels);
    let made = prove(&elements(4, 10), shape, &plan, &point, cheat);
    code(verified(&made.commitment, &point, made.value, &made.proof))
}

#[test]
fn a_false_value_is_found_out_at_the_end() {
    for levels in [1, 2] {
        assert_eq!(outcome(levels, Cheat::Nothing), "accepted");
        assert_eq!(outcome(levels, Cheat::Value), "proof.opening.value");
    }
}

#[test]
fn a_vector_that_fits_a_false_value_does_not_fit_the_positions() {
    for levels in [1, 2] {
        assert_eq!(
            outcome(levels, Cheat::ValueAndVector),
            "proof.opening.position"
        );
    }
}

#[test]
fn words_that_are_not_of_the_code_are_found_out() {
    // At all positions, at half of them, and at a few more than half the code's distance: 3/8 at rate 1/4.
    for part in [256, 128, 100] {
        assert_eq!(outcome(1, Cheat::NotNear(part)), "proof.opening.position");
        assert_eq!(outcome(2, Cheat::NotNear(part)), "proof.opening.value");
    }
}

#[test]
fn a_next_vector_that_is_not_the_fold_is_found_out() {
    assert_eq!(outcome(2, Cheat::NextVector), "proof.opening.value");
}

#[test]
fn next_words_that_are_not_of_the_code_are_found_out() {
    assert_eq!(outcome(2, Cheat::NextNotNear), "proof.opening.position");
}
