//! The protocol (§10).

use proofmark_field::{E, F, eq};

use crate::integer::P;
use crate::plan::{Check, Kind, Place, Plan, Rule, Sum};
use crate::shape::pick;
use crate::{Code, Input};

/// What was drawn (§12).
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: usize,
    pub(crate) points: usize,
    pub(crate) batches: usize,
}

/// A claim on the witness: what it weighs, and its value.
pub(crate) enum Functional {
    /// The digits at a point of the leaves.
    Digits(Vec<E>),
    /// A column at a point.
    Column(usize, Vec<E>),
}

pub(crate) struct Run<'r, 'p> {
    pub(crate) plan: &'r Plan,
    pub(crate) input: Input<'p>,
    pub(crate) tally: Tally,
    /// Claims by tensor.
    claims: Vec<Vec<(Vec<E>, E)>>,
    pub(crate) witness: Vec<(Functional, E)>,
    /// Claims by constant.
    pub(crate) constants: Vec<Vec<(Vec<E>, E)>>,
}

/// §10.1.
pub(crate) fn sumcheck(
    input: &mut Input<'_>,
    mut claim: E,
    variables: usize,
    degree: usize,
) -> Result<(Vec<E>, E), Code> {
    let mut point = Vec::new();
    for _ in 0..variables {
        let mut values = input.extensions("round", degree)?;
        values.insert(1, claim - values[0]);
        let z = input.transcript.challenge("round");
        // Lagrange, at 0, 1, 2, ….
        claim = E::ZERO;
        for (i, value) in (0..).zip(&values) {
            let (mut above, mut below) = (E::ONE, F::ONE);
            for j in (0..values.len() as i64).filter(|j| *j != i) {
                above *= z - E::from_base(F::from_i64(j));
                below *= F::from_i64(i - j);
            }
            let inverse = below.inverse().unwrap_or(F::ZERO);
            claim += (*value * above).scale(inverse);
        }
        point.push(z);
    }
    Ok((point, claim))
}

/// An integer as an element of F.
fn element(x: i128) -> F {
    F::from_i64((x % P) as i64)
}

impl<'r, 'p> Run<'r, 'p> {
    pub(crate) fn new(plan: &'r Plan, input: Input<'p>, count: usize) -> Self {
        Self {
            plan,
            input,
            tally: Tally::default(),
            claims: vec![Vec::new(); plan.tensors.len()],
            witness: Vec::new(),
            constants: vec![Vec::new(); count],
        }
    }

    /// Everything but the openings.
    pub(crate) fn all(&mut self) -> Result<(), Code> {
        self.lookups()?;
        for check in &self.plan.checks {
            self.check(check)?;
        }
        for &zero in &self.plan.zeros {
            let variables = self.plan.tensors[zero].shape.variables();
            let point = self.input.transcript.challenges("zero", variables);
            self.tally.points += variables;
            self.claims[zero].push((point, E::ZERO));
        }
        for tensor in (0..self.plan.tensors.len()).rev() {
            self.tensor(tensor)?;
        }
        Ok(())
    }

    /// Values of tensors at points, each a claim.
    fn values(&mut self, label: &str, of: Vec<(usize, Vec<E>)>) -> Result<Vec<E>, Code> {
        let values = self.input.extensions(label, of.len())?;
        for ((tensor, point), value) in of.into_iter().zip(&values) {
            self.claims[tensor].push((point, *value));
        }
        Ok(values)
    }

    /// The layers (§10.2): a point of the leaves, numerator and denominator there.
    fn layers(&mut self) -> Result<(Vec<E>, E, E), Code> {
        let mut denominator = self.input.extensions("root", 1)?[0];
        if denominator == E::ZERO {
            return Err("proof.lookup");
        }
        let (mut numerator, mut point) = (E::ZERO, Vec::new());
        for layer in 0..self.plan.leaves().variables {
            let mu = self.input.transcript.challenge("batch");
            let claim = numerator + mu * denominator;
            let (mut next, value) = sumcheck(&mut self.input, claim, layer, 3)?;
            let children = self.input.extensions("children", 4)?;
            let [n0, n1, d0, d1] = [0, 1, 2, 3].map(|at: usize| children[at]);
            if eq(&point, &next) * (n0 * d1 + n1 * d0 + mu * d0 * d1) != value {
                return Err("proof.lookup");
            }
            let z = self.input.transcript.challenge("fold");
            numerator = n0 + z * (n1 - n0);
            denominator = d0 + z * (d1 - d0);
            next.insert(0, z);
            point = next;
            self.tally.rounds += 3 * layer;
            self.tally.points += 1;
            self.tally.batches += 1;
        }
        Ok((point, numerator, denominator))
    }

    fn lookups(&mut self) -> Result<(), Code> {
        let plan = self.plan;
        let drawn = self.input.transcript.challenges("fingerprint", 2);
        let (alpha, lambda) = (drawn[0], drawn[1]);
        let square = lambda * lambda;
        let (point, numerator, denominator) = self.layers()?;
        let stack = plan.leaves();
        let digits = self.input.extensions("digits", 1)?[0];
        self.witness
            .push((Functional::Digits(point.clone()), digits));
        let (mut covered, mut above, mut below) = (E::ZERO, E::ZERO, E::ZERO);
        let mut slot = 0;
        for column in plan.order().0 {
            let Kind::Digit(width) = plan.columns[column].1 else {
                continue;
            };
            let weight = stack.split(slot, &point).0;
            covered += weight;
            above += weight;
            below += weight * (alpha - lambda * E::new(width));
            slot += 1;
        }
        below -= square * digits;
        for &(table, key, value) in &plan.lookups {
            let (weight, rest) = stack.split(slot, &point);
            let of = vec![(key, rest.to_vec()), (value, rest.to_vec())];
            let values = self.values("keys", of)?;
            covered += weight;
            above += weight;
            let tag = E::new(table as u32 + 1);
            below += weight * (alpha - tag - lambda * values[0] - square * values[1]);
            slot += 1;
        }
        // Row 2^b + v is (b, v).
        let (weight, rest) = stack.split(slot, &point);
        let of = plan.columns.last().ok_or("proof.plan")?.0;
        let count = self.values("multiplicity", vec![(of, rest.to_vec())])?[0];
        let (mut widths, mut values) = (E::ZERO, E::ZERO);
        for (row, weight) in (0_u32..).zip(proofmark_field::eq_table(rest)).skip(1) {
            widths += weight * E::new(row.ilog2());
            values += weight * E::new(row - (1 << row.ilog2()));
        }
        covered += weight;
        above -= weight * count;
        below += weight * (alpha - lambda * widths - square * values);
        slot += 1;
        for (table, &(rows, counts)) in (1_u32..).zip(&plan.tables) {
            let (weight, rest) = stack.split(slot, &point);
            let count = self.values("multiplicity", vec![(counts, rest.to_vec())])?[0];
            let value = self.values("row", vec![(rows, rest.to_vec())])?[0];
            let index = rest.iter().fold(E::ZERO, |sum, r| sum + sum + *r);
            covered += weight;
            above -= weight * count;
            below += weight * (alpha - E::new(table) - lambda * index - square * value);
            slot += 1;
        }
        below += E::ONE - covered;
        if above == numerator && below == denominator {
            Ok(())
        } else {
            Err("proof.lookup")
        }
    }

    /// §10.3.
    fn check(&mut self, check: &Check) -> Result<(), Code> {
        let tau = self.input.transcript.challenges("cell", check.variables);
        let gamma = self.input.transcript.challenge("constraints");
        let (point, value) = sumcheck(&mut self.input, E::ZERO, check.variables, 3)?;
        self.tally.rounds += 3 * check.variables;
        self.tally.points += check.variables;
        self.tally.batches += check.constraints.len() - 1;
        let wires = check.wires.iter();
        let of = wires.map(|wire| (wire.tensor, pick(&point, &wire.variables)));
        let wires = self.values("wires", of.collect())?;
        let (mut sum, mut power) = (E::ZERO, E::ONE);
        for constraint in &check.constraints {
            for (coefficient, factors) in constraint {
                let product = factors
                    .iter()
                    .fold(power, |product, at| product * wires[*at]);
                sum += product.scale(element(*coefficient));
            }
            power *= gamma;
        }
        if eq(&tau, &point) * sum == value {
            Ok(())
        } else {
            Err("proof.constraint")
        }
    }

    /// §10.4.
    fn tensor(&mut self, tensor: usize) -> Result<(), Code> {
        let claims = std::mem::take(&mut self.claims[tensor]);
        let of = &self.plan.tensors[tensor];
        if let Rule::Sum(sum) = &of.rule {
            return if claims.is_empty() {
                Ok(())
            } else {
                self.sum(sum, &claims)
            };
        }
        for (point, value) in claims {
            let public = match &of.rule {
                Rule::Given(elements) | Rule::Below(_, elements) => {
                    of.shape.evaluate(elements, &point)
                }
                Rule::Inside(masks, maps) => maps
                    .iter()
                    .fold(of.shape.masks(masks, &point), |product, map| {
                        product * map.rows_with_ones(&point)
                    }),
                Rule::Column(column) => {
                    let functional = Functional::Column(*column, point);
                    self.witness.push((functional, value));
                    continue;
                }
                Rule::Constant(index) => {
                    self.constants[*index].push((point, value));
                    continue;
                }
                Rule::Linear(terms) => {
                    if let [term] = terms.as_slice()
                        && let (1, Some((x, variables)), []) =
                            (term.coefficient, &term.tensor, term.masks.as_slice())
                    {
                        self.claims[*x].push((pick(&point, variables), value));
                        continue;
                    }
                    let tensors = terms.iter().filter_map(|term| term.tensor.as_ref());
                    let of_terms = tensors.map(|(x, variables)| (*x, pick(&point, variables)));
                    let values = self.values("terms", of_terms.collect())?;
                    let (mut values, mut sum) = (values.into_iter(), E::ZERO);
                    for term in terms {
                        let x = term.tensor.as_ref().and_then(|_| values.next());
                        let masked = x.unwrap_or(E::ONE) * of.shape.masks(&term.masks, &point);
                        sum += masked.scale(element(term.coefficient));
                    }
                    if sum != value {
                        return Err("proof.sum");
                    }
                    continue;
                }
                Rule::Sum(_) => continue,
            };
            if public != value {
                return Err("proof.statement");
            }
        }
        Ok(())
    }

    fn sum(&mut self, sum: &Sum, claims: &[(Vec<E>, E)]) -> Result<(), Code> {
        let gamma = if claims.len() > 1 {
            self.input.transcript.challenge("claims")
        } else {
            E::ONE
        };
        let (mut total, mut power) = (E::ZERO, E::ONE);
        for (_, value) in claims {
            total += power * *value;
            power *= gamma;
        }
        let degree = sum.factors.len() + usize::from(!sum.maps.is_empty());
        let (bound, value) = sumcheck(&mut self.input, total, sum.bound, degree)?;
        self.tally.rounds += degree * sum.bound;
        self.tally.batches += claims.len() - 1;
        let mut of: Vec<(usize, Vec<E>)> = Vec::new();
        let mut places = Vec::new();
        for (point, _) in claims {
            for (factor, variables) in &sum.factors {
                let at = |place: &Place| match place {
                    Place::Free(at) => point[*at],
                    Place::Bound(at) => bound[*at],
                };
                let at = (*factor, variables.iter().map(at).collect());
                let known = of.iter().position(|other| *other == at);
                places.push(known.unwrap_or(of.len()));
                if known.is_none() {
                    of.push(at);
                }
            }
        }
        let values = self.values("factors", of)?;
        let (mut found, mut power) = (E::ZERO, E::ONE);
        for ((point, _), places) in claims.iter().zip(places.chunks(sum.factors.len())) {
            let maps = sum.maps.iter().map(|map| map.evaluate(point, &bound));
            let product = maps.fold(power, |product, x| product * x);
            found += places
                .iter()
                .fold(product, |product, at| product * values[*at]);
            power *= gamma;
        }
        if found == value {
            Ok(())
        } else {
            Err("proof.sum")
        }
    }
}
