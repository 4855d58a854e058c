//! 1 and 2: what is claimed of the model, and what becomes of parameters.

use proofmark_receipt::AdjustmentKind;
use proofmark_verify::{Presented, RowName, State};
use serde_json::{Value, json};

use super::{CHAT, Got, assert_accepted, assert_rejected, chat, judged, request};
use crate::harness::Node;

#[tokio::test(flavor = "multi_thread")]
async fn w1_a_relayed_answer_never_claims_what_was_executed() {
    let node = Node::start().await;
    let got = Got::asked(&node, &chat("mock-alias", "Hello")).await;
    let report = judged(&node, &got.bundle, &Presented::default(), "");
    let row = report.row(RowName::Model).unwrap();
    assert_eq!(row.state, State::NotClaimed);
    for words in ["\"mock-alias\"", "\"mock-1-2026-01-01\"", "not known"] {
        assert!(row.text.contains(words), "{}", row.text);
    }
    assert!(
        report
            .does_not_show()
            .iter()
            .any(|text| text.contains("which model ran"))
    );
    assert!(
        report
            .still_trust()
            .iter()
            .any(|text| text.contains("which model answered"))
    );
    for grade in ["signed", "attested", "replayed", "proven"] {
        let report = judged(&node, &got.bundle, &Presented::default(), grade);
        assert_eq!(report.verdict().exit_code(), 11, "{grade}: {report:?}");
    }
    // What the provider says of itself is signed as its word.
    let forged = got.with(b"\x00\x71mock-1-2026-01-01", b"\x00\x71gpt-9-2026-01-01!");
    assert_rejected(
        &node,
        &forged,
        &Presented::default(),
        "receipt.signature.invalid",
    );
}

/// Every parameter of the list, and one that nobody knows.
fn with_parameters() -> Value {
    let mut body = chat("mock-1", "Hello");
    let tool = json!({ "type": "function", "function": { "name": "look_up", "parameters": { "type": "object" } } });
    let more = json!({
        "stop": ["\n\n", "END"], "top_p": 0.25, "n": 2, "seed": 7, "presence_penalty": 0.5,
        "frequency_penalty": -0.5, "logit_bias": { "50256": -100 }, "tools": [tool], "tool_choice": "none",
        "user": "user-1", "max_tokens": 77, "temperature": 0.125, "metadata": { "a": "b" },
        "response_format": { "type": "text" }, "thinking_budget": { "tokens": 5 },
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_every_parameter_is_forwarded_as_it_came_and_committed_to() {
    let node = Node::start().await;
    let body = with_parameters();
    let sent = body.to_string();
    let got = Got::asked(&node, &body).await;
    assert_eq!(got.answered.status, 200, "{}", got.answered.text());
    let seen = node.mock.requests().pop().unwrap();
    assert_eq!(
        seen.body,
        sent.as_bytes(),
        "not a byte was dropped, added or defaulted"
    );
    let relayed = got.relayed();
    assert!(relayed.adjustments.is_empty());
    assert_eq!(relayed.forwarded.fields, got.claims().received.fields);
    assert_eq!(
        (got.body("received"), got.body("forwarded")),
        (sent.clone().into(), sent.clone().into())
    );
    assert_accepted(&node, &got.bundle, &request(sent.as_bytes()));
    // Leaving out or changing any one of them is another question.
    for name in body.as_object().unwrap().keys() {
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(name);
        let without = without.to_string();
        assert_rejected(
            &node,
            &got.bundle,
            &request(without.as_bytes()),
            "receipt.question.mismatch",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_injected_text_is_another_question_and_edits_are_on_record() {
    let node = Node::start().await;
    let mut body = chat("mock-1", "Hello");
    body["stream"] = true.into();
    let got = Got::asked(&node, &body).await;
    // The gateway asks for token counts: the only edit, and the receipt lists it.
    let relayed = got.relayed();
    let edits: Vec<_> = relayed
        .adjustments
        .iter()
        .map(|adjustment| (adjustment.kind, adjustment.member.as_str()))
        .collect();
    assert_eq!(edits, [(AdjustmentKind::Added, "stream_options")]);
    let seen = node.mock.requests().pop().unwrap();
    assert_eq!(
        seen.body,
        got.body("forwarded"),
        "what is committed to is what was sent"
    );
    let forwarded: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(
        forwarded["messages"], body["messages"],
        "nobody speaks in the caller's name"
    );
    assert_eq!(got.body("received"), body.to_string().as_bytes());

    let mut injected = body.clone();
    let order = json!({ "role": "system", "content": "Respond in JSON format." });
    injected["messages"]
        .as_array_mut()
        .unwrap()
        .insert(0, order);
    let injected = injected.to_string();
    assert_rejected(
        &node,
        &got.bundle,
        &request(injected.as_bytes()),
        "receipt.question.mismatch",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_a_parameter_that_cannot_be_understood_is_refused_not_dropped() {
    let node = Node::start().await;
    for (member, value) in [
        ("stop", json!(7)),
        ("n", json!(0)),
        ("temperature", json!("hot")),
        ("logit_bias", json!([1])),
        ("stream", json!("yes")),
    ] {
        let mut body = chat("mock-1", "Hello");
        body[member] = value;
        let refused = node.post(None, CHAT, &body).await;
        assert_eq!(refused.status, 400, "{member}: {}", refused.text());
        assert_eq!(refused.header("x-proofmark-receipt"), "");
    }
    let path = format!("{CHAT}?api-version=2026");
    let refused = node.post(None, &path, &chat("mock-1", "Hello")).await;
    assert_eq!(refused.error(), (400, "invalid_value".into()));
    assert_eq!(node.mock.counters().requests, 0, "nothing was forwarded");
}
