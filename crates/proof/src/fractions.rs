//! Sums of fractions by layers of additions, the verifier's side (specs/05-proof.md §10.2).

use alloc::vec::Vec;

use crate::field::{E, eq};
use crate::sumcheck;
use crate::{Incoming, Rejection};

/// What is left of the claim that Σ numerator/denominator = 0: both polynomials at one point.
#[derive(Debug, Clone)]
pub struct Leaves {
    /// The point.
    pub point: Vec<E>,
    /// The numerators' polynomial there.
    pub numerator: E,
    /// The denominators' polynomial there.
    pub denominator: E,
}

/// Code of every refusal here.
const CODE: &str = "proof.lookup";

/// Follows the layers from the root, whose numerator is zero, to 2^`variables` leaves.
///
/// # Errors
/// `proof.malformed`; `proof.lookup` if the sum is not zero or a layer does not follow from the next.
pub fn verify(proof: &mut Incoming<'_>, variables: usize) -> Result<Leaves, Rejection> {
    let (mut point, mut numerator) = (Vec::new(), E::ZERO);
    let mut denominator = receive_one(proof, "root")?;
    if denominator == E::ZERO {
        return Err(Rejection::failed(CODE, "the sum of the fractions is none"));
    }
    for layer in 0..variables {
        let batch = proof.transcript().challenge("batch");
        let claim = numerator.plus(batch.times(denominator));
        let reduced = sumcheck::verify(proof, claim, layer, 3)?;
        let children = Children::receive(proof)?;
        let expected = eq(&point, &reduced.point).times(children.parent(batch));
        if expected != reduced.value {
            return Err(Rejection::failed(
                CODE,
                "a layer of fractions does not follow from the next",
            ));
        }
        let fold = proof.transcript().challenge("fold");
        numerator = between(children.numerators, fold);
        denominator = between(children.denominators, fold);
        point = reduced.point;
        point.insert(0, fold);
    }
    Ok(Leaves {
        point,
        numerator,
        denominator,
    })
}

fn receive_one(proof: &mut Incoming<'_>, label: &str) -> Result<E, Rejection> {
    let values = proof.receive_extensions(label, 1)?;
    values
        .first()
        .copied()
        .ok_or(Rejection::failed(CODE, "a value is missing"))
}

/// The polynomials of the two halves of a layer, at one point.
#[derive(Debug, Clone, Copy)]
pub struct Children {
    /// Numerators of the first and of the second half.
    pub numerators: [E; 2],
    /// Denominators.
    pub denominators: [E; 2],
}

impl Children {
    fn receive(proof: &mut Incoming<'_>) -> Result<Self, Rejection> {
        let values = proof.receive_extensions("children", 4)?;
        let &[a, b, c, d] = values.as_slice() else {
            return Err(Rejection::failed(CODE, "a value is missing"));
        };
        Ok(Self {
            numerators: [a, b],
            denominators: [c, d],
        })
    }

    /// n₀·d₁ + n₁·d₀ + batch·d₀·d₁.
    #[must_use]
    pub fn parent(&self, batch: E) -> E {
        let ([n0, n1], [d0, d1]) = (self.numerators, self.denominators);
        n0.times(d1).plus(d0.times(n1.plus(batch.times(d1))))
    }
}

/// a + t·(b − a).
fn between([a, b]: [E; 2], t: E) -> E {
    a.plus(t.times(b.minus(a)))
}
