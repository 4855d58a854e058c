//! Openings of commitments (specs/05-proof.md §4 and §5): honest ones, damaged ones, and those of provers who cheat.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "a result is used up by its code"
)]

mod cheats;
mod honest;
mod mutants;
mod plain;

use proofmark_kernels::{Isa, Pool};
use proofmark_proof::commitment::{Commitment, Level, Plan, Shape, verify};
use proofmark_proof::field::{E, F, P};
use proofmark_proof::soundness::Account;
use proofmark_proof::{Incoming, Outgoing, Rejection, Transcript};
use proofmark_prover::Machine;
use proofmark_prover::commitment::{Values, commit, open_with};

/// Numbers without a pattern, from a multiplicative congruence.
fn noise(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        Some((state >> 32) as u32)
    })
}

/// Small integers, the extremes among them.
fn small(seed: u64, log2_size: u32) -> Vec<i8> {
    noise(seed)
        .map(|word| word as i8)
        .take(1 << log2_size)
        .collect()
}

/// Elements of the base field, the extremes among them.
fn elements(seed: u64, log2_size: u32) -> Vec<F> {
    let words = noise(seed).map(|word| match word % 8 {
        0 => F::new(P - 1),
        1 => F::ZERO,
        _ => F::new(word),
    });
    words.take(1 << log2_size).collect()
}

fn point(seed: u64, variables: u32) -> Vec<E> {
    let mut words = noise(seed).map(F::new);
    let element = |_| E(std::array::from_fn(|_| words.next().unwrap()));
    (0..variables).map(element).collect()
}

/// A transcript with something in it.
fn transcript() -> Transcript {
    let mut transcript = Transcript::new("test of openings");
    transcript.absorb("statement", b"something");
    transcript
}

/// A plan of two levels with these bits of work, for shapes of 2^4 lanes and 2^4 or more values in them; its account is strong
/// enough.
fn two_levels(shape: &Shape, work_bits: u32) -> Plan {
    let level = |log2_message: u32, log2_inverse_rate| Level {
        log2_width: 4,
        log2_message,
        log2_inverse_rate,
        queries: queries_for(log2_inverse_rate),
        work_bits,
    };
    let message = shape.log2_message();
    let first = level(message, shape.log2_inverse_rate());
    Plan::new(shape, vec![first, level(message - 4, 3)]).unwrap()
}

/// Queries whose term is 2^−114 or less.
fn queries_for(log2_inverse_rate: u32) -> u32 {
    let agreement = f64::midpoint(1.0, f64::from(1_u32 << log2_inverse_rate).recip());
    (114.0 / -agreement.log2()).ceil() as u32
}

struct Opened {
    commitment: Commitment,
    value: E,
    proof: Vec<u8>,
}

fn opened(
    threads: usize,
    isa: Isa,
    values: Values<'_>,
    plan: &Plan,
    shape: Shape,
    point: &[E],
) -> Opened {
    let pool = Pool::new(threads);
    let machine = Machine { pool: &pool, isa };
    let committed = commit(machine, values, shape).unwrap();
    let mut outgoing = Outgoing::new(transcript());
    let value = open_with(machine, &committed, plan, point, &mut outgoing).unwrap();
    Opened {
        commitment: *committed.commitment(),
        value,
        proof: outgoing.finish(),
    }
}

/// The verifier's answer, the end of the proof included.
fn verified(
    commitment: &Commitment,
    point: &[E],
    value: E,
    proof: &[u8],
) -> Result<Account, Rejection> {
    let mut incoming = Incoming::new(transcript(), proof);
    let account = verify(commitment, point, value, &mut incoming)?;
    incoming.finish()?;
    Ok(account)
}

fn code(result: Result<Account, Rejection>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(rejection) => rejection.code(),
    }
}
