//! Sums of fractions by layers of additions, the prover's side (specs/05-proof.md §10.2).

use proofmark_kernels::field::{Fractions, Planes};
use proofmark_proof::Outgoing;
use proofmark_proof::field::E;
use proofmark_proof::fractions::{Children, Leaves};
use proofmark_proof::sumcheck::next_claim;

use crate::Machine;
use crate::sumcheck::{Weighted, send_round};

/// Fractions, one for each index of at least one variable, the two values of the first variable apart.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Numerators of the first half, and of the second.
    pub numerators: [Planes; 2],
    /// Denominators.
    pub denominators: [Planes; 2],
}

impl Layer {
    /// 2^variables fractions 0/1.
    #[must_use]
    pub fn neutral(machine: Machine<'_>, variables: usize) -> Self {
        let half = (1 << variables) / 2;
        let mut ones = Planes::zeros(half);
        ones.fill(0..half, E::ONE, machine.pool);
        Self {
            numerators: [Planes::zeros(half), Planes::zeros(half)],
            denominators: [ones.clone(), ones],
        }
    }

    /// Sets the fractions from `offset` on to count/(start + Σ slope·value).
    pub(crate) fn set(
        &mut self,
        machine: Machine<'_>,
        offset: usize,
        numerators: Numerators<'_>,
        start: E,
        slopes: &[(E, &[i32])],
    ) {
        let Machine { pool, isa } = machine;
        let half = self.numerators[0].len();
        let len = slopes.first().map_or(0, |(_, values)| values.len());
        for (number, (n, d)) in (0..).zip(self.numerators.iter_mut().zip(&mut self.denominators)) {
            let begin = number * half;
            let from = offset.clamp(begin, begin + half);
            let to = (offset + len).clamp(begin, begin + half);
            if from == to {
                continue;
            }
            let (range, part) = (from - begin..to - begin, from - offset..to - offset);
            match numerators {
                Numerators::One => n.fill(range.clone(), E::ONE, pool),
                Numerators::Minus(counts) => {
                    let minus = E::ZERO - E::ONE;
                    let counts = &counts[part.clone()];
                    n.set_affine(range.clone(), E::ZERO, minus, counts, pool, isa);
                }
            }
            for (number, (slope, values)) in slopes.iter().enumerate() {
                let values = &values[part.clone()];
                if number == 0 {
                    d.set_affine(range.clone(), start, *slope, values, pool, isa);
                } else {
                    d.add_multiples(range.clone(), *slope, values, pool, isa);
                }
            }
        }
    }

    fn fractions(&self) -> Fractions<'_> {
        let ([n0, n1], [d0, d1]) = (&self.numerators, &self.denominators);
        Fractions {
            numerators: [n0, n1],
            denominators: [d0, d1],
        }
    }

    /// The first half added to the second; none if that is one fraction.
    fn parent(&self, machine: Machine<'_>) -> Option<Self> {
        let half = self.numerators[0].len() / 2;
        if half == 0 {
            return None;
        }
        let [first, second] = [0..half, half..2 * half]
            .map(|range| self.fractions().add(range, machine.pool, machine.isa));
        Some(Self {
            numerators: [first.0, second.0],
            denominators: [first.1, second.1],
        })
    }
}

/// Numerators of a range of fractions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Numerators<'a> {
    /// 1 each.
    One,
    /// The negatives of these.
    Minus(&'a [i32]),
}

/// Shows that the fractions of the leaves sum to zero.
#[must_use]
pub fn prove(machine: Machine<'_>, leaves: Layer, proof: &mut Outgoing) -> Leaves {
    let mut layers = vec![leaves];
    while let Some(parent) = layers.last().and_then(|last| last.parent(machine)) {
        layers.push(parent);
    }
    let root = layers.last().map_or(E::ONE, |last| {
        last.denominators[0].at(0) * last.denominators[1].at(0)
    });
    proof.send_extensions("root", &[root]);
    let (mut numerator, mut denominator) = (E::ZERO, root);
    let mut point = Vec::new();
    while let Some(layer) = layers.pop() {
        let batch = proof.transcript().challenge("batch");
        let claim = numerator + batch * denominator;
        let (mut next, children) = prove_layer(machine, layer, &point, batch, claim, proof);
        let (n, d) = (children.numerators, children.denominators);
        proof.send_extensions("children", &[n[0], n[1], d[0], d[1]]);
        let challenge = proof.transcript().challenge("fold");
        numerator = n[0] + challenge * (n[1] - n[0]);
        denominator = d[0] + challenge * (d[1] - d[0]);
        next.insert(0, challenge);
        point = next;
    }
    Leaves {
        point,
        numerator,
        denominator,
    }
}

fn prove_layer(
    machine: Machine<'_>,
    mut layer: Layer,
    tau: &[E],
    batch: E,
    claim: E,
    proof: &mut Outgoing,
) -> (Vec<E>, Children) {
    let Machine { pool, isa } = machine;
    let mut weighted = Weighted::new(machine, tau);
    let mut value = claim;
    let mut point = Vec::with_capacity(tau.len());
    while layer.numerators[0].len() > 1 {
        let fractions = layer.fractions();
        let (zero, leading) = fractions.round(batch, weighted.rest(), pool, isa);
        let sent = weighted.round(value, zero, leading);
        let challenge = send_round(proof, &sent);
        value = next_claim(value, &sent, challenge);
        point.push(challenge);
        weighted.bind(machine, challenge);
        for table in layer.numerators.iter_mut().chain(&mut layer.denominators) {
            table.bind(challenge, pool, isa);
        }
    }
    let children = Children {
        numerators: layer.numerators.map(|half| half.at(0)),
        denominators: layer.denominators.map(|half| half.at(0)),
    };
    (point, children)
}
