//! Sumcheck, the prover's side (specs/05-proof.md §10.1): the first variable is bound first, so halves are folded onto each other.

use proofmark_kernels::field::{MOST, Planes, product_round, word_round};
use proofmark_proof::Outgoing;
use proofmark_proof::field::{E, F};
use proofmark_proof::sumcheck::{Reduced, next_claim};

use crate::Machine;

/// Σ_t Π tables over the hypercube.
#[derive(Debug, Clone)]
pub struct Products {
    /// Tables of equal lengths.
    pub tables: Vec<Planes>,
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
    pub fn prove(
        mut self,
        machine: Machine<'_>,
        claim: E,
        degree: usize,
        proof: &mut Outgoing,
    ) -> Ended {
        let mut value = claim;
        let mut point = Vec::new();
        while self.tables.first().is_some_and(|table| table.len() > 1) {
            let sent = self.round(machine, degree);
            let challenge = send_round(proof, &sent);
            value = next_claim(value, &sent, challenge);
            point.push(challenge);
            for table in &mut self.tables {
                table.bind(challenge, machine.pool, machine.isa);
            }
        }
        Ended {
            reduced: Reduced { point, value },
            tables: self.tables.iter().map(|table| table.at(0)).collect(),
        }
    }

    fn round(&self, machine: Machine<'_>, degree: usize) -> Vec<E> {
        let mut sums = [E::ZERO; MOST];
        for term in &self.terms {
            let tables: Vec<&Planes> = term.iter().map(|&table| &self.tables[table]).collect();
            let values = product_round(&tables, degree, machine.pool, machine.isa);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
        sums[..degree].to_vec()
    }
}

/// Σ_x values(x)·weights(x): the first round is over the base field.
pub(crate) fn prove_product(
    machine: Machine<'_>,
    values: &[F],
    mut weights: Planes,
    claim: E,
    proof: &mut Outgoing,
) -> Ended {
    let Machine { pool, isa } = machine;
    let terms = vec![vec![0, 1]];
    if values.len() < 2 {
        let tables = vec![Planes::new(1, |_| E::from_base(values[0])), weights];
        return Products { tables, terms }.prove(machine, claim, 2, proof);
    }
    let sent = word_round(values, &weights, pool, isa);
    let challenge = send_round(proof, &sent);
    let value = next_claim(claim, &sent, challenge);
    weights.bind(challenge, pool, isa);
    let tables = vec![Planes::bound(values, challenge, pool, isa), weights];
    let mut ended = Products { tables, terms }.prove(machine, value, 2, proof);
    ended.reduced.point.insert(0, challenge);
    ended
}

/// Sends a round and draws its challenge.
pub(crate) fn send_round(proof: &mut Outgoing, sent: &[E]) -> E {
    proof.send_extensions("round", sent);
    proof.transcript().challenge("round")
}

/// A sum Σ_x eq(tau, x)·q(x) with q quadratic, one variable after another, with eq's part taken out.
#[derive(Debug, Clone)]
pub(crate) struct Weighted<'t> {
    tau: &'t [E],
    bound: usize,
    /// eq(tau, point) over the bound variables.
    scale: E,
    /// eq over the variables after the next one.
    rest: Planes,
}

impl<'t> Weighted<'t> {
    pub(crate) fn new(machine: Machine<'_>, tau: &'t [E]) -> Self {
        Self {
            tau,
            bound: 0,
            scale: E::ONE,
            rest: Planes::eq(tau.get(1..).unwrap_or(&[]), machine.pool, machine.isa),
        }
    }

    /// eq over the variables after the next one.
    pub(crate) const fn rest(&self) -> &Planes {
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

    pub(crate) fn bind(&mut self, machine: Machine<'_>, challenge: E) {
        let tau = self.tau[self.bound];
        self.scale *= (E::ONE - tau) * (E::ONE - challenge) + tau * challenge;
        self.bound += 1;
        if self.rest.len() > 1 {
            self.rest.sum_first(machine.pool, machine.isa);
        }
    }
}
