//! Cases of random programs with all that a statement needs.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test uses a part"
)]

pub mod decoder;
pub mod violations;

use proofmark_kernels::{Isa, Pool};
use proofmark_program::arbitrary::Case;
use proofmark_program::{Program, reference};
use proofmark_proof::plan::{Plan, Recipe, TensorId};
use proofmark_proof::soundness::Account;
use proofmark_proof::{
    PublicWeights, Rejection, Statement, WeightsCommitment, WeightsMode, verify,
};
use proofmark_prover::{CommittedWeights, Machine, Model, Nobody, Options, ProverError, prove};

/// Sums up to here leave every declared range narrower than the field.
pub const REACH: i64 = 1 << 28;

/// Everything about one inference, owned.
pub struct Inference {
    pub program: Program,
    pub model: Model,
    pub weights: PublicWeights,
    pub inputs: Vec<Vec<i32>>,
    pub outputs: Vec<Vec<i32>>,
}

impl Inference {
    /// The call of this number of a random tensor program; outputs are the reference interpreter's.
    pub fn of(case: &Case, call: usize) -> Self {
        let checked = case.checked();
        let inputs = case.inputs[call].clone();
        let slices: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
        let outputs = reference::tensors(&checked, &slices).unwrap();
        let model = Model::new(&checked).unwrap();
        Self {
            program: case.program.clone(),
            weights: PublicWeights::of(&checked).unwrap(),
            model,
            inputs,
            outputs: outputs.into_iter().map(|tensor| tensor.elements).collect(),
        }
    }

    /// The statement with public weights.
    pub fn statement(&self) -> Statement<'_> {
        Statement {
            program: &self.program,
            closure_digest: [1; 32],
            weights: WeightsMode::Public(&self.weights),
            receipt_id: [2; 16],
            claims_digest: [3; 32],
            inputs: &self.inputs,
            outputs: &self.outputs,
            generation: None,
        }
    }

    pub fn committed<'s>(&'s self, weights: &'s WeightsCommitment) -> Statement<'s> {
        Statement {
            weights: WeightsMode::Committed(weights),
            ..self.statement()
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

    pub fn verify(&self, proof: &[u8]) -> Result<Account, Rejection> {
        verify(proof, &self.statement())
    }

    /// Proves and verifies with committed weights.
    pub fn round_trip_committed(&self) -> Account {
        with_machine(|machine| {
            let bytes = self.model.limbs();
            let weights = CommittedWeights::new(machine, &self.model, &bytes).unwrap();
            let statement = self.committed(weights.public());
            let proof = prove(
                machine,
                &self.model,
                Some(&weights),
                &statement,
                &Options::default(),
                &Nobody,
            )
            .unwrap();
            verify(&proof, &statement).unwrap()
        })
    }
}

pub fn with_machine<T>(f: impl FnOnce(Machine<'_>) -> T) -> T {
    let pool = Pool::new(1);
    f(Machine {
        pool: &pool,
        isa: Isa::detect(),
    })
}

/// Columns that are free in cells where nothing depends on them.
pub fn idle(plan: &Plan) -> Vec<TensorId> {
    let mut idle = Vec::new();
    for scheduled in &plan.recipes {
        match &scheduled.recipe {
            Recipe::Round(round) => {
                idle.extend(round.inverse);
                let excess = round.excess.iter().flat_map(|n| &n.digits);
                idle.extend(excess.map(|digit| digit.0));
            }
            Recipe::Inverse(inverse) => idle.push(inverse.inverse),
            Recipe::Walk(walk) => idle.push(walk.inverse),
            _ => {}
        }
    }
    idle
}
