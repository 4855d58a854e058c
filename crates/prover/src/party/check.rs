//! Constraints over a domain: Σ_x eq(tau, x)·form(wires(x)) = 0.

use proofmark_kernels::field::{Form as Wired, Planes, form_round, form_word_round, to_field};
use proofmark_proof::Outgoing;
use proofmark_proof::field::{E, F};
use proofmark_proof::plan::{Check, Form};
use proofmark_proof::sumcheck::{Reduced, next_claim};

use crate::Machine;
use crate::sumcheck::{Weighted, send_round};
use crate::witness::{Projection, Witness};

/// Where the sumcheck ended, with the wires' values there.
pub(super) struct Ended {
    pub(super) reduced: Reduced,
    pub(super) wires: Vec<E>,
}

/// Sends all rounds.
pub(super) fn prove(
    machine: Machine<'_>,
    witness: &Witness,
    check: &Check,
    form: &Form,
    tau: &[E],
    proof: &mut Outgoing,
) -> Ended {
    let variables = check.shape.variables();
    let Machine { pool, isa } = machine;
    let mut linear = Planes::zeros(1 << variables);
    linear.fill(0..1 << variables, form.constant, pool);
    let mut words: Vec<Vec<F>> = Vec::with_capacity(check.wires.len());
    for (wire, weight) in check.wires.iter().zip(&form.linear) {
        let values = &witness.values[wire.tensor];
        let values = Projection::new(variables, &wire.variables).apply(variables, values, pool);
        if *weight != E::ZERO {
            linear.add_multiples(0..values.len(), *weight, &values, pool, isa);
        }
        let mut elements = vec![F::ZERO; values.len()];
        to_field(&values, &mut elements, pool, isa);
        words.push(elements);
    }
    let mut rounds = Rounds {
        machine,
        weighted: Weighted::new(machine, tau),
        value: E::ZERO,
        point: Vec::with_capacity(variables),
    };
    if variables == 0 {
        let wires = words.iter().map(|wire| E::from_base(wire[0])).collect();
        return rounds.end(wires);
    }
    // The first round is over the base field.
    let form_of_words = Wired {
        linear: &linear,
        wires: words.as_slice(),
        products: &form.products,
    };
    let (zero, leading) = form_word_round(&form_of_words, rounds.weighted.rest(), pool, isa);
    let challenge = rounds.send(zero, leading, proof);
    linear.bind(challenge, pool, isa);
    let mut wires: Vec<Planes> = words
        .into_iter()
        .map(|wire| Planes::bound(&wire, challenge, pool, isa))
        .collect();
    for _ in 1..variables {
        let wired = Wired {
            linear: &linear,
            wires: wires.as_slice(),
            products: &form.products,
        };
        let (zero, leading) = form_round(&wired, rounds.weighted.rest(), pool, isa);
        let challenge = rounds.send(zero, leading, proof);
        linear.bind(challenge, pool, isa);
        for wire in &mut wires {
            wire.bind(challenge, pool, isa);
        }
    }
    rounds.end(wires.iter().map(|wire| wire.at(0)).collect())
}

/// What the rounds carry along.
struct Rounds<'t> {
    machine: Machine<'t>,
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
        self.weighted.bind(self.machine, challenge);
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
