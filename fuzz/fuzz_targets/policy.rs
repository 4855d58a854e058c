//! A policy in any form has one canonical text, which is read as it is written; its evaluation over nothing satisfies nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_confidence::policy::{Outcome, Policy};
use proofmark_confidence::{AssumptionTable, Facts};

fuzz_target!(|text: &str| {
    for read in [Policy::parse, Policy::from_json, Policy::from_toml] {
        let Ok(policy) = read(text) else {
            continue;
        };
        let canonical = policy.to_string();
        let again = Policy::parse(&canonical).expect("the canonical text is read");
        assert_eq!(again.to_string(), canonical);
        for form in [
            Policy::from_json(&policy.to_json()),
            Policy::from_toml(&policy.to_toml()),
        ] {
            assert_eq!(
                form.expect("what was written is read").digest(),
                policy.digest()
            );
        }
        let table = AssumptionTable::advisory().expect("the shipped table");
        let decision = policy.evaluate(&Facts::nothing(0), &table);
        assert_ne!(decision.outcome, Outcome::Satisfied);
    }
});
