//! A generation of a decoder with all that a statement needs.

use proofmark_program::arbitrary::Case;
use proofmark_program::{
    Interface, Program, Sampler, SamplerScratch, SamplingParameters, reference,
};
use proofmark_proof::plan::Plan;
use proofmark_proof::{Generation, PublicWeights, Rejection, Statement, WeightsMode, verify};
use proofmark_prover::witness::{Given, Witness};
use proofmark_prover::{Model, Nobody, Options, ProverError, plan_for, prove, prove_witness};

use super::with_machine;

/// Everything about one generation, owned.
pub struct Generated {
    pub program: Program,
    pub model: Model,
    pub weights: PublicWeights,
    pub prompt: Vec<u32>,
    pub generated: Vec<u32>,
    pub parameters: SamplingParameters,
    pub seed: u64,
}

impl Generated {
    /// Samples ids with the reference interpreter: the sequence of this number of a random decoder is prompt and ids together, and
    /// `count` of them, or as many as it has, are sampled.
    pub fn of(case: &Case, sequence: usize, count: usize, parameters: SamplingParameters) -> Self {
        let checked = case.checked();
        let ids = &case.ids[sequence];
        let split = ids.len().saturating_sub(count.saturating_sub(1)).max(1);
        let prompt = ids[..split].to_vec();
        let count = ids.len() - split + 1;
        let seed = 7;
        let vocabulary = vocabulary(&case.program);
        let mut sampler = Sampler::new(parameters.clone(), vocabulary, seed, 0, &prompt).unwrap();
        let mut scratch = SamplerScratch::default();
        let mut sequence = prompt.clone();
        for _ in 0..count {
            let logits = reference::decoder(&checked, &sequence).unwrap();
            let row = &logits.elements[logits.elements.len() - vocabulary as usize..];
            sequence.push(sampler.sample(row, &mut scratch).unwrap());
        }
        Self {
            program: case.program.clone(),
            model: Model::new(&checked).unwrap(),
            weights: PublicWeights::of(&checked).unwrap(),
            generated: sequence.split_off(split),
            prompt,
            parameters,
            seed,
        }
    }

    pub fn generation(&self) -> Generation<'_> {
        Generation {
            prompt: &self.prompt,
            generated: &self.generated,
            parameters: &self.parameters,
            seed: self.seed,
            choice: 0,
        }
    }

    pub fn statement(&self) -> Statement<'_> {
        Statement {
            program: &self.program,
            closure_digest: [1; 32],
            weights: WeightsMode::Public(&self.weights),
            receipt_id: [2; 16],
            claims_digest: [3; 32],
            inputs: &[],
            outputs: &[],
            generation: Some(self.generation()),
        }
    }

    pub fn prove(&self) -> Result<Vec<u8>, ProverError> {
        with_machine(|machine| {
            prove(
                machine,
                &self.model,
                None,
                &self.statement(),
                &Options::default(),
                &Nobody,
            )
        })
    }

    pub fn plan(&self) -> Result<Plan, ProverError> {
        plan_for(&self.model, self.statement().generation.as_ref())
    }

    /// The witness of a plan of this model.
    pub fn witness(&self, plan: &Plan) -> Witness {
        let given = Given {
            inputs: &[],
            constants: self.model.constants(),
        };
        with_machine(|machine| Witness::compute(plan, given, machine.pool).unwrap())
    }

    /// What the verifier says to a proof of this statement with this witness.
    pub fn judge(
        &self,
        plan: &Plan,
        witness: &Witness,
        statement: &Statement<'_>,
    ) -> Result<(), Rejection> {
        let proof = with_machine(|machine| {
            prove_witness(machine, plan, witness, None, statement, &Nobody).unwrap()
        });
        verify(&proof, statement).map(|_| ())
    }
}

pub fn vocabulary(program: &Program) -> u32 {
    match program.interface {
        Interface::Decoder { vocabulary, .. } => vocabulary,
        Interface::Tensor { .. } => 0,
    }
}
