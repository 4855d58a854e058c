//! Both verifiers say the same of random programs' proofs, of their mutants, and of random decoders' generations.
#![cfg(test)]

#[path = "../../prover/tests/support/mod.rs"]
mod support;

use proofmark_program::arbitrary::{Case, with_operator_within};
use proofmark_program::{Program, SamplingParameters, Weights};
use proofmark_proof::{Statement as First, WeightsMode, verify};
use proofmark_proof_second::{Commitment, Generation, Statement, verify_inference};
use proofmark_prover::{CommittedWeights, Model, Nobody, Options, prove};
use support::decoder::Generated;
use support::{Inference, REACH, with_machine};

/// What both say; they have to say the same.
fn judged(case: &Case, program: &Program, first: &First<'_>, proof: &[u8]) -> Result<u32, String> {
    let weights = Weights::open(case.weights.clone()).unwrap();
    let generation = first.generation.as_ref().map(|of| Generation {
        prompt: of.prompt,
        generated: of.generated,
        parameters: of.parameters,
        seed: of.seed,
        choice: of.choice,
    });
    let commitment = match first.weights {
        WeightsMode::Committed(to) => Some(Commitment::decode(&to.commitment.to_bytes()).unwrap()),
        WeightsMode::Public(_) => None,
    };
    let second = Statement {
        program,
        weights: &weights,
        commitment: commitment.as_ref(),
        digests: [
            &first.closure_digest,
            &first.receipt_id,
            &first.claims_digest,
        ],
        inputs: first.inputs,
        outputs: first.outputs,
        generation,
    };
    let said = verify(proof, first)
        .map(|account| account.bits())
        .map_err(|rejection| rejection.code().to_owned());
    let also = verify_inference(proof, &second).map_err(str::to_owned);
    assert_eq!(said, also);
    said
}

/// The proof is accepted by both, and of its mutants – every so many bytes one – both say why not.
fn agree(case: &Case, program: &Program, first: &First<'_>, proof: &[u8], mutants: usize) {
    assert!(judged(case, program, first, proof).is_ok());
    for at in (0..proof.len()).step_by(proof.len() / mutants + 1) {
        let mut changed = proof.to_vec();
        changed[at] ^= 1 << (at % 8);
        assert!(judged(case, program, first, &changed).is_err(), "byte {at}");
    }
}

fn agree_on_programs(codes: &[u8], seeds: std::ops::Range<u64>, mutants: usize) {
    for &code in codes {
        for seed in seeds.clone() {
            println!("operator {code}, seed {seed}");
            let case = with_operator_within(REACH, code, seed);
            let inference = Inference::of(&case, 0);
            let proof = inference.prove().unwrap();
            let statement = inference.statement();
            agree(&case, &inference.program, &statement, &proof, mutants);
        }
    }
}

fn agree_on_decoders(codes: &[u8], seeds: std::ops::Range<u64>, parameters: &SamplingParameters) {
    for &code in codes {
        for seed in seeds.clone() {
            println!("operator {code}, seed {seed}, {parameters:?}");
            let case = with_operator_within(REACH, code, seed);
            let generated = Generated::of(&case, 1, 2, parameters.clone());
            let proof = generated.prove().unwrap();
            let statement = generated.statement();
            agree(&case, &generated.program, &statement, &proof, 8);
        }
    }
}

/// With committed weights.
fn agree_if_committed(case: &Case, program: &Program, model: &Model, public: &First<'_>) {
    with_machine(|machine| {
        let bytes = model.limbs();
        let weights = CommittedWeights::new(machine, model, &bytes).unwrap();
        let statement = First {
            weights: WeightsMode::Committed(weights.public()),
            ..*public
        };
        let options = Options::default();
        let proof = prove(
            machine,
            model,
            Some(&weights),
            &statement,
            &options,
            &Nobody,
        )
        .unwrap();
        agree(case, program, &statement, &proof, 20);
    });
}

#[test]
fn on_committed_weights() {
    for code in [3, 4, 5, 9, 15, 27] {
        let case = with_operator_within(REACH, code, 1);
        let of = Inference::of(&case, 0);
        agree_if_committed(&case, &of.program, &of.model, &of.statement());
    }
    for code in [12, 13] {
        let case = with_operator_within(REACH, code, 1);
        let of = Generated::of(&case, 1, 2, SamplingParameters::greedy());
        agree_if_committed(&case, &of.program, &of.model, &of.statement());
    }
}

#[test]
fn on_elements() {
    agree_on_programs(&[0, 5, 6, 7, 8, 9, 28, 29], 0..3, 30);
}

#[test]
fn on_sums_of_products() {
    agree_on_programs(&[4, 15, 17, 18], 0..4, 30);
}

#[test]
fn on_moves_and_maxima() {
    agree_on_programs(&[16, 19, 20, 21, 22, 23, 24, 25, 26], 0..3, 30);
}

#[test]
fn on_trees() {
    agree_on_programs(&[27], 0..6, 30);
}

#[test]
fn on_rows() {
    agree_on_programs(&[3, 10, 11, 14], 0..3, 20);
}

#[test]
fn on_generations() {
    agree_on_decoders(&[1, 2, 12, 13], 0..3, &SamplingParameters::greedy());
}

#[test]
fn on_draws() {
    let warm = SamplingParameters::default();
    agree_on_decoders(&[1], 0..1, &warm);
    let cut = SamplingParameters {
        temperature: 700_000,
        min_p: 50_000,
        ..warm
    };
    agree_on_decoders(&[13], 2..3, &cut);
}
