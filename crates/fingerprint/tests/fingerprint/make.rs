//! The vectors of `vectors/fingerprint`, made from their inputs.

use proofmark_fingerprint::{Fingerprint, Parameters, Sampling, TokenCheck, noise, sample};
use serde_json::{Value, json};

/// Numbers that every language makes alike: multiples of 1/64 below 8 in magnitude.
fn row(seed: u32, count: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 22) as f32 - 512.0) / 64.0
        })
        .collect()
}

/// A number by its bits: decimal readers differ in the last place.
fn bits(number: f64) -> String {
    format!("{:016x}", number.to_bits())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn activations(seed: u32, width: u32, chunk: u32, top: u32, positions: u32) -> Value {
    let rows = row(seed, width * positions);
    let parameters = Parameters { width, chunk, top };
    let fingerprint = Fingerprint::of(parameters, &rows).expect("rows that fit");
    // Another run: every third value an eighth larger, every fifth with the other sign.
    let others: Vec<f32> = (0..)
        .zip(&rows)
        .map(|(i, v)| {
            let v = if i % 3 == 0 { v * 1.125 } else { *v };
            if i % 5 == 0 { -v } else { v }
        })
        .collect();
    let compared = fingerprint.compare(&others).expect("rows that fit");
    json!({
        "width": width, "chunk": chunk, "top": top,
        "rows": rows, "others": others,
        "bytes": hex(&fingerprint.encode()),
        "points": compared.points,
        "exponents_differ": compared.exponents_differ,
        "ulps": compared.ulps,
        "median": compared.median(),
    })
}

fn tokens(seed: u64, temperature: f64, top_p: f64) -> Value {
    let sampling = Sampling {
        temperature,
        top_p,
        seed,
    };
    let rows: Vec<Vec<f32>> = (0..4).map(|at| row(at + 9, 10)).collect();
    let sampled: Vec<Option<u32>> = (0..)
        .zip(&rows)
        .map(|(at, logits)| sample(logits, &sampling, at))
        .collect();
    let margins: Vec<Vec<String>> = (0..)
        .zip(&rows)
        .map(|(at, logits)| {
            let margin = |token| {
                let mut check = TokenCheck::default();
                check
                    .add(logits, &sampling, at, token)
                    .expect("a token of the vocabulary");
                bits(check.nats)
            };
            (0..10).map(margin).collect()
        })
        .collect();
    json!({
        "seed": seed, "temperature": temperature, "top_p": top_p,
        "logits": rows, "sampled": sampled, "margins": margins,
    })
}

/// Names and contents.
pub(crate) fn files() -> Vec<(&'static str, Value)> {
    let activations = [
        activations(1, 6, 4, 5, 10),
        activations(2, 16, 8, 16, 8),
        activations(3, 3, 1, 1, 3),
    ];
    let noise: Vec<String> = noise(7, 3, 12).into_iter().map(bits).collect();
    let tokens = [
        tokens(7, 1.0, 1.0),
        tokens(8, 0.5, 0.9),
        tokens(9, 0.0, 1.0),
    ];
    vec![
        ("activations.json", json!({ "cases": activations })),
        (
            "tokens.json",
            json!({ "noise": { "seed": 7, "position": 3, "values": noise }, "cases": tokens }),
        ),
    ]
}
