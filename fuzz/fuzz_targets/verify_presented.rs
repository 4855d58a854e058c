//! Beside a genuine receipt, no other answer and no other request is accepted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use proofmark_verify::{Presented, Requirement, Roots, Verdict, choices_of_answer, verify};

const ROOTS: &str = include_str!("../seeds/verify_roots/roots.toml");
const GENUINE: &[u8] = include_bytes!("../seeds/verify_bundle/genuine.bundle");
const ANSWER: &[u8] = include_bytes!("../seeds/verify_presented/answer.json");
const QUESTION: &[u8] = include_bytes!("../seeds/verify_presented/question.json");
const OPERATION: &str = "chat.completions";
/// Two days after the genuine receipt was issued.
const NOW_S: u64 = 1_795_367_051;

static TRUSTED: LazyLock<Roots> =
    LazyLock::new(|| Roots::from_toml(ROOTS).expect("the seed is valid"));

fn is_accepted(presented: &Presented<'_>) -> bool {
    let report = verify(GENUINE, presented, &Requirement::default(), &TRUSTED, NOW_S);
    matches!(report.verdict(), Verdict::Accepted(_))
}

fuzz_target!(|data: &[u8]| {
    if is_accepted(&Presented {
        answer: Some(data),
        ..Presented::default()
    }) {
        let same =
            choices_of_answer(OPERATION, data).ok() == choices_of_answer(OPERATION, ANSWER).ok();
        assert!(same, "accepted another answer");
    }
    if is_accepted(&Presented {
        request: Some(data),
        ..Presented::default()
    }) {
        assert_eq!(data, QUESTION, "accepted another request");
    }
    let _ = is_accepted(&Presented {
        nonce: Some(data),
        ..Presented::default()
    });
});
