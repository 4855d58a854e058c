//! Costs are known before, limits hold, and who no longer wants a proof does not wait for it.
#![cfg(test)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use proofmark_program::arbitrary::with_operator_within;
use proofmark_prover::{Nobody, Options, ProverError, Watch, estimate, plan_of, prove};
use support::{Inference, REACH, with_machine};

#[test]
fn estimates_of_bytes_are_close() {
    for (code, seed) in [(4, 0), (5, 1), (9, 2), (15, 3), (16, 4), (26, 5)] {
        let inference = Inference::of(&with_operator_within(REACH, code, seed), 0);
        let estimated = estimate(&plan_of(&inference.model).unwrap(), false).proof_bytes as f64;
        let real = inference.prove().unwrap().len() as f64;
        let ratio = estimated / real;
        assert!(
            (0.85..1.15).contains(&ratio),
            "operator {code}: {estimated} for {real}"
        );
    }
}

#[test]
fn too_much_memory_is_refused_before_it_is_taken() {
    let inference = Inference::of(&with_operator_within(REACH, 5, 0), 0);
    let needed = estimate(&plan_of(&inference.model).unwrap(), false).memory_bytes;
    let with_limit = |max_memory_bytes| {
        let options = Options { max_memory_bytes };
        with_machine(|machine| {
            prove(
                machine,
                &inference.model,
                None,
                &inference.statement(),
                &options,
                &Nobody,
            )
        })
    };
    assert!(with_limit(needed).is_ok());
    let allowed = needed - 1;
    assert_eq!(
        with_limit(allowed),
        Err(ProverError::Memory { needed, allowed })
    );
}

/// Lets some steps pass.
struct Steps {
    left: AtomicUsize,
    seen: AtomicUsize,
}

impl Watch for Steps {
    fn step(&self, done: usize, steps: usize) -> Result<(), ProverError> {
        assert!(done < steps);
        self.seen.fetch_add(1, Ordering::Relaxed);
        let next = |left: usize| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(ProverError::Cancelled),
        }
    }
}

#[test]
fn every_step_can_be_the_last() {
    let inference = Inference::of(&with_operator_within(REACH, 15, 1), 0);
    let run = |left: usize| {
        let steps = Steps {
            left: AtomicUsize::new(left),
            seen: AtomicUsize::new(0),
        };
        let result = with_machine(|machine| {
            prove(
                machine,
                &inference.model,
                None,
                &inference.statement(),
                &Options::default(),
                &steps,
            )
        });
        (result, steps.seen.into_inner())
    };
    let (whole, steps) = run(usize::MAX);
    assert!(whole.is_ok() && steps > 2);
    for left in 0..steps {
        assert_eq!(run(left), (Err(ProverError::Cancelled), left + 1));
    }
}

#[test]
fn outputs_that_are_not_the_programs_are_not_proven() {
    let mut inference = Inference::of(&with_operator_within(REACH, 8, 2), 0);
    let first = &mut inference.outputs[0][0];
    *first = if *first == 0 { 1 } else { 0 };
    let refused = inference.prove();
    assert!(
        matches!(refused, Err(ProverError::False | ProverError::Protocol(_))),
        "{refused:?}"
    );
}
