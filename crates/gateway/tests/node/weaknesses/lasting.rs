//! 6, 10 and 12: streams that break, keys that go, and answers that nobody would check.

use proofmark_receipt::{ReceiptSecret, Salts, Status, StreamChain};
use proofmark_verify::{Presented, verify};
use serde_json::{Value, json};

use super::{CHAT, Got, NOW, answer, assert_accepted, assert_rejected, chat, judged};
use crate::harness::Node;

/// The data of each event of a stream.
fn events(stream: &str) -> Vec<&str> {
    let lines = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|data| *data != "[DONE]").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn w6_a_stream_that_breaks_leaves_evidence_of_what_came() {
    let node = Node::start().await;
    let headers = [(
        "x-proofmark-secret",
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
    )];
    let mut body = chat("mock-break-mid-stream:3", "Hello you there, how are you?");
    body["stream"] = true.into();
    let got = Got::of(&node, node.post_with(None, CHAT, &headers, &body).await).await;
    let text = got.answered.text();
    assert!(
        !text.contains("[DONE]") && text.contains("\"error\""),
        "{text}"
    );
    let claims = got.claims();
    assert_eq!(claims.outcome.status, Status::AbortedByProvider);

    // Each event is in the chain, in its order, the error too.
    let sent = events(text);
    let chained = |events: &[&str]| {
        let salts = Salts::new(&ReceiptSecret::new([7; 32]), &claims.id);
        let mut chain = StreamChain::new(&claims.id, salts.scope("stream"));
        events.iter().for_each(|data| chain.push(data.as_bytes()));
        chain.claim()
    };
    assert!(sent.len() > 2);
    assert_eq!(claims.stream, Some(chained(&sent)));
    assert_ne!(claims.stream, Some(chained(&sent[..sent.len() - 1])));

    // The part that came is the answer that is signed; less of it is not.
    assert_accepted(&node, &got.bundle, &answer(text.as_bytes()));
    let shorter: String = sent
        .iter()
        .take(2)
        .map(|data| format!("data: {data}\n\n"))
        .collect();
    assert_rejected(
        &node,
        &got.bundle,
        &answer(shorter.as_bytes()),
        "receipt.answer.mismatch",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn w6_whoever_hangs_up_has_a_receipt_of_what_was_sent() {
    let node = Node::start().await;
    let mut body = chat("mock-stall-mid-stream:2", "Hello");
    body["stream"] = true.into();
    let begun = node.begin(None, CHAT, &[], &body).await;
    let id = begun.headers()["x-proofmark-receipt"]
        .to_str()
        .unwrap()
        .to_owned();
    drop(begun);
    let path = format!("/v1/receipts/{id}/bundle?wait=logged");
    let mut bundle = node.get(None, &path).await;
    while bundle.status == 202 {
        bundle = node.get(None, &path).await;
    }
    assert_accepted(&node, &bundle.body, &Presented::default());
    let receipt = proofmark_receipt::Bundle::decode(&bundle.body)
        .unwrap()
        .receipt;
    let receipt = proofmark_receipt::SignedReceipt::decode(&receipt).unwrap();
    assert_eq!(receipt.claims().outcome.status, Status::AbortedByClient);
    assert!(receipt.claims().stream.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn w10_receipts_outlive_the_node_and_its_key() {
    let mut node = Node::start().await;
    let got = Got::asked(&node, &chat("mock-1", "Hello")).await;
    let roots = node.roots.clone();
    node.stop().await;
    drop(node);
    // Nothing is left but the file, the roots, and a clock ten years on: statement and key have long ended.
    let required = "relayed,logged,answer,question".parse().unwrap();
    let report = verify(
        &got.bundle,
        &Presented::default(),
        &required,
        &roots,
        NOW + 10 * 365 * 86_400,
    );
    assert_eq!(report.verdict().exit_code(), 0, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn w12_every_answer_has_its_proof_and_a_placeholder_is_no_signature() {
    let node = Node::start().await;
    let embed = json!({ "model": "mock-embed", "input": ["a"] });
    let complete = json!({ "model": "mock-1", "prompt": "Once", "stream": true });
    let bodies: [(&str, Value); 4] = [
        (CHAT, chat("mock-1", "Hello")),
        (CHAT, chat("mock-error-500", "Hello")),
        ("/v1/completions", complete),
        ("/v1/embeddings", embed),
    ];
    for (path, body) in bodies {
        // The default, without any option: signed, logged, and with the proof in the caller's own hands.
        let got = Got::of(&node, node.post(None, path, &body).await).await;
        assert_accepted(&node, &got.bundle, &Presented::default());
        let genuine = got.opened();
        assert!(genuine.log_proof.is_some() && genuine.promise.is_none());

        let mut unsigned = genuine.clone();
        let signature = unsigned.receipt.len() - 64;
        unsigned.receipt[signature..].fill(0);
        assert_rejected(
            &node,
            &unsigned.encode(),
            &Presented::default(),
            "receipt.signature.invalid",
        );
        let mut unlogged = genuine.clone();
        unlogged.log_proof = None;
        let report = judged(&node, &unlogged.encode(), &Presented::default(), "logged");
        assert_eq!(report.verdict().exit_code(), 11, "{report:#?}");
        let mut unknown = genuine;
        unknown.key_statement = None;
        let report = judged(&node, &unknown.encode(), &Presented::default(), "");
        assert_eq!(report.verdict().exit_code(), 12, "{report:#?}");
    }
}
