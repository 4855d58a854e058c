//! Sumcheck, the prover's side (specs/05-proof.md §10.1): the first variable is bound first, so halves are folded onto each other.

use proofmark_proof::Outgoing;
use proofmark_proof::field::{E, F};
use proofmark_proof::sumcheck::{Reduced, next_claim};

/// Σ_t Π tables over the hypercube.
#[derive(Debug, Clone)]
pub struct Products {
    /// Tables of equal lengths.
    pub tables: Vec<Vec<E>>,
    /// Which tables each term multiplies, at most three.
    pub terms: Vec<Vec<usize>>,
}

/// Where a sumcheck ended, with the tables' values there.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Point and value.
    pub reduced: Reduced,
    /// Value of each table.
    pub tables: Vec<E>,
}

impl Products {
    /// Sends all rounds, each as the values at 0, 2, …, `degree`.
    #[must_use]
    pub fn prove(mut self, claim: E, degree: usize, proof: &mut Outgoing) -> Ended {
        let mut value = claim;
        let mut point = Vec::new();
        while self.tables.first().is_some_and(|table| table.len() > 1) {
            let sent = self.round(degree);
            let challenge = send_round(proof, &sent);
            value = next_claim(value, &sent, challenge);
            point.push(challenge);
            for table in &mut self.tables {
                fold(table, challenge);
            }
        }
        let first = |table: &Vec<E>| table.first().copied().unwrap_or_default();
        Ended {
            reduced: Reduced { point, value },
            tables: self.tables.iter().map(first).collect(),
        }
    }

    fn round(&self, degree: usize) -> Vec<E> {
        let half = self.tables[0].len() / 2;
        let mut sums = vec![E::ZERO; degree];
        for term in &self.terms {
            for at in 0..half {
                let mut products = [E::ONE; 4];
                for (number, table) in term.iter().enumerate() {
                    let (low, high) = (self.tables[*table][at], self.tables[*table][half + at]);
                    let step = high - low;
                    let mut here = low;
                    for (node, product) in products.iter_mut().take(degree).enumerate() {
                        if node == 1 {
                            // The value at 1 follows from the claim.
                            here = high + step;
                        } else if node > 1 {
                            here += step;
                        }
                        *product = if number == 0 { here } else { *product * here };
                    }
                }
                for (sum, product) in sums.iter_mut().zip(products) {
                    *sum += product;
                }
            }
        }
        sums
    }
}

/// Σ_x values(x)·weights(x): the first round is over the base field.
pub(crate) fn prove_product(
    values: &[F],
    mut weights: Vec<E>,
    claim: E,
    proof: &mut Outgoing,
) -> Ended {
    let half = values.len() / 2;
    if half == 0 {
        let tables = vec![vec![E::from_base(values[0])], weights];
        let terms = vec![vec![0, 1]];
        return Products { tables, terms }.prove(claim, 2, proof);
    }
    let (low, high) = values.split_at(half);
    let mut sent = [E::ZERO; 2];
    for at in 0..half {
        let (a, b) = (weights[at], weights[half + at]);
        sent[0] += a.scale(low[at]);
        sent[1] += (b.double() - a).scale(high[at].double() - low[at]);
    }
    let challenge = send_round(proof, &sent);
    let value = next_claim(claim, &sent, challenge);
    fold(&mut weights, challenge);
    let tables = vec![fold_base(values, challenge), weights];
    let terms = vec![vec![0, 1]];
    let mut ended = Products { tables, terms }.prove(value, 2, proof);
    ended.reduced.point.insert(0, challenge);
    ended
}

/// Binds the first variable of a table over the base field.
pub(crate) fn fold_base(values: &[F], challenge: E) -> Vec<E> {
    let (low, high) = values.split_at(values.len() / 2);
    low.iter()
        .zip(high)
        .map(|(&low, &high)| E::from_base(low) + challenge.scale(high - low))
        .collect()
}

/// Sends a round and draws its challenge.
pub(crate) fn send_round(proof: &mut Outgoing, sent: &[E]) -> E {
    proof.send_extensions("round", sent);
    proof.transcript().challenge("round")
}

/// Binds the first variable.
pub(crate) fn fold(table: &mut Vec<E>, challenge: E) {
    let half = table.len() / 2;
    let (low, high) = table.split_at_mut(half);
    for (low, high) in low.iter_mut().zip(high) {
        *low += (*high - *low) * challenge;
    }
    table.truncate(half);
}

/// A sum Σ_x eq(tau, x)·q(x) with q quadratic, one variable after another, with eq's part taken out.
#[derive(Debug, Clone)]
pub(crate) struct Weighted<'t> {
    tau: &'t [E],
    bound: usize,
    /// eq(tau, point) over the bound variables.
    scale: E,
    /// eq over the variables after the next one.
    rest: Vec<E>,
}

impl<'t> Weighted<'t> {
    pub(crate) fn new(tau: &'t [E]) -> Self {
        Self {
            tau,
            bound: 0,
            scale: E::ONE,
            rest: proofmark_proof::field::eq_table(tau.get(1..).unwrap_or(&[])),
        }
    }

    /// eq over the variables after the next one.
    pub(crate) fn rest(&self) -> &[E] {
        &self.rest
    }

    /// The round's values at 0, 2, 3, given `claim`, q's value at 0 and its leading coefficient.
    pub(crate) fn round(&self, claim: E, zero: E, leading: E) -> [E; 3] {
        let tau = self.tau[self.bound];
        // claim = scale·((1 − tau)·q(0) + tau·q(1))
        let known = self.scale * (E::ONE - tau) * zero;
        let one = (claim - known) * (self.scale * tau).inverse().unwrap_or_default();
        let slope = one - zero - leading;
        let at = |x: u32| {
            let x = E::new(x);
            let eq = (E::ONE - tau) * (E::ONE - x) + tau * x;
            self.scale * eq * (zero + x * (slope + x * leading))
        };
        [at(0), at(2), at(3)]
    }

    pub(crate) fn bind(&mut self, challenge: E) {
        let tau = self.tau[self.bound];
        self.scale *= (E::ONE - tau) * (E::ONE - challenge) + tau * challenge;
        self.bound += 1;
        // Sums over the next variable.
        let half = self.rest.len() / 2;
        for at in 0..half {
            let high = self.rest[half + at];
            self.rest[at] += high;
        }
        self.rest.truncate(half.max(1));
    }
}
