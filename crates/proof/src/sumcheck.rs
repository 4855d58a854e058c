//! Sumcheck, the verifier's side (specs/05-proof.md §10.1).

use alloc::vec::Vec;

use crate::field::{E, F};
use crate::{Incoming, Rejection};

/// What is left of a claim Σ_x f(x) = v after all rounds: f(point) = value.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// The challenges, in the order of the variables.
    pub point: Vec<E>,
    /// What f is claimed to be there.
    pub value: E,
}

/// Follows the rounds for a polynomial of this degree in each variable.
///
/// # Errors
/// `proof.malformed` if the proof ends.
pub fn verify(
    proof: &mut Incoming<'_>,
    claim: E,
    variables: usize,
    degree: usize,
) -> Result<Reduced, Rejection> {
    let (mut point, mut value) = (Vec::with_capacity(variables), claim);
    for _ in 0..variables {
        let sent = proof.receive_extensions("round", degree)?;
        let challenge = proof.transcript().challenge("round");
        value = next_claim(value, &sent, challenge);
        point.push(challenge);
    }
    Ok(Reduced { point, value })
}

/// g(challenge), for the polynomial g with g(0) + g(1) = `claim` and the `sent` values at 0, 2, 3, ….
#[must_use]
pub fn next_claim(claim: E, sent: &[E], challenge: E) -> E {
    let mut values = sent.to_vec();
    let zero = values.first().copied().unwrap_or_default();
    values.insert(values.len().min(1), claim.minus(zero));
    interpolate(&values, challenge)
}

/// The value at `at` of the polynomial of least degree with these values at 0, 1, 2, ….
#[must_use]
pub fn interpolate(values: &[E], at: E) -> E {
    let nodes: Vec<F> = (0_u32..).take(values.len()).map(F::new).collect();
    let mut sum = E::ZERO;
    for (i, &value) in values.iter().enumerate() {
        let (mut numerator, mut denominator) = (E::ONE, F::ONE);
        for (j, &node) in nodes.iter().enumerate() {
            if let (true, Some(&own)) = (i != j, nodes.get(i)) {
                numerator = numerator.times(at.minus(E::from_base(node)));
                denominator *= own.minus(node);
            }
        }
        // Nodes differ, so the denominator is not zero.
        let inverse = denominator.inverse().unwrap_or_default();
        sum += value.times(numerator).scale(inverse);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_gives_cubics() {
        let f = |x: E| x.times(x).times(x).plus(x.double()).minus(E::new(7));
        let values: Vec<E> = (0..4).map(|x| f(E::new(x))).collect();
        let at = E([3, 1, 4, 1, 5].map(F::new));
        assert_eq!(interpolate(&values, at), f(at));
        let claim = f(E::ZERO).plus(f(E::ONE));
        let sent = [f(E::ZERO), f(E::new(2)), f(E::new(3))];
        assert_eq!(next_claim(claim, &sent, at), f(at));
        assert_eq!(interpolate(&[], at), E::ZERO);
    }
}
