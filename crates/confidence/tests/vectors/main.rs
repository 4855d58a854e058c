//! The vectors of specs/06-confidence.md and specs/07-policy.md. The same on every target: `rustup target add wasm32-wasip1`, then
//! `CARGO_TARGET_WASM32_WASIP1_RUNNER="node crates/kernels/tests/wasi.mjs" cargo test -p proofmark-confidence --target wasm32-wasip1 --test vectors`.
#![expect(
    clippy::unwrap_used,
    reason = "a vector that cannot be read fails its test"
)]

mod make;

use serde_json::Value;

fn stored(name: &str) -> Value {
    let text = match name {
        "audit.json" => include_str!("../../../../vectors/confidence/audit.json"),
        "coins.json" => include_str!("../../../../vectors/confidence/coins.json"),
        _ => include_str!("../../../../vectors/confidence/policy.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// To the bit: binary64 stands there as its 64 bits.
#[test]
fn what_is_computed_is_what_is_stored() {
    for (name, computed) in make::files() {
        assert_eq!(computed, stored(name), "{name}");
    }
}

/// What the documentation says of its examples.
#[test]
fn the_examples_decide_as_the_documentation_says() {
    let policy = stored("policy.json");
    let outcome = |policy_name: &str, situation: &str| -> String {
        let policies = policy["policies"].as_array().unwrap();
        let policy = policies.iter().find(|p| p["name"] == policy_name).unwrap();
        let decisions = policy["decisions"].as_array().unwrap();
        let decision = decisions
            .iter()
            .find(|d| d["situation"] == situation)
            .unwrap();
        decision["outcome"].as_str().unwrap().to_owned()
    };
    for (policy, situation, expected) in [
        ("bank", "relayed", "denied"),
        ("bank", "witnessed", "denied"),
        ("bank", "replay-not-rooted", "undecided"),
        ("bank", "replayed-by-one", "denied"),
        ("bank", "replayed-by-two", "satisfied"),
        ("bank", "replayed-by-two-worth-1000000", "denied"),
        (
            "bank",
            "replayed-by-two-whose-seed-the-node-chose",
            "denied",
        ),
        ("bank", "refuted", "vetoed"),
        ("market", "replayed-by-one", "denied"),
        ("market", "replayed-by-two", "satisfied"),
        ("market", "replayed-by-two-worth-1000000", "denied"),
        ("market", "refuted", "vetoed"),
        ("agent", "executed", "denied"),
        ("agent", "replayed-by-one", "satisfied"),
        ("agent", "replayed-by-one-worth-1000", "denied"),
        (
            "agent",
            "replayed-by-two-whose-seed-the-node-chose",
            "denied",
        ),
        ("agent", "relayed", "denied"),
        ("agent", "nothing", "denied"),
    ] {
        assert_eq!(outcome(policy, situation), expected, "{policy} {situation}");
    }
}
