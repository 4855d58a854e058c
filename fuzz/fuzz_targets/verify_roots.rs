//! Roots that are read are written so that they are read the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_verify::{Requirement, Roots, parse_operator_key};

fuzz_target!(|text: &str| {
    if let Ok(roots) = Roots::from_toml(text) {
        let written = roots.to_toml();
        let again = Roots::from_toml(&written).expect("what was written is read");
        assert_eq!(again.to_toml(), written);
    }
    if let Ok(requirement) = text.parse::<Requirement>() {
        assert!(requirement.iter().count() <= text.len() + 1);
    }
    let _ = parse_operator_key(text);
});
