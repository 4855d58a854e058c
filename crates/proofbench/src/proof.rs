//! Cells of proofs: a tensor program whose prover cheats with everything that it has.

use std::time::Instant;

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{
    CheckedProgram, ElementType, Interface, Program, Weights, WeightsWriter, closure_digest,
};
use proofmark_proof::plan::Plan as ProofPlan;
use proofmark_proof::{PublicWeights, Statement, WeightsMode, verify};
use proofmark_prover::witness::{Given, Witness};
use proofmark_prover::{
    Machine, Model, Nobody, Options, ProverError, outputs, plan_of, prove, prove_witness,
};
use proofmark_testkit::SeededRng;

use crate::cell::{Cell, Cost, Outcome, protocol};
use crate::error::fixture;
use crate::{Attack, BenchError, Method, Plan, TensorModel};

type Checked = CheckedProgram<Vec<u8>>;

fn failed(what: &'static str) -> impl Fn(ProverError) -> BenchError {
    move |error| BenchError::Product {
        what,
        why: error.to_string(),
    }
}

/// The promised model, and what its prover needs.
pub(crate) struct Prover {
    checked: Checked,
    model: Model,
    public: PublicWeights,
    closure: [u8; 32],
    plan: ProofPlan,
    pool: Pool,
    seed: u64,
}

/// One call: the inputs that were asked for, and the outputs.
struct Call {
    inputs: Vec<Vec<i32>>,
    outputs: Vec<Vec<i32>>,
}

fn opened(program: &[u8], weights: Vec<u8>) -> Result<Checked, BenchError> {
    let program = fixture(Program::decode(program), "tensor program")?;
    let weights = fixture(Weights::open(weights), "tensor weights")?;
    fixture(program.check(weights), "tensor program")
}

impl Prover {
    pub(crate) fn new(tensor: &TensorModel, seed: u64) -> Result<Self, BenchError> {
        let checked = opened(&tensor.program, tensor.weights.clone())?;
        let model = Model::new(&checked).map_err(failed("the tensor model"))?;
        Ok(Self {
            plan: plan_of(&model).map_err(failed("the plan of proofs"))?,
            public: PublicWeights::of(&checked).ok_or(BenchError::Fixture { what: "weights" })?,
            closure: *closure_digest(&tensor.manifest).as_bytes(),
            pool: Pool::new(1),
            checked,
            model,
            seed,
        })
    }

    fn machine(&self) -> Machine<'_> {
        Machine {
            pool: &self.pool,
            isa: Isa::detect(),
        }
    }

    fn call(&self, number: u64, model: &Model) -> Result<Call, BenchError> {
        let program = self.checked.program();
        let mut rng = SeededRng::new(self.seed ^ number.wrapping_mul(0x9e37_79b9));
        let mut inputs = Vec::new();
        if let Interface::Tensor { inputs: named, .. } = &program.interface {
            for input in named {
                let node = program.node(input.node);
                let of = &node.ok_or(BenchError::Fixture { what: "input" })?.result;
                let width = u64::from(of.hi.abs_diff(of.lo)) + 1;
                let values = (0..of.elements()).map(|_| {
                    let step = i64::try_from(rng.below(width)).unwrap_or(0);
                    i32::try_from(i64::from(of.lo) + step).unwrap_or(of.lo)
                });
                inputs.push(values.collect::<Vec<i32>>());
            }
        }
        let slices: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
        let outputs = outputs(self.machine(), model, &slices).map_err(failed("an inference"))?;
        Ok(Call { inputs, outputs })
    }

    /// What the reader believes to be shown: the promised closure and weights, its own inputs, the receipt's outputs.
    fn statement<'s>(&'s self, call: &'s Call, receipt: u8) -> Statement<'s> {
        Statement {
            program: self.checked.program(),
            closure_digest: self.closure,
            weights: WeightsMode::Public(&self.public),
            receipt_id: [receipt; 16],
            claims_digest: [receipt; 32],
            inputs: &call.inputs,
            outputs: &call.outputs,
            generation: None,
        }
    }

    fn honest(&self, call: &Call) -> Result<Vec<u8>, BenchError> {
        let statement = self.statement(call, 1);
        let options = Options::default();
        prove(
            self.machine(),
            &self.model,
            None,
            &statement,
            &options,
            &Nobody,
        )
        .map_err(failed("a proof"))
    }

    /// A proof of `statement` with the witness that `model` has for `inputs`.
    fn with_witness(
        &self,
        model: &Model,
        inputs: &[Vec<i32>],
        statement: &Statement<'_>,
    ) -> Result<Vec<u8>, BenchError> {
        let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
        let given = Given {
            inputs: &inputs,
            constants: model.constants(),
        };
        let witness = Witness::compute(&self.plan, given, &self.pool);
        let witness = witness.map_err(failed("a false witness"))?;
        let machine = self.machine();
        prove_witness(machine, &self.plan, &witness, None, statement, &Nobody)
            .map_err(failed("a false proof"))
    }

    /// The promised model with other weights.
    fn altered(&self, attack: &str) -> Result<Model, BenchError> {
        let mut writer = WeightsWriter::new();
        let tensors: Vec<_> = self.checked.weights().tensors().collect();
        let matrices = tensors.iter().filter(|t| t.shape().len() > 1).count();
        let (mut seen, mut at) = (0, 0_u64);
        for tensor in tensors {
            let own = tensor.to_i8();
            let is_matrix = tensor.shape().len() > 1 && tensor.element() == ElementType::I8;
            seen += usize::from(tensor.shape().len() > 1);
            let pushed = match own.filter(|_| is_matrix) {
                Some(values) => {
                    let change = |w: i8| {
                        at += 1;
                        match attack {
                            "t01-swap" if at.is_multiple_of(2) => 0,
                            "t02-near" if at.is_multiple_of(8) => w - w.signum(),
                            "t05-layers" if seen == matrices => 0,
                            "t01-swap" | "t02-near" | "t05-layers" => w,
                            _ => w / 16 * 16,
                        }
                    };
                    let other: Vec<i8> = values.iter().copied().map(change).collect();
                    writer.i8(tensor.name(), tensor.shape(), &other)
                }
                None => writer.push(
                    tensor.element(),
                    tensor.name(),
                    tensor.shape(),
                    tensor.bytes().to_vec(),
                ),
            };
            fixture(pushed, "other weights")?;
        }
        let weights = fixture(writer.finish(), "other weights")?;
        let program = fixture(self.checked.program().encode(), "tensor program")?;
        let checked = opened(&program, weights)?;
        Model::new(&checked).map_err(failed("the other model"))
    }

    fn tries(
        &self,
        plan: &Plan,
        attack: &Attack,
    ) -> Result<Vec<Result<String, String>>, BenchError> {
        let mut tries = Vec::new();
        for number in 0..plan.sizes.proofs {
            let honest = self.call(number, &self.model)?;
            let id = attack.id;
            let (proof, call, receipt) = match id {
                "t01-swap" | "t02-near" | "t03-int4" | "t05-layers" | "t07-part-time"
                | "t22-other-model" => {
                    let other = self.altered(id)?;
                    let call = self.call(number, &other)?;
                    if call.outputs == honest.outputs {
                        // Nobody was deceived about this one.
                        continue;
                    }
                    let statement = self.statement(&call, 1);
                    (
                        self.with_witness(&other, &call.inputs, &statement)?,
                        call,
                        1,
                    )
                }
                "t08-prompt" | "t22-other-input" => {
                    let other = self.call(number + 1_000, &self.model)?;
                    let call = Call {
                        inputs: honest.inputs,
                        outputs: other.outputs,
                    };
                    let statement = self.statement(&call, 1);
                    let proof = self.with_witness(&self.model, &other.inputs, &statement)?;
                    (proof, call, 1)
                }
                "t11-before" | "t11-transit" | "t22-false-output" => {
                    let mut call = self.call(number, &self.model)?;
                    let output = call.outputs.first_mut().and_then(|o| o.first_mut());
                    if let Some(value) = output {
                        *value += if *value > 0 { -1 } else { 1 };
                    }
                    let statement = self.statement(&call, 1);
                    let proof = if id == "t11-transit" {
                        self.honest(&honest)?
                    } else {
                        self.with_witness(&self.model, &call.inputs, &statement)?
                    };
                    (proof, call, 1)
                }
                "t12-cut" | "t12-whole-cut" => {
                    let proof = self.honest(&honest)?;
                    let mut call = honest;
                    if let Some(output) = call.outputs.first_mut() {
                        output.pop();
                    }
                    (proof, call, 1)
                }
                "t14-stale" | "t14-cached" | "t22-other-receipt" => {
                    (self.honest(&honest)?, honest, 2)
                }
                "t24-stripped" => (Vec::new(), honest, 1),
                "t24-trailing" => {
                    let mut proof = self.honest(&honest)?;
                    proof.push(0);
                    (proof, honest, 1)
                }
                "t24-flood" => (vec![0xff; 1 << 20], honest, 1),
                _ => {
                    self.flips(plan, &honest, &mut tries)?;
                    continue;
                }
            };
            let statement = self.statement(&call, receipt);
            tries.push(judged(&proof, &statement));
        }
        Ok(tries)
    }

    fn flips(
        &self,
        plan: &Plan,
        honest: &Call,
        tries: &mut Vec<Result<String, String>>,
    ) -> Result<(), BenchError> {
        let proof = self.honest(honest)?;
        let statement = self.statement(honest, 1);
        let mut rng = SeededRng::new(self.seed ^ 0xf11b);
        for _ in 0..plan.sizes.flips {
            let mut other = proof.clone();
            let at = usize::try_from(rng.below(other.len() as u64)).unwrap_or(0);
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
            tries.push(judged(&other, &statement));
        }
        Ok(())
    }

    /// Cells of the attack; none where the model has nothing to attack.
    pub(crate) fn cells(&self, plan: &Plan, attack: &Attack) -> Result<Vec<Cell>, BenchError> {
        let outcome = match attack.id {
            "t04-cache4" | "t06-draft" | "t09-hidden" | "t10-context" | "t13-temperature"
            | "t13-seed" | "t13-grinding" => Outcome::NotApplicable {
                why: "a tensor program has no cache, draft, template, context or draws".into(),
            },
            "t12-overbilled" | "t15-backdated" | "t16-off-log" | "t17-split-view"
            | "t18-stolen-key" | "t18-impersonation" => Outcome::NoClaim {
                why: "a proof says nothing of the record".into(),
            },
            "t19-relay" | "t20-one-lazy" | "t23-own-checkpoint" => Outcome::NotApplicable {
                why: "there is no quote, auditor or coin".into(),
            },
            "t01-swap" | "t02-near" | "t03-int4" | "t05-layers" | "t07-part-time"
            | "t08-prompt" | "t11-before" | "t11-transit" | "t12-cut" | "t14-stale"
            | "t14-cached" | "t22-flipped" | "t22-other-input" | "t22-other-model"
            | "t22-other-receipt" | "t22-false-output" | "t24-stripped" | "t24-trailing"
            | "t24-flood" => protocol(&self.tries(plan, attack)?),
            _ => return Ok(Vec::new()),
        };
        Ok(vec![Cell::new(attack, Method::Proof, outcome)])
    }

    /// That honest proofs are accepted, and what they cost.
    pub(crate) fn control(&self) -> Result<Cost, BenchError> {
        let started = Instant::now();
        let call = self.call(0, &self.model)?;
        let run_s = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let proof = self.honest(&call)?;
        let prove_s = started.elapsed().as_secs_f64();
        let statement = self.statement(&call, 1);
        let started = Instant::now();
        let account = verify(&proof, &statement).map_err(|error| BenchError::Honest {
            method: "proof",
            why: error.to_string(),
        })?;
        Ok(Cost {
            method: Method::Proof,
            evidence_bytes: proof.len() as u64,
            check_ms: started.elapsed().as_secs_f64() * 1e3,
            overhead: prove_s / run_s.max(1e-9),
            of: format!(
                "one call of the tensor program, one thread; {} bits",
                account.bits()
            ),
        })
    }
}

fn judged(proof: &[u8], statement: &Statement<'_>) -> Result<String, String> {
    match verify(proof, statement) {
        Err(error) => Ok(error.code().to_owned()),
        Ok(_) => Err("the verifier accepts".into()),
    }
}
