//! Where each thing that a proof sends begins: a verifier that believes everything and takes notes.

use proofmark_proof::commitment::{self, Commitment};
use proofmark_proof::field::E;
use proofmark_proof::fractions::{self, Leaves};
use proofmark_proof::plan::{Check, Form, Plan, Sum, TensorId};
use proofmark_proof::protocol::{Fingerprint, Openings, Party, Reduction, Request, degree, run};
use proofmark_proof::sumcheck::{self, Reduced};
use proofmark_proof::{Incoming, Limbs, Rejection, Statement, Transcript, WeightsMode};

/// Notes of one proof.
pub(crate) struct Trace<'p> {
    plan: &'p Plan,
    incoming: Incoming<'p>,
    parts: Vec<(String, usize)>,
}

/// Bytes of an element of E.
const E_BYTES: usize = 20;

impl<'p> Trace<'p> {
    /// The first place of each kind of thing that is sent.
    pub(crate) fn of(
        plan: &'p Plan,
        statement: &Statement<'_>,
        proof: &'p [u8],
    ) -> Vec<(String, usize)> {
        let incoming = Incoming::new(statement.transcript().unwrap(), proof);
        let mut trace = Self {
            plan,
            incoming,
            parts: Vec::new(),
        };
        trace.note("digit bits");
        trace.incoming.receive("digit bits", 1).unwrap();
        if plan.walk.is_some() {
            trace.note("walk");
            trace.incoming.receive("walk", 2).unwrap();
        }
        trace.note("commitment's shape");
        let witness = Commitment::decode(trace.incoming.bound()).unwrap();
        trace.note_before("commitment's root", 32);
        witness.absorb(trace.incoming.transcript());
        let openings = run(plan, &mut trace).unwrap();
        trace.open_witness(&openings, &witness);
        if let WeightsMode::Committed(weights) = statement.weights {
            trace.open_weights(&openings, &weights.stack().unwrap(), &weights.commitment);
        }
        trace.incoming.finish().unwrap();
        let mut first: Vec<(String, usize)> = Vec::new();
        for (part, at) in trace.parts {
            if first.iter().all(|(other, _)| *other != part) {
                first.push((part, at));
            }
        }
        first
    }

    fn note(&mut self, part: &str) {
        self.note_before(part, 0);
    }

    /// A part that began so many bytes ago.
    fn note_before(&mut self, part: &str, bytes: usize) {
        let at = self.incoming.bound().at() - bytes;
        self.parts.push((part.to_owned(), at));
    }

    fn open_witness(&mut self, openings: &Openings, commitment: &Commitment) {
        let plan = self.plan;
        let [digits, _] = plan.column_groups();
        let (stack, leaves) = (plan.witness(), plan.leaves());
        let reduction = Reduction {
            stack: &stack,
            leaves: Some((&leaves, digits.len())),
            columns: &plan.column_slots(),
            claims: &openings.witness,
            gamma: self.incoming.transcript().challenge("openings"),
        };
        self.open("witness", &reduction, commitment);
    }

    fn open_weights(&mut self, openings: &Openings, limbs: &Limbs, commitment: &Commitment) {
        let mut claims = Vec::new();
        for (index, of_constant) in openings.constants.iter().enumerate() {
            let (first, count) = limbs.place(index).unwrap();
            for claim in of_constant {
                let values = if count == 1 {
                    vec![claim.value]
                } else {
                    self.note("limbs");
                    self.incoming.receive_extensions("limbs", count).unwrap()
                };
                for (number, value) in values.into_iter().enumerate() {
                    let slot = first + number;
                    claims.push(proofmark_proof::protocol::StackClaim {
                        functional: proofmark_proof::protocol::Functional::Slot(
                            slot,
                            claim.point.clone(),
                        ),
                        value,
                    });
                }
            }
        }
        let reduction = Reduction {
            stack: limbs.stack(),
            leaves: None,
            columns: &[],
            claims: &claims,
            gamma: self.incoming.transcript().challenge("openings"),
        };
        self.open("weights", &reduction, commitment);
    }

    fn open(&mut self, of: &str, reduction: &Reduction<'_>, commitment: &Commitment) {
        let variables = commitment.shape.log2_size() as usize;
        self.note(&format!("{of}: round of the claims"));
        let reduced =
            sumcheck::verify(&mut self.incoming, reduction.claim(), variables, 2).unwrap();
        self.note(&format!("{of}: opened"));
        let value = self.incoming.receive_extensions("opened", 1).unwrap()[0];
        let start = self.incoming.bound().at();
        commitment::verify(commitment, &reduced.point, value, &mut self.incoming).unwrap();
        let end = self.incoming.bound().at();
        // Of one level: the plan, rounds, the vector, the nonce, positions.
        let vector = E_BYTES << (variables as u32 - commitment.shape.log2_width());
        let rounds = start + 6;
        let vector_at = rounds + 2 * E_BYTES * commitment.shape.log2_width() as usize;
        for (part, at) in [
            ("levels", start),
            ("plan", start + 1),
            ("queries", start + 4),
            ("round of the lanes", rounds),
            ("vector", vector_at),
            ("work", vector_at + vector),
            ("position", vector_at + vector + 8),
            ("sibling", end - 32),
        ] {
            self.parts.push((format!("{of}: {part}"), at));
        }
    }
}

impl Party for Trace<'_> {
    type Error = Rejection;

    fn transcript(&mut self) -> &mut Transcript {
        self.incoming.transcript()
    }

    fn values(&mut self, label: &str, requests: &[Request]) -> Result<Vec<E>, Rejection> {
        if !requests.is_empty() {
            self.note(label);
        }
        self.incoming.receive_extensions(label, requests.len())
    }

    fn digits(&mut self, _: &[E]) -> Result<E, Rejection> {
        self.note("digits");
        Ok(self.incoming.receive_extensions("digits", 1)?[0])
    }

    fn require(
        &mut self,
        _: &'static str,
        _: &'static str,
        _: impl FnOnce(&Self) -> bool,
    ) -> Result<(), Rejection> {
        Ok(())
    }

    fn public(&self, _: TensorId, _: &[E]) -> Option<E> {
        None
    }

    fn fractions(&mut self, _: &Fingerprint) -> Result<Leaves, Rejection> {
        self.note("root");
        // The first layer has no round, and four values.
        self.parts
            .push(("children".to_owned(), self.incoming.bound().at() + E_BYTES));
        let round = self.incoming.bound().at() + 5 * E_BYTES;
        self.parts.push(("round of a layer".to_owned(), round));
        fractions::verify(&mut self.incoming, self.plan.leaves().variables())
    }

    fn check(&mut self, check: &Check, _: &Form, _: &[E]) -> Result<Reduced, Rejection> {
        self.note("round of a check");
        sumcheck::verify(&mut self.incoming, E::ZERO, check.shape.variables(), 3)
    }

    fn sum(&mut self, sum: &Sum, _: &[(E, Vec<E>)], claim: E) -> Result<Reduced, Rejection> {
        let variables = sum.bound.variables();
        if variables > 0 {
            self.note("round of a sum");
        }
        sumcheck::verify(&mut self.incoming, claim, variables, degree(sum))
    }
}
