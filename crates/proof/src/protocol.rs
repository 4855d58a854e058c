//! The protocol, written once for both sides (specs/05-proof.md §10): what is sent, drawn and required, in its order.
//!
//! A [`Party`] is the verifier, which receives and checks, or a prover, which computes and sends.

use alloc::vec;
use alloc::vec::Vec;

use crate::field::{E, F, eq};
use crate::fractions::Leaves;
use crate::plan::{
    Check, ColumnKind, Form, Lookup, Map, Mask, Plan, Rule, Stack, Sum, TensorId, Term, Variable,
    below, pick,
};
use crate::sumcheck::Reduced;
use crate::{Rejection, Transcript};

mod openings;
mod tally;

pub use openings::{Functional, Openings, Reduction, StackClaim};
pub use tally::Tally;

/// A claim: the tensor's polynomial has this value at this point.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The point.
    pub point: Vec<E>,
    /// The value.
    pub value: E,
}

/// A request for a tensor's value at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which tensor.
    pub tensor: TensorId,
    /// Where.
    pub point: Vec<E>,
}

/// One side of the protocol.
pub trait Party {
    /// Why a side stops.
    type Error: From<Rejection>;

    /// The transcript.
    fn transcript(&mut self) -> &mut Transcript;

    /// Values of tensors: sent by the prover, received by the verifier.
    ///
    /// # Errors
    /// The proof ends, or the prover is told to stop.
    fn values(&mut self, label: &str, requests: &[Request]) -> Result<Vec<E>, Self::Error>;

    /// The part of the lookups' leaves that is the witness' digits, at a point of the leaves.
    ///
    /// # Errors
    /// As [`Party::values`].
    fn digits(&mut self, point: &[E]) -> Result<E, Self::Error>;

    /// What a verifier requires; a prover need not look.
    ///
    /// # Errors
    /// It does not hold.
    fn require(
        &mut self,
        code: &'static str,
        what: &'static str,
        holds: impl FnOnce(&Self) -> bool,
    ) -> Result<(), Self::Error>;

    /// A tensor that the verifier evaluates itself.
    fn public(&self, tensor: TensorId, point: &[E]) -> Option<E>;

    /// Σ over all leaves of numerator/denominator = 0, fingerprints being made with these challenges.
    ///
    /// # Errors
    /// The proof does not show it.
    fn fractions(&mut self, fingerprint: &Fingerprint) -> Result<Leaves, Self::Error>;

    /// Σ_x eq(tau, x)·form(wires(x)) = 0.
    ///
    /// # Errors
    /// As [`Party::values`].
    fn check(&mut self, check: &Check, form: &Form, tau: &[E]) -> Result<Reduced, Self::Error>;

    /// Σ_s Σ_k weight_k·Π maps(point_k, s)·Π factors(point_k, s) = claim.
    ///
    /// # Errors
    /// As [`Party::values`].
    fn sum(&mut self, sum: &Sum, points: &[(E, Vec<E>)], claim: E) -> Result<Reduced, Self::Error>;
}

/// How rows of tables become elements of E.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint {
    /// α: what fingerprints are taken from.
    pub alpha: E,
    /// λ: distance between keys.
    pub lambda: E,
}

impl Fingerprint {
    /// α − (table + λ·first + λ²·second).
    #[must_use]
    pub fn denominator(&self, table: u32, first: E, second: E) -> E {
        let inner = first.plus(self.lambda.times(second));
        self.alpha
            .minus(E::new(table))
            .minus(self.lambda.times(inner))
    }
}

/// Degree of the sumcheck of a sum.
#[must_use]
pub fn degree(sum: &Sum) -> usize {
    sum.factors
        .len()
        .saturating_add(usize::from(!sum.maps.is_empty()))
}

/// The point of a factor.
#[must_use]
pub fn factor_point(variables: &[Variable], free: &[E], bound: &[E]) -> Vec<E> {
    variables
        .iter()
        .filter_map(|variable| match variable {
            Variable::Free(at) => free.get(*at).copied(),
            Variable::Bound(at) => bound.get(*at).copied(),
        })
        .collect()
}

/// Π masks at a point of a tensor with this shape.
#[must_use]
pub fn masks(shape: &crate::plan::Shape, masks: &[Mask], point: &[E]) -> E {
    masks.iter().fold(E::ONE, |product, mask| {
        let axis: Vec<usize> = shape.axis(mask.axis).collect();
        let axis = pick(point, &axis);
        product.times(below(&axis, mask.to.into()).minus(below(&axis, mask.from.into())))
    })
}

fn broken() -> Rejection {
    Rejection::failed("proof.plan", "the plan refers to what it does not have")
}

/// Runs the protocol of a plan after the witness was committed to; what is left are openings of witness and constants.
///
/// # Errors
/// A check failed, the proof is malformed, or the prover stopped.
pub fn run<P: Party>(plan: &Plan, party: &mut P) -> Result<Openings, P::Error> {
    let mut run = Run {
        plan,
        party,
        claims: vec![Vec::new(); plan.tensors.len()],
        openings: Openings::new(plan),
        tally: Tally::default(),
    };
    run.lookups()?;
    for check in &plan.checks {
        run.check(check)?;
    }
    for &tensor in &plan.zeros {
        let point = run.challenges("zero", plan.variables(tensor));
        run.tally.points(point.len());
        run.claim(tensor, point, E::ZERO)?;
    }
    for id in (0..plan.tensors.len()).rev() {
        run.tensor(id)?;
    }
    run.openings.tally = run.tally;
    Ok(run.openings)
}

struct Run<'r, P> {
    plan: &'r Plan,
    party: &'r mut P,
    claims: Vec<Vec<Claim>>,
    openings: Openings,
    tally: Tally,
}

impl<P: Party> Run<'_, P> {
    fn challenges(&mut self, label: &str, count: usize) -> Vec<E> {
        self.party.transcript().challenges(label, count)
    }

    fn claim(&mut self, tensor: TensorId, point: Vec<E>, value: E) -> Result<(), P::Error> {
        let claims = self.claims.get_mut(tensor).ok_or_else(broken)?;
        claims.push(Claim { point, value });
        Ok(())
    }

    /// Values of tensors, each a claim from now on.
    fn values(&mut self, label: &str, requests: Vec<Request>) -> Result<Vec<E>, P::Error> {
        let values = self.party.values(label, &requests)?;
        for (request, &value) in requests.into_iter().zip(&values) {
            self.claim(request.tensor, request.point, value)?;
        }
        Ok(values)
    }

    /// All digits and all lookups are in their tables.
    fn lookups(&mut self) -> Result<(), P::Error> {
        let plan = self.plan;
        let stack = plan.leaves();
        let drawn = self.challenges("fingerprint", 2);
        let &[alpha, lambda] = drawn.as_slice() else {
            return Err(broken().into());
        };
        let fingerprint = Fingerprint { alpha, lambda };
        let leaves = self.party.fractions(&fingerprint)?;
        self.tally.fractions(stack.variables());
        let [digits, _] = plan.column_groups();
        let digits_value = self.party.digits(&leaves.point)?;
        self.openings
            .witness(Functional::Digits(leaves.point.clone()), digits_value);
        let mut slots = stack.slots().iter();
        let (mut covered, mut numerator, mut denominator) = (E::ZERO, E::ZERO, E::ZERO);
        // Digits: width and value.
        for (&column, slot) in digits.iter().zip(slots.by_ref()) {
            let Some(ColumnKind::Digit(width)) = plan.columns.get(column).map(|c| c.kind) else {
                return Err(broken().into());
            };
            let (weight, _) = slot.split(&leaves.point);
            covered += weight;
            numerator += weight;
            denominator += weight.times(fingerprint.denominator(0, E::new(width), E::ZERO));
        }
        denominator += digits_value
            .times(lambda)
            .times(lambda)
            .times(E::ZERO.minus(E::ONE));
        for (Lookup { table, keys }, slot) in plan.lookups.iter().zip(slots.by_ref()) {
            let (weight, point) = slot.split(&leaves.point);
            let requests = [keys.0, keys.1].map(|tensor| Request {
                tensor,
                point: point.to_vec(),
            });
            let values = self.values("keys", requests.to_vec())?;
            let &[first, second] = values.as_slice() else {
                return Err(broken().into());
            };
            covered += weight;
            numerator += weight;
            denominator += weight.times(fingerprint.denominator(tag(*table)?, first, second));
        }
        if let Some(slot) = slots.next() {
            let (weight, point) = slot.split(&leaves.point);
            let [width, value] = digit_row(point);
            let multiplicity = self.plan.digit_multiplicity().ok_or_else(broken)?;
            let count = self.multiplicity(multiplicity, point)?;
            covered += weight;
            numerator = numerator.minus(weight.times(count));
            denominator += weight.times(fingerprint.denominator(0, width, value));
        }
        for ((at, table), slot) in plan.tables.iter().enumerate().zip(slots) {
            let (weight, point) = slot.split(&leaves.point);
            let count = self.multiplicity(table.multiplicity, point)?;
            let request = Request {
                tensor: table.values,
                point: point.to_vec(),
            };
            let value = self.values("row", vec![request])?;
            let value = value.first().copied().ok_or_else(broken)?;
            covered += weight;
            numerator = numerator.minus(weight.times(count));
            denominator += weight.times(fingerprint.denominator(tag(at)?, index(point), value));
        }
        // Leaves that are nobody's are 0/1.
        denominator += E::ONE.minus(covered);
        self.party.require(
            "proof.lookup",
            "the leaves of the fractions are not the witness",
            |_| numerator == leaves.numerator && denominator == leaves.denominator,
        )
    }

    fn multiplicity(&mut self, tensor: TensorId, point: &[E]) -> Result<E, P::Error> {
        let request = Request {
            tensor,
            point: point.to_vec(),
        };
        let values = self.values("multiplicity", vec![request])?;
        Ok(values.first().copied().ok_or_else(broken)?)
    }

    fn check(&mut self, check: &Check) -> Result<(), P::Error> {
        let tau = self.challenges("cell", check.shape.variables());
        let gamma = self.party.transcript().challenge("constraints");
        let form = check.form(gamma);
        let reduced = self.party.check(check, &form, &tau)?;
        self.tally.check(tau.len(), check.constraints.len());
        let requests = check.wires.iter().map(|wire| Request {
            tensor: wire.tensor,
            point: pick(&reduced.point, &wire.variables),
        });
        let values = self.values("wires", requests.collect())?;
        self.party.require(
            "proof.constraint",
            "a constraint of the program's operators does not hold",
            |_| eq(&tau, &reduced.point).times(form.evaluate(&values)) == reduced.value,
        )
    }

    /// Turns the claims on a tensor into claims on earlier ones, openings, or checks.
    fn tensor(&mut self, id: TensorId) -> Result<(), P::Error> {
        let tensor = self.plan.tensors.get(id).ok_or_else(broken)?;
        let claims = core::mem::take(self.claims.get_mut(id).ok_or_else(broken)?);
        match &tensor.rule {
            Rule::Public(_) => {
                for claim in claims {
                    self.party.require(
                        "proof.statement",
                        "inputs or outputs are not those of the statement",
                        |party| party.public(id, &claim.point) == Some(claim.value),
                    )?;
                }
                Ok(())
            }
            Rule::Column(column) => {
                for claim in claims {
                    self.openings
                        .witness(Functional::Column(*column, claim.point), claim.value);
                }
                Ok(())
            }
            Rule::Constant(index) => {
                let of_constant = self.openings.constants.get_mut(*index).ok_or_else(broken)?;
                of_constant.extend(claims);
                Ok(())
            }
            Rule::Linear(terms) => claims
                .into_iter()
                .try_for_each(|claim| self.linear(id, terms, &claim)),
            Rule::Sum(sum) if !claims.is_empty() => self.sum(sum, claims),
            Rule::Sum(_) => Ok(()),
        }
    }

    fn linear(&mut self, id: TensorId, terms: &[Term], claim: &Claim) -> Result<(), P::Error> {
        // The same elements with other variables: the value is the value.
        if let [
            Term {
                coefficient: 1,
                tensor: Some((tensor, variables)),
                masks,
            },
        ] = terms
            && masks.is_empty()
        {
            return self.claim(*tensor, pick(&claim.point, variables), claim.value);
        }
        let requests: Vec<Request> = terms
            .iter()
            .filter_map(|term| term.tensor.as_ref())
            .map(|(tensor, variables)| Request {
                tensor: *tensor,
                point: pick(&claim.point, variables),
            })
            .collect();
        let values = self.values("terms", requests)?;
        let shape = &self.plan.tensors.get(id).ok_or_else(broken)?.shape;
        self.party.require(
            "proof.sum",
            "a sum of tensors is not the sum of its terms",
            |_| {
                let mut values = values.iter();
                let sum: E = terms
                    .iter()
                    .map(|term| {
                        let value = match term.tensor {
                            Some(_) => values.next().copied().unwrap_or_default(),
                            None => E::ONE,
                        };
                        value.scale(F::from_i64(term.coefficient)).times(masks(
                            shape,
                            &term.masks,
                            &claim.point,
                        ))
                    })
                    .sum();
                sum == claim.value
            },
        )
    }

    fn sum(&mut self, sum: &Sum, claims: Vec<Claim>) -> Result<(), P::Error> {
        let gamma = if claims.len() > 1 {
            self.party.transcript().challenge("claims")
        } else {
            E::ONE
        };
        let (mut weight, mut total) = (E::ONE, E::ZERO);
        let mut points = Vec::with_capacity(claims.len());
        for claim in claims {
            total += weight.times(claim.value);
            points.push((weight, claim.point));
            weight = weight.times(gamma);
        }
        let reduced = self.party.sum(sum, &points, total)?;
        self.tally
            .sum(sum.bound.variables(), degree(sum), points.len());
        let mut requests: Vec<Request> = Vec::new();
        let mut places = Vec::new();
        for (_, point) in &points {
            for factor in &sum.factors {
                let request = Request {
                    tensor: factor.tensor,
                    point: factor_point(&factor.variables, point, &reduced.point),
                };
                // Claims at the same point are one.
                let at = requests.iter().position(|other| *other == request);
                places.push(at.unwrap_or(requests.len()));
                if at.is_none() {
                    requests.push(request);
                }
            }
        }
        let values = self.values("factors", requests)?;
        self.party.require(
            "proof.sum",
            "a sum of products is not that of its factors",
            |_| {
                let mut places = places.iter();
                let value: E = points
                    .iter()
                    .map(|(weight, point)| {
                        let maps = maps_product(&sum.maps, point, &reduced.point);
                        sum.factors.iter().fold(weight.times(maps), |product, _| {
                            let value = places.next().and_then(|at| values.get(*at));
                            product.times(value.copied().unwrap_or_default())
                        })
                    })
                    .sum();
                value == reduced.value
            },
        )
    }
}

fn maps_product(maps: &[Map], point: &[E], bound: &[E]) -> E {
    maps.iter().fold(E::ONE, |product, map| {
        product.times(map.evaluate(point, bound))
    })
}

/// The table's number in fingerprints: 0 is the digits'.
fn tag(table: usize) -> Result<u32, Rejection> {
    u32::try_from(table)
        .ok()
        .and_then(|at| at.checked_add(1))
        .ok_or_else(broken)
}

/// The polynomial of the index: Σ 2^(n−1−i)·r_i.
#[must_use]
pub fn index(point: &[E]) -> E {
    point.iter().fold(E::ZERO, |sum, &r| sum.double().plus(r))
}

/// Polynomials of the digits' table: row 2^b + v is (b, v) for v < 2^b, row 0 is (0, 0).
#[must_use]
pub fn digit_row(point: &[E]) -> [E; 2] {
    let (mut width, mut value, mut zeros) = (E::ZERO, E::ZERO, E::ONE);
    for (place, &r) in point.iter().enumerate() {
        let rest = point.get(place.saturating_add(1)..).unwrap_or(&[]);
        // The leading one stands here.
        let here = zeros.times(r);
        width += here.scale(F::new(u32::try_from(rest.len()).unwrap_or(0)));
        value += here.times(index(rest));
        zeros = zeros.times(E::ONE.minus(r));
    }
    [width, value]
}

/// A stack's slots are where a claim's functional is; used by [`openings`].
fn weight_of(stack: &Stack, at: usize, zeta: &[E]) -> Option<(E, Vec<E>)> {
    let (weight, rest) = stack.slot(at)?.split(zeta);
    Some((weight, rest.to_vec()))
}
