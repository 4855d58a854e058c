//! The receipt that is proven, and the proving of it.

use std::time::{Duration, Instant};

use proofmark_proof::soundness::Account;
use proofmark_proof::{SYSTEM, Statement, WeightsMode, verify};
use proofmark_prover::{CommittedWeights, Machine, Options, ProverError, Watch, prove};
use proofmark_receipt::{
    Bundle, Evidence, Execution, ProofEvidence, ProofWeights, ReceiptError, SignedReceipt,
    VouchedWeights,
};
use proofmark_verify::{Inference, InferenceError, Run};

use crate::{Cost, ProvableModel, ProvingError};

/// Where the verifier has the weights from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It has a commitment, and somebody's word or its own computation that it is the model's.
    #[default]
    Committed,
    /// It has the weights.
    Public,
}

/// A receipt with what its program took and gave, and the model.
#[derive(Debug)]
pub struct Subject<'m> {
    receipt: SignedReceipt,
    inference: Inference,
    model: &'m ProvableModel,
}

/// Evidence, and what it took.
#[derive(Debug, Clone)]
pub struct Proven {
    /// To be attached to the receipt's bundle.
    pub evidence: Evidence,
    /// How likely a false statement passes, over all runs.
    pub account: Account,
    /// Runs, each with a proof: of a text, its choices.
    pub runs: usize,
    /// Ids that a decoder sampled, of all choices; 0 of a tensor program.
    pub ids: u64,
    /// Size of the proofs together.
    pub proof_bytes: usize,
    /// W, in committed mode.
    pub weights: Option<[u8; 32]>,
    /// Committing to the weights.
    pub committing: Duration,
    /// Making the proofs.
    pub proving: Duration,
    /// Verifying them.
    pub verifying: Duration,
}

/// Steps of one proof among those of all runs.
struct Shifted<'w> {
    watch: &'w dyn Watch,
    run: usize,
    runs: usize,
}

impl Watch for Shifted<'_> {
    fn step(&self, done: usize, steps: usize) -> Result<(), ProverError> {
        let before = self.run.saturating_mul(steps);
        self.watch
            .step(before.saturating_add(done), steps.saturating_mul(self.runs))
    }
}

impl<'m> Subject<'m> {
    /// Opens what the receipt of a bundle says of its program. Every disclosure that is used is checked against the receipt; the
    /// receipt's signature is the verifier's affair.
    ///
    /// # Errors
    /// [`ProvingError`]: another model, nothing to prove, or not opened.
    pub fn of(bundle: &Bundle, model: &'m ProvableModel) -> Result<Self, ProvingError> {
        let unreadable = |error: ReceiptError| ProvingError::Content(InferenceError::from(error));
        let receipt = SignedReceipt::decode(&bundle.receipt).map_err(unreadable)?;
        let claims = receipt.claims();
        let Execution::Executed(executed) = &claims.execution else {
            return Err(InferenceError::NotExecuted.into());
        };
        if executed.closure != *model.closure().as_bytes() {
            let expected = executed.closure.iter().map(|byte| format!("{byte:02x}"));
            return Err(ProvingError::OtherModel {
                expected: expected.collect(),
            });
        }
        let inference = Inference::open(claims, &bundle.disclosures, model.program())?;
        Ok(Self {
            receipt,
            inference,
            model,
        })
    }

    /// The receipt.
    #[must_use]
    pub const fn receipt(&self) -> &SignedReceipt {
        &self.receipt
    }

    /// What the proofs will cost.
    ///
    /// # Errors
    /// [`ProvingError::Prover`] for a program, or a generation of it, that this version cannot prove.
    pub fn cost(&self, mode: Mode) -> Result<Cost, ProvingError> {
        Cost::of(self.model, mode, &self.inference.runs)
    }

    /// Makes the proofs, and verifies them as a verifier will: what does not pass here is not handed out. `vouchers` are what
    /// parties say of the commitment to the weights.
    ///
    /// # Errors
    /// [`ProvingError::Prover`]: more memory than the options allow, cancelled by `watch`, or a program that cannot be proven.
    pub fn prove(
        &self,
        machine: Machine<'_>,
        mode: Mode,
        vouchers: Vec<VouchedWeights>,
        options: &Options,
        watch: &dyn Watch,
    ) -> Result<Proven, ProvingError> {
        let cost = self.cost(mode)?;
        if cost.memory_bytes > options.max_memory_bytes {
            let refused = ProverError::Memory {
                needed: cost.memory_bytes,
                allowed: options.max_memory_bytes,
            };
            return Err(refused.into());
        }
        let started = Instant::now();
        let committed = match mode {
            Mode::Committed => Some(self.model.commit(machine)?),
            Mode::Public => None,
        };
        let committing = started.elapsed();
        let public = match mode {
            Mode::Committed => None,
            Mode::Public => self.model.public_weights(),
        };
        let weights = match (&committed, &public) {
            (Some(committed), _) => WeightsMode::Committed(committed.public()),
            (None, Some(public)) => WeightsMode::Public(public),
            (None, None) => return Err(ProverError::NoWeights.into()),
        };
        let runs = self.inference.runs.len();
        let started = Instant::now();
        let mut proofs = Vec::with_capacity(runs);
        for (number, run) in self.inference.runs.iter().enumerate() {
            let watch = Shifted {
                watch,
                run: number,
                runs,
            };
            let statement = self.statement(run, weights);
            let model = self.model.model();
            let given = committed.as_ref();
            proofs.push(prove(machine, model, given, &statement, options, &watch)?);
        }
        let proving = started.elapsed();
        let started = Instant::now();
        let mut account = Account::new();
        for (run, proof) in self.inference.runs.iter().zip(&proofs) {
            let verified = verify(proof, &self.statement(run, weights));
            account.extend(verified.map_err(ProverError::Protocol)?);
        }
        let verifying = started.elapsed();
        let proof_bytes = proofs.iter().map(Vec::len).sum();
        let evidence = ProofEvidence {
            system: SYSTEM.into(),
            manifest: self.model.manifest_file().to_vec(),
            program: self.model.program_file().to_vec(),
            weights: match &committed {
                Some(committed) => ProofWeights::Committed {
                    commitment: committed.public().to_bytes(),
                    vouchers,
                },
                None => ProofWeights::Public,
            },
            proofs,
        };
        Ok(Proven {
            evidence: evidence.attach(self.receipt.claims().id, self.receipt.digest()),
            account,
            runs,
            ids: self.inference.ids(),
            proof_bytes,
            weights: committed.as_ref().map(w_of),
            committing,
            proving,
            verifying,
        })
    }

    fn statement<'s>(&'s self, run: &'s Run, weights: WeightsMode<'s>) -> Statement<'s> {
        let of = (self.model.program(), *self.model.closure().as_bytes());
        run.statement(&self.receipt, of, weights)
    }
}

fn w_of(committed: &CommittedWeights<'_>) -> [u8; 32] {
    committed.public().digest()
}
