//! A table of assumptions is read or refused, and what is in it is found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_confidence::AssumptionTable;

fuzz_target!(|text: &str| {
    if let Ok(table) = AssumptionTable::from_toml(text) {
        for assumption in table.iter() {
            assert_eq!(table.find(&assumption.id), Some(assumption));
        }
    }
});
