//! Sums of fractions by layers of additions, the prover's side (specs/05-proof.md §10.2).

use proofmark_proof::Outgoing;
use proofmark_proof::field::E;
use proofmark_proof::fractions::{Children, Leaves};
use proofmark_proof::sumcheck::next_claim;

use crate::sumcheck::{Weighted, fold, send_round};

/// Fractions, one for each index.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Numerators.
    pub numerators: Vec<E>,
    /// Denominators.
    pub denominators: Vec<E>,
}

impl Layer {
    /// The first half added to the second.
    fn parent(&self) -> Self {
        let half = self.numerators.len() / 2;
        let (n0, n1) = self.numerators.split_at(half);
        let (d0, d1) = self.denominators.split_at(half);
        let mut parent = Self {
            numerators: Vec::with_capacity(half),
            denominators: Vec::with_capacity(half),
        };
        for at in 0..half {
            parent.numerators.push(n0[at] * d1[at] + n1[at] * d0[at]);
            parent.denominators.push(d0[at] * d1[at]);
        }
        parent
    }
}

/// Shows that the fractions of the leaves sum to zero.
#[must_use]
pub fn prove(leaves: Layer, proof: &mut Outgoing) -> Leaves {
    let mut layers = vec![leaves];
    while let Some(last) = layers.last().filter(|last| last.numerators.len() > 1) {
        let parent = last.parent();
        layers.push(parent);
    }
    let root = layers.pop().unwrap_or(Layer {
        numerators: vec![E::ZERO],
        denominators: vec![E::ONE],
    });
    proof.send_extensions("root", &root.denominators);
    let (mut numerator, mut denominator) = (E::ZERO, root.denominators[0]);
    let mut point = Vec::new();
    while let Some(layer) = layers.pop() {
        let batch = proof.transcript().challenge("batch");
        let claim = numerator + batch * denominator;
        let (mut next, children) = prove_layer(layer, &point, batch, claim, proof);
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
    layer: Layer,
    tau: &[E],
    batch: E,
    claim: E,
    proof: &mut Outgoing,
) -> (Vec<E>, Children) {
    let Layer {
        numerators: mut n0,
        denominators: mut d0,
    } = layer;
    let mut n1 = n0.split_off(n0.len() / 2);
    let mut d1 = d0.split_off(d0.len() / 2);
    let mut weighted = Weighted::new(tau);
    let mut value = claim;
    let mut point = Vec::with_capacity(tau.len());
    while n0.len() > 1 {
        let half = n0.len() / 2;
        let (mut zero, mut leading) = (E::ZERO, E::ZERO);
        for (at, weight) in weighted.rest().iter().enumerate() {
            let of = |a: &[E]| (a[at], a[half + at] - a[at]);
            let ((a, da), (b, db), (c, dc), (d, dd)) = (of(&n0), of(&n1), of(&d0), of(&d1));
            zero += *weight * (a * d + c * (b + batch * d));
            leading += *weight * (da * dd + dc * (db + batch * dd));
        }
        let sent = weighted.round(value, zero, leading);
        let challenge = send_round(proof, &sent);
        value = next_claim(value, &sent, challenge);
        point.push(challenge);
        weighted.bind(challenge);
        for table in [&mut n0, &mut n1, &mut d0, &mut d1] {
            fold(table, challenge);
        }
    }
    let children = Children {
        numerators: [n0[0], n1[0]],
        denominators: [d0[0], d1[0]],
    };
    (point, children)
}
