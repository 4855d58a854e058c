//! Openings of commitments: accepted ones with changes, and cheats.
//!
//! The proofs are made by the plain prover of the tests, which is written from the specification alone and can cheat.

use crate::plain::{self, Cheat, Made};
use proofmark_proof::commitment::{Level, Plan, Shape, verify};
use proofmark_proof::field::{E, F};
use proofmark_proof::{Incoming, Transcript};
use serde_json::{Value, json};

use crate::{hex, noise};

/// The transcript of all cases.
pub(crate) fn transcript() -> Transcript {
    let mut transcript = Transcript::new("vectors of openings");
    transcript.absorb("statement", b"something");
    transcript
}

fn level(log2_width: u32, log2_message: u32, queries: u32, work_bits: u32) -> Level {
    Level {
        log2_width,
        log2_message,
        log2_inverse_rate: 1,
        queries,
        work_bits,
    }
}

/// What the verifier says of a proof.
fn outcome(made: &Made, point: &[E], proof: &[u8]) -> Result<u32, &'static str> {
    let mut incoming = Incoming::new(transcript(), proof);
    let account = verify(&made.commitment, point, made.value, &mut incoming);
    let account = account.and_then(|account| incoming.finish().map(|()| account));
    account
        .map(|account| account.bits())
        .map_err(|rejection| rejection.code())
}

fn case(description: &str, values: &[i8], levels: Vec<Level>, cheat: Cheat) -> Value {
    let log2_size = values.len().ilog2();
    let shape = Shape::new(log2_size, levels[0].log2_width, 1).unwrap();
    let plan = Plan::new(&shape, levels).unwrap();
    let mut words = noise(2).map(F::new);
    let point: Vec<E> = (0..log2_size)
        .map(|_| E(std::array::from_fn(|_| words.next().unwrap())))
        .collect();
    let elements: Vec<F> = values
        .iter()
        .map(|&value| F::from_i32(i32::from(value)))
        .collect();
    let made = plain::prove(&elements, shape, &plan, &point, cheat);
    let found = outcome(&made, &point, &made.proof);
    // Changes of an accepted proof: the lowest bit of each part's first byte; ends that are too early, and one that is too late.
    let mut changes = Vec::new();
    if found.is_ok() {
        for (part, at) in &made.parts {
            let mut proof = made.proof.clone();
            if let Some(byte) = proof.get_mut(*at) {
                *byte ^= 1;
                let code = outcome(&made, &point, &proof).unwrap_err();
                changes.push(json!({ "part": part, "flip": at, "code": code }));
            }
            let code = outcome(&made, &point, &made.proof[..at.saturating_sub(1)]).unwrap_err();
            changes.push(json!({ "part": part, "cut": at.saturating_sub(1), "code": code }));
        }
    }
    let point: Vec<u8> = point.iter().flat_map(|value| value.to_bytes()).collect();
    let bytes: Vec<u8> = values.iter().map(|value| value.cast_unsigned()).collect();
    let case = json!({
        "description": description,
        "values": hex(&bytes),
        "commitment": hex(&made.commitment.to_bytes()),
        "point": hex(&point),
        "value": hex(&made.value.to_bytes()),
        "proof": hex(&made.proof),
        "bits": found.ok(),
        "code": found.err(),
        "changes": changes,
    });
    case
}

pub(crate) fn all() -> Value {
    let small: Vec<i8> = noise(1).map(|word| word as i8).take(1 << 6).collect();
    let large: Vec<i8> = noise(1).map(|word| word as i8).take(1 << 8).collect();
    let one = || vec![level(4, 2, 270, 3)];
    let two = || vec![level(4, 4, 270, 3), level(4, 0, 275, 0)];
    let first = case("one level", &small, one(), Cheat::Nothing);
    let second = case("two levels", &large, two(), Cheat::Nothing);
    let mut cases = vec![first, second];
    for (description, values, levels, cheat) in [
        ("a false value", &small, one(), Cheat::Value),
        ("a false value in two levels", &large, two(), Cheat::Value),
        (
            "a false value, and a vector that has it",
            &small,
            one(),
            Cheat::ValueAndVector,
        ),
        (
            "words that are not of the code",
            &small,
            one(),
            Cheat::NotNear(256),
        ),
        (
            "a second vector that is not the fold",
            &large,
            two(),
            Cheat::NextVector,
        ),
        (
            "second words that are not of the code",
            &large,
            two(),
            Cheat::NextNotNear,
        ),
        (
            "too few queries",
            &small,
            vec![level(4, 2, 260, 3)],
            Cheat::Nothing,
        ),
    ] {
        let case = case(description, values, levels, cheat);
        assert!(case["code"].is_string(), "{description} was accepted");
        cases.push(case);
    }
    json!({ "protocol": "vectors of openings", "absorbed": [["statement", hex(b"something")]], "cases": cases })
}
