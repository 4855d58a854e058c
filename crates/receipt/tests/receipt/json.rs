//! The JSON view says whose word each claim is.

use proofmark_receipt::{SignedReceipt, to_json};
use proptest::prelude::*;

use crate::arbitrary;
use crate::fixture;
use crate::seeded::seeded;

#[test]
fn a_relay_claims_nothing_about_execution() {
    let view = to_json(&fixture::chat().issue().unwrap());
    assert!(view.get("executed").is_none());
    assert_eq!(view["profile"], "proofmark:receipt:draft-1");
    assert_eq!(view["asked"]["provenance"], "asserted by the caller");
    assert_eq!(view["asked"]["value"], "small");
    assert_eq!(view["provider"]["provenance"], "asserted by the provider");
    assert_eq!(view["provider"]["value"]["served_model"], "small-2026-08");
    assert_eq!(view["usage"]["provenance"], "asserted by the provider");
    assert_eq!(view["finish"]["provenance"], "asserted by the provider");
    assert_eq!(view["received"]["provenance"], "observed");
    assert_eq!(view["cost"]["provenance"], "asserted by the operator");
    assert_eq!(view["audit"]["provenance"], "asserted by the caller");
    let adjustment = &view["relayed"]["value"]["adjustments"][0];
    assert_eq!(adjustment["kind"], "replaced");
    assert_eq!(view["relayed"]["value"]["attempts"][0]["http_status"], 503);
    assert_eq!(view["outcome"]["value"]["status"], "completed");
}

#[test]
fn an_execution_is_the_signers_word() {
    let (_, claims) = fixture::executed().unwrap();
    let receipt = SignedReceipt::sign(claims, &fixture::node_key()).unwrap();
    let view = to_json(&receipt);
    assert!(view.get("relayed").is_none() && view.get("asked").is_none());
    assert_eq!(view["executed"]["provenance"], "observed");
    let executed = &view["executed"]["value"];
    assert_eq!(executed["seed"], u64::MAX);
    assert_eq!(executed["seed_chosen_by"], "caller");
    assert_eq!(executed["parameters"]["temperature"], "0.7");
    let stop = executed["parameters"]["stop"]["commitment"].as_str();
    assert_eq!(stop.unwrap().len(), 64);
    assert_eq!(view["claims_digest"], receipt.digest().to_string());
    assert_eq!(view["output"]["value"][0]["output_tokens"], 256);
}

proptest! {
    #![proptest_config(seeded(64))]

    /// Every claim that is there is shown, one member each; 1 for the digest of them all.
    #[test]
    fn no_claim_is_left_out(claims in arbitrary::claims()) {
        let there = (0..26).filter(|position| claims.opening(*position).is_some()).count();
        let unknown = usize::from(!claims.unknown.is_empty());
        let receipt = SignedReceipt::sign(claims, &fixture::node_key()).unwrap();
        prop_assert_eq!(to_json(&receipt).as_object().unwrap().len(), there + unknown + 1);
    }
}
