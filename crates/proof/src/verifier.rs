//! The verifier: bytes and a statement to an account (specs/05-proof.md §7).

use alloc::vec;
use alloc::vec::Vec;

use crate::commitment::{self, Commitment};
use crate::field::{E, F, eq_table};
use crate::fractions::{self, Leaves};
use crate::halves::Halves;
use crate::plan::{
    Check, Choices, DIGIT_BITS, Form, Mask, Plan, Public, Rule, Shape, Sum, TensorId, Unsupported,
    WALK, below, has_walks, padded,
};
use crate::protocol::{
    Claim, Fingerprint, Functional, Openings, Party, Reduction, Request, StackClaim, Tally, degree,
    masks, run,
};
use crate::soundness::{Account, Probability};
use crate::statement::{PublicWeights, Statement, WeightsMode};
use crate::sumcheck::{self, Reduced};
use crate::weights::Limbs;
use crate::{Incoming, Rejection, Transcript};

/// Bits that a proof's account has at least.
pub const REQUIRED_BITS: u32 = 100;

/// Largest proof that is looked at.
pub const MAX_PROOF_BYTES: usize = 64 << 20;

impl From<Unsupported> for Rejection {
    fn from(unsupported: Unsupported) -> Self {
        Self::failed(unsupported.code, unsupported.what)
    }
}

/// Says whether a proof shows a statement, and with what chance a false one would pass.
///
/// # Errors
/// [`Rejection`], with the code of what does not hold.
pub fn verify(proof: &[u8], statement: &Statement<'_>) -> Result<Account, Rejection> {
    if proof.len() > MAX_PROOF_BYTES {
        return Err(Rejection::Malformed {
            expected: "a proof of at most 64 MiB",
            at: MAX_PROOF_BYTES,
        });
    }
    statement
        .program
        .check_structure()
        .map_err(|_| Rejection::failed("proof.statement", "the program is malformed"))?;
    statement.check()?;
    let mut incoming = Incoming::new(statement.transcript()?, proof);
    let digit_bits = receive_digit_bits(&mut incoming)?;
    let walk = if has_walks(statement.program) {
        receive_walk(&mut incoming)?
    } else {
        0
    };
    let choices = Choices { digit_bits, walk };
    let plan = statement.plan(choices)?;
    let witness = receive_commitment(&mut incoming, plan.witness().variables())?;
    let mut verifier = Verifier {
        plan: &plan,
        statement,
        incoming,
    };
    let openings = run(&plan, &mut verifier)?;
    let mut incoming = verifier.incoming;
    let mut tally = openings.tally;
    let mut account = Account::new();
    let witness_account = open_witness(&plan, &openings, &witness, &mut incoming, &mut tally)?;
    let weights_account = match statement.weights {
        WeightsMode::Committed(weights) => {
            let limbs = weights.stack()?;
            let claims = limb_claims(&plan, &limbs, &openings, &mut incoming)?;
            Some(open_weights(
                &limbs,
                &claims,
                &weights.commitment,
                &mut incoming,
                &mut tally,
            )?)
        }
        WeightsMode::Public(weights) => {
            check_constants(&plan, weights, &openings)?;
            None
        }
    };
    incoming.finish()?;
    for (name, count) in [
        ("sumcheck rounds", tally.rounds),
        ("random points", tally.points),
        ("batching of claims", tally.batches),
        ("lookups", tally.lookups),
    ] {
        account.add(name, Probability::field(count));
    }
    account.extend(witness_account);
    account.extend(weights_account.unwrap_or_default());
    account.require(REQUIRED_BITS)?;
    Ok(account)
}

fn receive_digit_bits(incoming: &mut Incoming<'_>) -> Result<u32, Rejection> {
    let at = incoming.bound().at();
    let bytes = incoming.receive("digit bits", 1)?;
    let bits = bytes.first().copied().map_or(0, u32::from);
    if DIGIT_BITS.contains(&bits) {
        Ok(bits)
    } else {
        Err(Rejection::Malformed {
            expected: "digits of 8 to 16 bits",
            at,
        })
    }
}

fn receive_walk(incoming: &mut Incoming<'_>) -> Result<u32, Rejection> {
    let at = incoming.bound().at();
    let bytes = incoming.receive("walk", 2)?;
    let places = bytes
        .iter()
        .rev()
        .fold(0, |sum, &byte| sum << 8 | u32::from(byte));
    if WALK.contains(&places) {
        Ok(places)
    } else {
        Err(Rejection::Malformed {
            expected: "walks of 1 to 1,024 places",
            at,
        })
    }
}

fn receive_commitment(
    incoming: &mut Incoming<'_>,
    variables: usize,
) -> Result<Commitment, Rejection> {
    let commitment = Commitment::decode(incoming.bound())?;
    commitment.absorb(incoming.transcript());
    if usize::try_from(commitment.shape.log2_size()) == Ok(variables) {
        Ok(commitment)
    } else {
        Err(Rejection::failed(
            "proof.witness",
            "the witness has another size than the program's",
        ))
    }
}

/// Reduces claims to one value of the polynomial, and opens that.
fn open(
    reduction: &Reduction<'_>,
    variables: usize,
    commitment: &Commitment,
    incoming: &mut Incoming<'_>,
    tally: &mut Tally,
) -> Result<Account, Rejection> {
    let reduced = sumcheck::verify(incoming, reduction.claim(), variables, 2)?;
    tally.rounds(variables, 2);
    tally.batch(reduction.claims.len());
    let value = incoming.receive_extensions("opened", 1)?;
    let value = value.first().copied().unwrap_or_default();
    let weight = reduction.weight(&reduced.point);
    if weight.map(|weight| weight.times(value)) != Some(reduced.value) {
        return Err(Rejection::failed(
            "proof.opening.claims",
            "the opened value is not what was claimed",
        ));
    }
    commitment::verify(commitment, &reduced.point, value, incoming)
}

fn open_witness(
    plan: &Plan,
    openings: &Openings,
    commitment: &Commitment,
    incoming: &mut Incoming<'_>,
    tally: &mut Tally,
) -> Result<Account, Rejection> {
    let [digits, _] = plan.column_groups();
    let (stack, leaves) = (plan.witness(), plan.leaves());
    let reduction = Reduction {
        stack: &stack,
        leaves: Some((&leaves, digits.len())),
        columns: &plan.column_slots(),
        claims: &openings.witness,
        gamma: incoming.transcript().challenge("openings"),
    };
    open(&reduction, stack.variables(), commitment, incoming, tally)
}

fn open_weights(
    limbs: &Limbs,
    claims: &[StackClaim],
    commitment: &Commitment,
    incoming: &mut Incoming<'_>,
    tally: &mut Tally,
) -> Result<Account, Rejection> {
    let reduction = Reduction {
        stack: limbs.stack(),
        leaves: None,
        columns: &[],
        claims,
        gamma: incoming.transcript().challenge("openings"),
    };
    open(&reduction, limbs.variables(), commitment, incoming, tally)
}

/// Claims on constants as claims on their limbs.
fn limb_claims(
    plan: &Plan,
    limbs: &Limbs,
    openings: &Openings,
    incoming: &mut Incoming<'_>,
) -> Result<Vec<StackClaim>, Rejection> {
    let mut claims = Vec::new();
    for (index, (constant, of_constant)) in
        plan.constants.iter().zip(&openings.constants).enumerate()
    {
        let (first, count) = limbs.place(index).ok_or(WRONG_CONSTANT)?;
        for Claim { point, value } in of_constant {
            let values = if count == 1 {
                vec![*value]
            } else {
                incoming.receive_extensions("limbs", count)?
            };
            let offset = all_masks(&constant.shape, point).scale(F::new(Limbs::offset(count)));
            let sum = values
                .iter()
                .rev()
                .fold(E::ZERO, |sum, limb| sum.scale(F::new(256)).plus(*limb));
            if sum.plus(offset) != *value {
                return Err(WRONG_CONSTANT);
            }
            for (number, value) in values.into_iter().enumerate() {
                let slot = first.saturating_add(number);
                claims.push(StackClaim {
                    functional: Functional::Slot(slot, point.clone()),
                    value,
                });
            }
        }
    }
    Ok(claims)
}

const WRONG_CONSTANT: Rejection =
    Rejection::failed("proof.weights", "a constant is not that of the weights");

/// Whether the claims on constants are true of the weights.
fn check_constants(
    plan: &Plan,
    weights: &PublicWeights,
    openings: &Openings,
) -> Result<(), Rejection> {
    for (index, (constant, claims)) in plan.constants.iter().zip(&openings.constants).enumerate() {
        let elements = weights.constant(index).ok_or(WRONG_CONSTANT)?;
        for claim in claims {
            if evaluate(&constant.shape, elements, &claim.point) != claim.value {
                return Err(WRONG_CONSTANT);
            }
        }
    }
    Ok(())
}

/// The polynomial of a tensor's elements.
fn evaluate(shape: &Shape, elements: &[i32], point: &[E]) -> E {
    let weights = Halves::new(point);
    padded(shape)
        .zip(elements)
        .map(|(at, element)| weights.at(at).scale(F::from_i32(*element)))
        .sum()
}

/// The polynomial that is one within all lengths.
fn all_masks(shape: &Shape, point: &[E]) -> E {
    let all: Vec<Mask> = (0..shape.lengths().len())
        .map(|axis| Mask {
            axis,
            from: 0,
            to: shape.length(axis),
        })
        .collect();
    masks(shape, &all, point)
}

/// The verifier's side of the protocol.
struct Verifier<'v, 'p> {
    plan: &'v Plan,
    statement: &'v Statement<'v>,
    incoming: Incoming<'p>,
}

impl Party for Verifier<'_, '_> {
    type Error = Rejection;

    fn transcript(&mut self) -> &mut Transcript {
        self.incoming.transcript()
    }

    fn values(&mut self, label: &str, requests: &[Request]) -> Result<Vec<E>, Rejection> {
        self.incoming.receive_extensions(label, requests.len())
    }

    fn digits(&mut self, _: &[E]) -> Result<E, Rejection> {
        let values = self.incoming.receive_extensions("digits", 1)?;
        Ok(values.first().copied().unwrap_or_default())
    }

    fn require(
        &mut self,
        code: &'static str,
        what: &'static str,
        holds: impl FnOnce(&Self) -> bool,
    ) -> Result<(), Rejection> {
        if holds(self) {
            Ok(())
        } else {
            Err(Rejection::failed(code, what))
        }
    }

    fn public(&self, tensor: TensorId, point: &[E]) -> Option<E> {
        let tensor = self.plan.tensors.get(tensor)?;
        let Rule::Public(public) = &tensor.rule else {
            return None;
        };
        let shape = &tensor.shape;
        match public {
            Public::Input(at) => Some(evaluate(shape, self.statement.inputs.get(*at)?, point)),
            Public::Output(at) => Some(evaluate(shape, self.statement.outputs.get(*at)?, point)),
            Public::Positions => {
                let weights = Halves::new(point);
                let indices = 0..shape.length(0);
                let at = |index| weights.at(usize::try_from(index).unwrap_or(usize::MAX));
                Some(indices.map(|index| at(index).scale(F::new(index))).sum())
            }
            Public::Values(values) => Some(evaluate(shape, values, point)),
            Public::Below(ends) => {
                let rows = shape.axes(0..shape.lengths().len().saturating_sub(1));
                let (rows, last) = point.split_at_checked(rows.len())?;
                let weights = eq_table(rows);
                let ends = ends.iter().zip(&weights);
                Some(
                    ends.map(|(&end, weight)| weight.times(below(last, end.into())))
                        .sum(),
                )
            }
            Public::Inside { masks: of, maps } => {
                let inside = masks(shape, of, point);
                Some(
                    maps.iter()
                        .fold(inside, |product, map| product.times(map.rows_sum(point))),
                )
            }
        }
    }

    fn fractions(&mut self, _: &Fingerprint) -> Result<Leaves, Rejection> {
        fractions::verify(&mut self.incoming, self.plan.leaves().variables())
    }

    fn check(&mut self, check: &Check, _: &Form, _: &[E]) -> Result<Reduced, Rejection> {
        sumcheck::verify(&mut self.incoming, E::ZERO, check.shape.variables(), 3)
    }

    fn sum(&mut self, sum: &Sum, _: &[(E, Vec<E>)], claim: E) -> Result<Reduced, Rejection> {
        sumcheck::verify(
            &mut self.incoming,
            claim,
            sum.bound.variables(),
            degree(sum),
        )
    }
}
