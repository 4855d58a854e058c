//! Whole proofs (§7, §10.5, §11, §12).

use proofmark_field::{E, F, eq};
use proofmark_program::{Interface, Program, SamplingParameters, Weights, weights_root};

use crate::making::ConstantType;
use crate::opening::{self, Commitment, Opening};
use crate::operators::{Given, plan};
use crate::plan::{Plan, Stack};
use crate::protocol::{Functional, Run, Tally, sumcheck};
use crate::shape::Shape;
use crate::transcript::name;
use crate::{Code, Input, Transcript, account};

/// §7.1.
#[derive(Debug)]
pub struct Statement<'s> {
    /// The program.
    pub program: &'s Program,
    /// Its constants; of committed ones, only the types are used.
    pub weights: &'s Weights<Vec<u8>>,
    /// To the constants, if they are committed.
    pub commitment: Option<&'s Commitment>,
    /// Digest of the closure, id of the receipt, digest of its claims.
    pub digests: [&'s [u8]; 3],
    /// Elements of the inputs.
    pub inputs: &'s [Vec<i32>],
    /// Elements of the outputs.
    pub outputs: &'s [Vec<i32>],
    /// What a decoder was asked and answered.
    pub generation: Option<Generation<'s>>,
}

/// §7.5.
#[derive(Debug, Clone, Copy)]
pub struct Generation<'s> {
    /// Ids of the prompt.
    pub prompt: &'s [u32],
    /// Ids that were sampled.
    pub generated: &'s [u32],
    /// How.
    pub parameters: &'s SamplingParameters,
    /// Of the draws.
    pub seed: u64,
    /// Among those of one request.
    pub choice: u32,
}

impl Generation<'_> {
    /// The ids at all positions.
    pub(crate) fn sequence(&self) -> Vec<u32> {
        let known = &self.generated[..self.generated.len() - 1];
        [self.prompt, known].concat()
    }

    fn check(&self, vocabulary: u32, max_positions: u32) -> Result<(), Code> {
        let ids = [self.prompt, self.generated].concat();
        let whole = !self.prompt.is_empty() && !self.generated.is_empty();
        if whole
            && ids.len() - 1 <= max_positions as usize
            && ids.iter().all(|id| *id < vocabulary)
            && self.parameters.check(vocabulary).is_ok()
        {
            Ok(())
        } else {
            Err("proof.statement")
        }
    }

    fn absorb(&self, transcript: &mut Transcript) {
        let words = |ids: &[u32]| {
            ids.iter()
                .flat_map(|id| id.to_le_bytes())
                .collect::<Vec<u8>>()
        };
        transcript.absorb("prompt", &words(self.prompt));
        transcript.absorb("generated", &words(self.generated));
        let p = self.parameters;
        let mut sampling = words(&[p.temperature, p.top_p, p.min_p, p.top_k]);
        sampling.extend(p.presence_penalty.to_le_bytes());
        sampling.extend(p.frequency_penalty.to_le_bytes());
        sampling.extend(p.repetition_penalty.to_le_bytes());
        for (id, bias) in &p.logit_bias {
            sampling.extend(id.to_le_bytes());
            sampling.extend(bias.to_le_bytes());
        }
        transcript.absorb("sampling", &sampling);
        transcript.absorb("seed", &self.seed.to_le_bytes());
        transcript.absorb("choice", &self.choice.to_le_bytes());
    }
}

/// A constant: bytes of an element, shape, elements.
struct Constant {
    bytes: usize,
    shape: Shape,
    elements: Vec<i32>,
}

impl Statement<'_> {
    fn constants(&self) -> Result<Vec<Constant>, Code> {
        let names = self.program.constants.iter();
        let of = |name: &String| {
            let view = self.weights.tensor(name).ok_or("proof.statement")?;
            Ok(Constant {
                bytes: view.element().bytes(),
                shape: Shape(view.shape().iter().map(|n| u64::from(*n)).collect()),
                elements: view.iter().collect(),
            })
        };
        names.map(of).collect()
    }

    /// §7.3: numbers, lengths and ranges.
    fn check(&self) -> Result<(), Code> {
        let (inputs, outputs) = match (&self.program.interface, &self.generation) {
            (Interface::Tensor { inputs, outputs }, None) => (inputs, outputs),
            (
                Interface::Decoder {
                    vocabulary,
                    max_positions,
                    ..
                },
                Some(generation),
            ) if self.inputs.is_empty() && self.outputs.is_empty() => {
                return generation.check(*vocabulary, *max_positions);
            }
            _ => return Err("proof.statement"),
        };
        let inputs: Vec<_> = inputs.iter().map(|input| input.node).collect();
        let outputs: Vec<_> = outputs.iter().map(|output| output.node).collect();
        for (nodes, given) in [(inputs, self.inputs), (outputs, self.outputs)] {
            if nodes.len() != given.len() {
                return Err("proof.statement");
            }
            for (node, elements) in nodes.iter().zip(given) {
                let of = &self.program.nodes[node.0 as usize].result;
                let length: u64 = of.shape.iter().map(|n| u64::from(*n)).product();
                let inside = elements.iter().all(|x| (of.lo..=of.hi).contains(x));
                if elements.len() as u64 != length || !inside {
                    return Err("proof.statement");
                }
            }
        }
        Ok(())
    }

    fn transcript(&self, constants: &[Constant]) -> Result<Transcript, Code> {
        let mut transcript = Transcript::new(&name("inference"));
        let digest = self.program.digest().map_err(|_| "proof.statement")?;
        transcript.absorb("program", digest.as_bytes());
        transcript.absorb("closure", self.digests[0]);
        match self.commitment {
            Some(commitment) => {
                let mut bytes = Vec::new();
                for constant in constants {
                    bytes.extend([constant.bytes as u8, constant.shape.0.len() as u8]);
                    let lengths = constant.shape.0.iter();
                    bytes.extend(lengths.flat_map(|n| (*n as u32).to_le_bytes()));
                }
                bytes.extend(commitment.encode());
                transcript.absorb("weights committed", &bytes);
            }
            None => {
                let root = weights_root(self.weights.bytes());
                transcript.absorb("weights public", root.as_bytes());
            }
        }
        transcript.absorb("receipt", self.digests[1]);
        transcript.absorb("claims", self.digests[2]);
        for (label, tensors) in [("input", self.inputs), ("output", self.outputs)] {
            for elements in tensors {
                let bytes: Vec<u8> = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
                transcript.absorb(label, &bytes);
            }
        }
        if let Some(generation) = &self.generation {
            generation.absorb(&mut transcript);
        }
        Ok(transcript)
    }
}

/// Verifies a proof; the bits that it is worth.
///
/// # Errors
/// A code of §13.
pub fn verify_inference(proof: &[u8], statement: &Statement<'_>) -> Result<u32, Code> {
    statement.check()?;
    let constants = statement.constants()?;
    let mut input = Input::new(statement.transcript(&constants)?, proof);
    let digit_bits = u32::from(input.sent("digit bits", 1)?[0]);
    if !(8..=16).contains(&digit_bits) {
        return Err("proof.malformed");
    }
    let mut places = 0;
    if statement
        .program
        .nodes
        .iter()
        .any(|node| node.operator.code() == 27)
    {
        let bytes = input.sent("walk", 2)?;
        places = u64::from(bytes[0]) | u64::from(bytes[1]) << 8;
        if !(1..=1024).contains(&places) {
            return Err("proof.malformed");
        }
    }
    let types = constants.iter().map(|constant| ConstantType {
        bytes: constant.bytes,
        shape: constant.shape.clone(),
    });
    let given = Given {
        inputs: statement.inputs,
        outputs: statement.outputs,
        generation: statement.generation,
        public_weights: statement.commitment.is_none(),
    };
    let choices = (digit_bits, places);
    let plan = plan(statement.program, types.collect(), choices, &given)?;
    let witness = Commitment::decode(input.bound(35)?)?;
    input.transcript.absorb("commitment", &witness.encode());
    if witness.variables() != plan.witness().variables {
        return Err("proof.witness");
    }
    let mut run = Run::new(&plan, input, constants.len());
    run.all()?;
    let mut chance = open_witness(&plan, &mut run, &witness)?;
    match statement.commitment {
        Some(commitment) => chance += open_weights(&constants, &mut run, commitment)?,
        None => {
            for (constant, claims) in constants.iter().zip(&run.constants) {
                for (point, value) in claims {
                    if constant.shape.evaluate(&constant.elements, point) != *value {
                        return Err("proof.weights");
                    }
                }
            }
        }
    }
    run.input.end()?;
    let lookups = 2.0 * (plan.leaves().variables as f64).exp2();
    let Tally {
        rounds,
        points,
        batches,
    } = run.tally;
    for count in [rounds, points, batches] {
        chance += account::field(count as f64);
    }
    chance += account::field(lookups);
    let bits = account::bits(chance);
    if bits < 100 {
        return Err("proof.weak");
    }
    Ok(bits)
}

/// §10.5, for what each claim weighs at a point of the stack.
fn open(
    run: &mut Run<'_, '_>,
    commitment: &Commitment,
    values: &[E],
    weigh: impl Fn(usize, &[E]) -> E,
) -> Result<f64, Code> {
    let gamma = run.input.transcript.challenge("openings");
    let powers: Vec<E> = std::iter::successors(Some(E::ONE), |power| Some(*power * gamma))
        .take(values.len())
        .collect();
    let claim = powers.iter().zip(values).map(|(a, b)| *a * *b).sum();
    let variables = commitment.variables();
    let (point, left) = sumcheck(&mut run.input, claim, variables, 2)?;
    run.tally.rounds += 2 * variables;
    run.tally.batches += values.len().saturating_sub(1);
    let value = run.input.extensions("opened", 1)?[0];
    let weights = powers.iter().enumerate();
    let weight: E = weights.map(|(at, power)| *power * weigh(at, &point)).sum();
    if weight * value != left {
        return Err("proof.opening.claims");
    }
    let opening = Opening {
        commitment,
        point: &point,
        value,
    };
    opening::chance(&opening, &mut run.input)
}

fn open_witness(plan: &Plan, run: &mut Run<'_, '_>, commitment: &Commitment) -> Result<f64, Code> {
    let claims = std::mem::take(&mut run.witness);
    let (stack, leaves) = (plan.witness(), plan.leaves());
    let (digits, others) = plan.order();
    let order = [digits.clone(), others].concat();
    let at = |slot: usize, zeta: &[E], point: &[E]| {
        let (weight, rest) = stack.split(slot, zeta);
        weight * eq(rest, point)
    };
    let values: Vec<E> = claims.iter().map(|claim| claim.1).collect();
    open(run, commitment, &values, |claim, zeta| {
        match &claims[claim].0 {
            Functional::Column(column, point) => {
                let slot = order.iter().position(|other| other == column);
                slot.map_or(E::ZERO, |slot| at(slot, zeta, point))
            }
            Functional::Digits(point) => (0..digits.len())
                .map(|slot| {
                    let (weight, rest) = leaves.split(slot, point);
                    weight * at(slot, zeta, rest)
                })
                .sum(),
        }
    })
}

/// §11.3.
fn open_weights(
    constants: &[Constant],
    run: &mut Run<'_, '_>,
    commitment: &Commitment,
) -> Result<f64, Code> {
    let sizes = constants.iter();
    let sizes = sizes.flat_map(|of| vec![of.shape.variables(); of.bytes]);
    let stack = Stack::of(&[sizes.collect()]);
    let variables = stack.variables.max(4);
    if commitment.variables() != variables {
        return Err("proof.weights");
    }
    let claims = std::mem::take(&mut run.constants);
    let (mut values, mut places) = (Vec::new(), Vec::new());
    let mut first = 0;
    for (constant, claims) in constants.iter().zip(claims) {
        let lower = constant.bytes - 1;
        for (point, value) in claims {
            let limbs = if lower == 0 {
                vec![value]
            } else {
                run.input.extensions("limbs", constant.bytes)?
            };
            let real = constant.shape.masks(&constant.shape.real(), &point);
            let mut sum = E::ZERO;
            for (j, limb) in limbs.iter().enumerate() {
                sum += limb.scale(F::new(1 << (8 * j)));
                if j < lower {
                    sum += real.scale(F::new(128 << (8 * j)));
                }
            }
            if sum != value {
                return Err("proof.weights");
            }
            for (j, limb) in limbs.into_iter().enumerate() {
                values.push(limb);
                places.push((first + j, point.clone()));
            }
        }
        first += constant.bytes;
    }
    let slack = variables - stack.variables;
    open(run, commitment, &values, |claim, zeta| {
        let (slot, point) = &places[claim];
        // A stack that is smaller than what is committed to is its beginning.
        let (above, zeta) = zeta.split_at(slack);
        let (weight, rest) = stack.split(*slot, zeta);
        eq(&vec![E::ZERO; above.len()], above) * weight * eq(rest, point)
    })
}
