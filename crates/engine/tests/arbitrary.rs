//! Random well-formed programs: every instruction set and number of threads gives the bits of the reference interpreter.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::BTreeMap;

use proofmark_engine::{LogitsRunner, ModelError, TensorRunner};
use proofmark_kernels::Isa;
use proofmark_program::arbitrary::{self, Case};
use proofmark_program::{Interface, Operator, Weights, reference};

/// Operators of specs/04-program.md §3.
const OPERATORS: u8 = 30;
/// Programs in which an operator certainly occurs, for each operator.
const SEEDS: u64 = 12;
/// Programs of several operators, of each kind.
const MIXED: u64 = 150;
const THREADS: [usize; 2] = [1, 3];

/// How many programs ran, and what the engine does not have, by the reason that it gives.
#[derive(Debug, Default)]
struct Tally {
    ran: u32,
    refused: BTreeMap<String, u32>,
}

impl Tally {
    fn note(&mut self, what: &str, error: &ModelError) {
        let ModelError::Unsupported { reason, .. } = error else {
            panic!("{what}: {error}");
        };
        *self.refused.entry(reason.clone()).or_default() += 1;
    }

    fn run(&mut self, what: &str, case: &Case) {
        match case.program.interface {
            Interface::Decoder { .. } => self.decoder(what, case),
            Interface::Tensor { .. } => self.tensors(what, case),
        }
    }

    fn tensors(&mut self, what: &str, case: &Case) {
        let program = case.checked();
        let calls: Vec<Vec<&[i32]>> = case
            .inputs
            .iter()
            .map(|call| call.iter().map(Vec::as_slice).collect())
            .collect();
        let expected: Vec<Vec<Vec<i32>>> = calls
            .iter()
            .map(|call| {
                let outputs = reference::tensors(&program, call).unwrap();
                outputs.into_iter().map(|output| output.elements).collect()
            })
            .collect();
        // All calls at once, too.
        let together: Vec<Vec<i32>> = (0..calls.first().map_or(0, Vec::len))
            .map(|input| calls.iter().flat_map(|call| call[input]).copied().collect())
            .collect();
        let together: Vec<&[i32]> = together.iter().map(Vec::as_slice).collect();
        for isa in Isa::available() {
            for threads in THREADS {
                let mut runner = match TensorRunner::new(&program, isa, threads) {
                    Ok(runner) => runner,
                    Err(error) => return self.note(what, &error),
                };
                let place = format!("{what}, {} with {threads} threads", isa.name());
                for (call, expected) in calls.iter().zip(&expected) {
                    assert_eq!(&runner.run(1, call).unwrap(), expected, "{place}");
                }
                let batch = runner.run(calls.len(), &together).unwrap();
                for (at, output) in batch.iter().enumerate() {
                    let alone = expected.iter().flat_map(|call| call[at].iter().copied());
                    assert!(output.iter().copied().eq(alone), "{place}, as a batch");
                }
            }
        }
        self.ran += 1;
    }

    fn decoder(&mut self, what: &str, case: &Case) {
        let program = case.checked();
        for isa in Isa::available() {
            for threads in THREADS {
                let runner = match LogitsRunner::new(&program, isa, threads) {
                    Ok(runner) => runner,
                    Err(error) => return self.note(what, &error),
                };
                for ids in &case.ids {
                    let expected = reference::decoder(&program, ids).unwrap();
                    let place = format!("{what}, {} with {threads} threads", isa.name());
                    assert_eq!(runner.logits(ids).unwrap(), expected.elements, "{place}");
                }
            }
        }
        self.ran += 1;
    }
}

/// The same program with results of attention that the engine has: of 16 bits. `None` if another node relies on the wider range.
fn narrowed(mut case: Case) -> Option<Case> {
    for node in &mut case.program.nodes {
        if matches!(node.operator, Operator::Attention { .. }) {
            node.result.lo = node.result.lo.max(i16::MIN.into());
            node.result.hi = node.result.hi.min(i16::MAX.into());
        }
    }
    let weights = Weights::open(case.weights.as_slice()).unwrap();
    let checked = case.program.clone().check(weights);
    checked.is_ok().then_some(case)
}

#[test]
fn every_operator_gives_the_bits_of_the_reference_interpreter() {
    for code in 0..OPERATORS {
        let mut tally = Tally::default();
        for seed in 0..SEEDS {
            let what = format!("operator {code}, seed {seed}");
            if let Some(case) = narrowed(arbitrary::with_operator(code, seed)) {
                tally.run(&what, &case);
            }
        }
        println!(
            "operator {code}: {} ran, refused {:?}",
            tally.ran, tally.refused
        );
        assert!(
            u64::from(tally.ran) > SEEDS / 2,
            "operator {code}: {tally:?}"
        );
    }
}

#[test]
fn programs_of_many_operators_give_the_bits_of_the_reference_interpreter() {
    let mut tally = Tally::default();
    for seed in 0..MIXED {
        tally.run(&format!("tensor program {seed}"), &arbitrary::tensor(seed));
        if let Some(case) = narrowed(arbitrary::decoder(seed)) {
            tally.run(&format!("decoder {seed}"), &case);
        }
    }
    println!("{} ran, refused {:?}", tally.ran, tally.refused);
    assert!(u64::from(tally.ran) > MIXED + MIXED / 2, "{tally:?}");
}
