//! Whole proofs (specs/05-proof.md §7).

use proofmark_kernels::field::{Planes, evaluate_integers};
use proofmark_program::{CheckedProgram, Program};
use proofmark_proof::commitment::Shape;
use proofmark_proof::field::{E, F};
use proofmark_proof::plan::{
    Choices, ConstantType, Plan, WALK, constant_types, padded, plan, plan_generation,
};
use proofmark_proof::protocol::{Functional, Openings, Reduction, StackClaim, run};
use proofmark_proof::{Generation, Limbs, Outgoing, Statement, WeightsCommitment, WeightsMode};

use crate::commitment::{Committed, Values, commit, open};
use crate::party::{Prover, stacked};
use crate::sumcheck::prove_product;
use crate::witness::{Given, Witness, cells, longest_walk};
use crate::{Machine, ProverError, Watch, estimate};

/// A checked program with its constants, as a prover needs it.
#[derive(Debug, Clone)]
pub struct Model {
    program: Program,
    types: Vec<ConstantType>,
    constants: Vec<Vec<i32>>,
}

impl Model {
    /// Reads the constants.
    ///
    /// # Errors
    /// A constant is missing, which no checked program's is.
    pub fn new<B: AsRef<[u8]>>(program: &CheckedProgram<B>) -> Result<Self, ProverError> {
        let missing = ProverError::Length {
            what: "constants",
            expected: program.program().constants.len() as u64,
            got: 0,
        };
        let types = constant_types(program.program(), program.weights()).ok_or(missing.clone())?;
        let constants = program
            .program()
            .constants
            .iter()
            .map(|name| Some(program.weights().tensor(name)?.iter().collect()))
            .collect::<Option<_>>()
            .ok_or(missing)?;
        Ok(Self {
            program: program.program().clone(),
            types,
            constants,
        })
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Types of the constants.
    #[must_use]
    pub fn types(&self) -> &[ConstantType] {
        &self.types
    }

    /// Elements of the constants.
    #[must_use]
    pub fn constants(&self) -> &[Vec<i32>] {
        &self.constants
    }

    /// The bytes of the constants, as they are committed to.
    #[must_use]
    pub fn limbs(&self) -> Vec<i8> {
        let limbs = Limbs::of(&self.types);
        let mut bytes = vec![0; 1 << limbs.variables()];
        for (index, (of, elements)) in self.types.iter().zip(&self.constants).enumerate() {
            let Some((first, count)) = limbs.place(index) else {
                continue;
            };
            let shape = proofmark_proof::plan::Shape::new(&of.shape);
            for number in 0..count {
                let Some(slot) = limbs.stack().slot(first + number) else {
                    continue;
                };
                let offset = slot.offset() as usize;
                for (at, element) in padded(&shape).zip(elements) {
                    bytes[offset + at] = Limbs::limb(*element, number, of.element);
                }
            }
        }
        bytes
    }
}

/// A model's weights with their commitment, made once.
#[derive(Debug)]
pub struct CommittedWeights<'w> {
    committed: Committed<'w>,
    public: WeightsCommitment,
    bytes: &'w [i8],
}

impl<'w> CommittedWeights<'w> {
    /// Commits to the bytes of [`Model::limbs`].
    ///
    /// # Errors
    /// The bytes are not those of the model.
    pub fn new(machine: Machine<'_>, model: &Model, bytes: &'w [i8]) -> Result<Self, ProverError> {
        let variables = Limbs::of(&model.types).variables();
        let shape = Shape::for_size(variables as u32).map_err(ProverError::Protocol)?;
        let committed = commit(machine, Values::I8(bytes), shape)?;
        let public = WeightsCommitment {
            types: model.types.clone(),
            commitment: *committed.commitment(),
        };
        Ok(Self {
            committed,
            public,
            bytes,
        })
    }

    /// What a verifier gets.
    #[must_use]
    pub const fn public(&self) -> &WeightsCommitment {
        &self.public
    }
}

/// The outputs of a model for these inputs, as the plan computes them.
///
/// # Errors
/// The program is not supported, or the inputs are not its own.
pub fn outputs(
    machine: Machine<'_>,
    model: &Model,
    inputs: &[&[i32]],
) -> Result<Vec<Vec<i32>>, ProverError> {
    let plan = plan_of(model)?;
    let witness = compute(machine, model, &plan, inputs)?;
    Ok(plan
        .outputs
        .iter()
        .map(|&tensor| witness.elements(&plan.tensors[tensor].shape, tensor))
        .collect())
}

/// Width of digits: most of what is looked up has 13 bits or more, and the table stays small.
const DIGIT_BITS: u32 = 12;

/// Width of digits of large plans: fewer of them, and a table that is small beside them.
const WIDE_DIGIT_BITS: u32 = 16;

/// The plan of a tensor program's proofs.
///
/// # Errors
/// The program is not supported.
pub fn plan_of(model: &Model) -> Result<Plan, ProverError> {
    let choices = Choices {
        digit_bits: DIGIT_BITS,
        walk: longest_walk(&model.program, &model.constants),
    };
    plan(&model.program, &model.types, choices).map_err(unsupported)
}

/// The plan of a proof of a decoder's generation, or of a tensor program's inference: digits of the width that makes the fewest leaves.
///
/// # Errors
/// The program, or a sampling parameter, is not supported.
pub fn plan_for(model: &Model, generation: Option<&Generation<'_>>) -> Result<Plan, ProverError> {
    let Some(generation) = generation else {
        return plan_of(model);
    };
    let walk = longest_walk(&model.program, &model.constants);
    let plans = [DIGIT_BITS, WIDE_DIGIT_BITS].map(|digit_bits| {
        let choices = Choices { digit_bits, walk };
        plan_generation(&model.program, &model.types, choices, generation).map_err(unsupported)
    });
    match plans {
        [Ok(narrow), Ok(wide)] if wide.leaves().end() < narrow.leaves().end() => Ok(wide),
        [Ok(plan), _] | [Err(_), Ok(plan)] => Ok(plan),
        [Err(error), Err(_)] => Err(error),
    }
}

/// What a caller may ask of a proof.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Refuse to begin where the estimate needs more.
    pub max_memory_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_memory_bytes: u64::MAX,
        }
    }
}

fn unsupported(unsupported: proofmark_proof::plan::Unsupported) -> ProverError {
    ProverError::Unsupported {
        what: unsupported.what,
    }
}

fn compute(
    machine: Machine<'_>,
    model: &Model,
    plan: &Plan,
    inputs: &[&[i32]],
) -> Result<Witness, ProverError> {
    let given = Given {
        inputs,
        constants: &model.constants,
    };
    Witness::compute(plan, given, machine.pool)
}

/// Proves a statement. `weights` are those that a statement with committed weights names.
///
/// # Errors
/// The program is not supported, the statement is false, or the proof was cancelled.
pub fn prove(
    machine: Machine<'_>,
    model: &Model,
    weights: Option<&CommittedWeights<'_>>,
    statement: &Statement<'_>,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<u8>, ProverError> {
    statement.check().map_err(ProverError::Protocol)?;
    let plan = plan_for(model, statement.generation.as_ref())?;
    if plan.walk.is_some_and(|places| !WALK.contains(&places)) {
        return Err(ProverError::Unsupported {
            what: "trees of more than 1,024 levels",
        });
    }
    let committed = matches!(statement.weights, WeightsMode::Committed(_));
    plan.check_cost(!committed).map_err(unsupported)?;
    let needed = estimate(&plan, committed).memory_bytes;
    if needed > options.max_memory_bytes {
        return Err(ProverError::Memory {
            needed,
            allowed: options.max_memory_bytes,
        });
    }
    let inputs: Vec<&[i32]> = statement.inputs.iter().map(Vec::as_slice).collect();
    let witness = compute(machine, model, &plan, &inputs).map_err(|error| match error {
        // An id that the sampler does not take has no distance to the best one.
        ProverError::Overflow if statement.generation.is_some() => ProverError::False,
        error => error,
    })?;
    let computed = plan.outputs.iter();
    let same = computed
        .zip(statement.outputs)
        .all(|(&tensor, output)| witness.elements(&plan.tensors[tensor].shape, tensor) == *output);
    if !same {
        return Err(ProverError::False);
    }
    prove_witness(machine, &plan, &witness, weights, statement, watch)
}

/// Proves with this witness, whatever is in it: what does not hold, the verifier refuses.
///
/// # Errors
/// The proof was cancelled, or committed weights are missing.
pub fn prove_witness(
    machine: Machine<'_>,
    plan: &Plan,
    witness: &Witness,
    weights: Option<&CommittedWeights<'_>>,
    statement: &Statement<'_>,
    watch: &dyn Watch,
) -> Result<Vec<u8>, ProverError> {
    let mut proof = Outgoing::new(statement.transcript().map_err(ProverError::Protocol)?);
    proof.send("digit bits", &[plan.digit_bits as u8]);
    if let Some(places) = plan.walk {
        proof.send("walk", &(places as u16).to_le_bytes());
    }
    let stack = plan.witness();
    let values = stacked(machine, plan, witness, &stack);
    let shape = Shape::for_size(stack.variables() as u32).map_err(ProverError::Protocol)?;
    let committed = commit(machine, Values::Base(&values), shape)?;
    proof.send_bound(&committed.commitment().to_bytes());
    committed.commitment().absorb(proof.transcript());
    let openings = run(
        plan,
        &mut Prover::new(machine, plan, witness, &mut proof, watch),
    )?;
    open_witness(machine, plan, &openings, &values, &committed, &mut proof)?;
    match (statement.weights, weights) {
        (WeightsMode::Public(_), _) => {}
        (WeightsMode::Committed(_), Some(weights)) => {
            open_weights(machine, plan, &openings, weights, &mut proof)?;
        }
        (WeightsMode::Committed(_), None) => return Err(ProverError::NoWeights),
    }
    Ok(proof.finish())
}

fn open_witness(
    machine: Machine<'_>,
    plan: &Plan,
    openings: &Openings,
    values: &[F],
    committed: &Committed<'_>,
    proof: &mut Outgoing,
) -> Result<(), ProverError> {
    let [digits, _] = plan.column_groups();
    let (stack, leaves) = (plan.witness(), plan.leaves());
    let reduction = Reduction {
        stack: &stack,
        leaves: Some((&leaves, digits.len())),
        columns: &plan.column_slots(),
        claims: &openings.witness,
        gamma: proof.transcript().challenge("openings"),
    };
    reduce(machine, &reduction, values, committed, proof)
}

fn open_weights(
    machine: Machine<'_>,
    plan: &Plan,
    openings: &Openings,
    weights: &CommittedWeights<'_>,
    proof: &mut Outgoing,
) -> Result<(), ProverError> {
    let limbs = Limbs::of(&weights.public.types);
    let mut claims = Vec::new();
    for (index, of_constant) in openings
        .constants
        .iter()
        .enumerate()
        .take(plan.constants.len())
    {
        let Some((first, count)) = limbs.place(index) else {
            continue;
        };
        for claim in of_constant {
            let values: Vec<E> = if count == 1 {
                vec![claim.value]
            } else {
                let limb = |number: usize| {
                    let start = limbs.stack().slots()[first + number].offset() as usize;
                    let bytes = &weights.bytes[start..start + (1 << claim.point.len())];
                    let values: Vec<i32> = bytes.iter().map(|byte| i32::from(*byte)).collect();
                    evaluate_integers(&values, &claim.point, machine.pool, machine.isa)
                };
                let values: Vec<E> = (0..count).map(limb).collect();
                proof.send_extensions("limbs", &values);
                values
            };
            for (number, value) in values.into_iter().enumerate() {
                claims.push(StackClaim {
                    functional: Functional::Slot(first + number, claim.point.clone()),
                    value,
                });
            }
        }
    }
    let reduction = Reduction {
        stack: limbs.stack(),
        leaves: None,
        columns: &[],
        claims: &claims,
        gamma: proof.transcript().challenge("openings"),
    };
    let bytes = weights.bytes;
    let values = cells(machine.pool, bytes.len(), |at| {
        F::from_i32(bytes[at].into())
    });
    reduce(machine, &reduction, &values, &weights.committed, proof)
}

/// Reduces all claims on a stack to one point, and opens it there.
fn reduce(
    machine: Machine<'_>,
    reduction: &Reduction<'_>,
    values: &[F],
    committed: &Committed<'_>,
    proof: &mut Outgoing,
) -> Result<(), ProverError> {
    let weights = weights_of(machine, reduction, values.len());
    let ended = prove_product(machine, values, weights, reduction.claim(), proof);
    proof.send_extensions("opened", &ended.tables[..1]);
    open(machine, committed, &ended.reduced.point, proof)?;
    Ok(())
}

/// The weight of each element of a stack in the claims.
fn weights_of(machine: Machine<'_>, reduction: &Reduction<'_>, size: usize) -> Planes {
    let Machine { pool, isa } = machine;
    let mut weights = Planes::zeros(size);
    let mut fresh = vec![true; reduction.stack.slots().len()];
    let mut add = |slot: usize, factor: E, point: &[E]| {
        let offset = reduction.stack.slots()[slot].offset() as usize;
        if std::mem::replace(&mut fresh[slot], false) {
            weights.set_eq(offset, point, factor, pool, isa);
        } else {
            weights.add_eq(offset, point, factor, pool, isa);
        }
    };
    let mut power = E::ONE;
    for claim in reduction.claims {
        match &claim.functional {
            Functional::Column(column, point) => add(reduction.columns[*column], power, point),
            Functional::Slot(slot, point) => add(*slot, power, point),
            Functional::Digits(point) => {
                if let Some((leaves, digits)) = reduction.leaves {
                    for (slot, place) in leaves.slots().iter().take(digits).enumerate() {
                        let (factor, rest) = place.split(point);
                        add(slot, power * factor, rest);
                    }
                }
            }
        }
        power *= reduction.gamma;
    }
    weights
}
