//! An answer of the bundled model is proven, its weights committed.
#![cfg(test)]

mod support;

use proofmark_program::{
    Program, Sampler, SamplerScratch, SamplingParameters, Weights, closure_digest, reference,
};
use proofmark_proof::{Generation, Statement, WeightsMode, verify};
use proofmark_prover::{CommittedWeights, Model, Nobody, Options, ProverError, prove};
use support::with_machine;

const FABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/fable/exact");

#[test]
fn an_answer_of_fable_is_proven() {
    let read = |name: &str| std::fs::read(format!("{FABLE}/{name}")).unwrap();
    let program = Program::decode(&read("program.cbor")).unwrap();
    let weights = Weights::open(read("weights.safetensors")).unwrap();
    let checked = program.clone().check(weights).unwrap();
    let prompt = [0, 300, 17];
    let parameters = SamplingParameters::greedy();
    let mut sampler = Sampler::new(parameters.clone(), 1024, 0, 0, &prompt).unwrap();
    let mut sequence = prompt.to_vec();
    for _ in 0..2 {
        let logits = reference::decoder(&checked, &sequence).unwrap().elements;
        let row = &logits[logits.len() - 1024..];
        sequence.push(sampler.sample(row, &mut SamplerScratch::default()).unwrap());
    }
    let generated = &sequence[prompt.len()..];
    let model = Model::new(&checked).unwrap();
    with_machine(|machine| {
        let bytes = model.limbs();
        let weights = CommittedWeights::new(machine, &model, &bytes).unwrap();
        let statement = Statement {
            program: &program,
            closure_digest: *closure_digest(&read("manifest.cbor")).as_bytes(),
            weights: WeightsMode::Committed(weights.public()),
            receipt_id: [1; 16],
            claims_digest: [2; 32],
            inputs: &[],
            outputs: &[],
            generation: Some(Generation {
                prompt: &prompt,
                generated,
                parameters: &parameters,
                seed: 0,
                choice: 0,
            }),
        };
        let prove = |statement: &Statement<'_>| {
            let options = Options::default();
            prove(
                machine,
                &model,
                Some(&weights),
                statement,
                &options,
                &Nobody,
            )
        };
        let proof = prove(&statement).unwrap();
        assert!(verify(&proof, &statement).unwrap().bits() >= 100);
        // Another id at the end: no proof of it, nor is it shown by the proof of the right one.
        let mut other = generated.to_vec();
        other[1] = (other[1] + 1) % 1024;
        let lie = Statement {
            generation: statement.generation.map(|of| Generation {
                generated: &other,
                ..of
            }),
            ..statement
        };
        assert!(verify(&proof, &lie).is_err());
        assert_eq!(prove(&lie), Err(ProverError::False));
    });
}
