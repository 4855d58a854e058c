//! Constraints over a domain: Σ_x eq(tau, x)·form(wires(x)) = 0.

use proofmark_proof::Outgoing;
use proofmark_proof::field::{E, F};
use proofmark_proof::plan::{Check, Form};
use proofmark_proof::sumcheck::{Reduced, next_claim};

use crate::sumcheck::{Weighted, fold, fold_base, send_round};
use crate::witness::{Projection, Witness};

/// Where the sumcheck ended, with the wires' values there.
pub(super) struct Ended {
    pub(super) reduced: Reduced,
    pub(super) wires: Vec<E>,
}

/// Sends all rounds.
pub(super) fn prove(
    witness: &Witness,
    check: &Check,
    form: &Form,
    tau: &[E],
    proof: &mut Outgoing,
) -> Ended {
    let variables = check.shape.variables();
    let values: Vec<Vec<F>> = check
        .wires
        .iter()
        .map(|wire| {
            let values = &witness.values[wire.tensor];
            let projection = Projection::new(variables, &wire.variables);
            (0..1 << variables)
                .map(|at| F::from_i32(values[projection.at(at)]))
                .collect()
        })
        .collect();
    let mut linear = vec![form.constant; 1 << variables];
    for (wire, weight) in values.iter().zip(&form.linear) {
        if *weight != E::ZERO {
            for (sum, value) in linear.iter_mut().zip(wire) {
                *sum += weight.scale(*value);
            }
        }
    }
    let mut rounds = Rounds {
        weighted: Weighted::new(tau),
        value: E::ZERO,
        point: Vec::with_capacity(variables),
    };
    if variables == 0 {
        let wires = values.iter().map(|wire| E::from_base(wire[0])).collect();
        return rounds.end(wires);
    }
    // The first round is over the base field.
    let half = linear.len() / 2;
    let (mut zero, mut leading) = (E::ZERO, E::ZERO);
    for (at, weight) in rounds.weighted.rest().iter().enumerate() {
        let mut low = linear[at];
        let mut square = E::ZERO;
        for (a, b, coefficient) in &form.products {
            let (a, b) = (&values[*a], &values[*b]);
            let (a0, b0) = (a[at], b[at]);
            low += coefficient.scale(a0 * b0);
            square += coefficient.scale((a[half + at] - a0) * (b[half + at] - b0));
        }
        zero += *weight * low;
        leading += *weight * square;
    }
    let challenge = rounds.send(zero, leading, proof);
    fold(&mut linear, challenge);
    let mut wires: Vec<Vec<E>> = values
        .iter()
        .map(|wire| fold_base(wire, challenge))
        .collect();
    drop(values);
    for _ in 1..variables {
        let half = linear.len() / 2;
        let (mut zero, mut leading) = (E::ZERO, E::ZERO);
        for (at, weight) in rounds.weighted.rest().iter().enumerate() {
            let mut low = linear[at];
            let mut square = E::ZERO;
            for (a, b, coefficient) in &form.products {
                let (a, b) = (&wires[*a], &wires[*b]);
                let (a0, b0) = (a[at], b[at]);
                low += *coefficient * a0 * b0;
                square += *coefficient * (a[half + at] - a0) * (b[half + at] - b0);
            }
            zero += *weight * low;
            leading += *weight * square;
        }
        let challenge = rounds.send(zero, leading, proof);
        fold(&mut linear, challenge);
        for wire in &mut wires {
            fold(wire, challenge);
        }
    }
    rounds.end(wires.iter().map(|wire| wire[0]).collect())
}

/// What the rounds carry along.
struct Rounds<'t> {
    weighted: Weighted<'t>,
    value: E,
    point: Vec<E>,
}

impl Rounds<'_> {
    fn send(&mut self, zero: E, leading: E, proof: &mut Outgoing) -> E {
        let sent = self.weighted.round(self.value, zero, leading);
        let challenge = send_round(proof, &sent);
        self.value = next_claim(self.value, &sent, challenge);
        self.point.push(challenge);
        self.weighted.bind(challenge);
        challenge
    }

    fn end(self, wires: Vec<E>) -> Ended {
        let reduced = Reduced {
            point: self.point,
            value: self.value,
        };
        Ended { reduced, wires }
    }
}
