//! Whatever bytes come, verification ends with a report; a verifier that trusts the operator of a genuine receipt
//! accepts that receipt only, and one without roots accepts nothing.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use proofmark_receipt::Bundle;
use proofmark_verify::{Presented, Requirement, Roots, Verdict, verify};

const ROOTS: &str = include_str!("../seeds/verify_roots/roots.toml");
const GENUINE: &[u8] = include_bytes!("../seeds/receipt_decode/receipt.cose");
/// Two days after the genuine receipt was issued.
const NOW_S: u64 = 1_795_367_051;

static TRUSTED: LazyLock<Roots> =
    LazyLock::new(|| Roots::from_toml(ROOTS).expect("the seed is valid"));

fuzz_target!(|bundle: &[u8]| {
    let ask = |roots: &Roots| {
        verify(
            bundle,
            &Presented::default(),
            &Requirement::default(),
            roots,
            NOW_S,
        )
    };
    let stranger = ask(&Roots::default());
    assert_ne!(stranger.verdict().exit_code(), 0);
    assert!(stranger.verdict().code().is_some());
    if matches!(ask(&TRUSTED).verdict(), Verdict::Accepted(_)) {
        let bundle = Bundle::decode(bundle).expect("an accepted bundle decodes");
        assert_eq!(
            bundle.receipt, GENUINE,
            "accepted a receipt that nobody signed"
        );
    }
});
