//! Every answer leaves with a receipt, and a stranger can check it.

use proofmark_receipt::{Bundle, Disclosure, SignedReceipt};
use proofmark_verify::{Presented, Report, Requirement, Roots, verify};
use serde_json::{Value, json};

use crate::harness::Node;
use crate::support::{Answered, NOW_MS};

const CHAT: &str = "/v1/chat/completions";

fn chat(model: &str, text: &str, stream: bool) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }], "stream": stream })
}

fn verified(bundle: &[u8], presented: &Presented<'_>, roots: &Roots) -> Report {
    verify(
        bundle,
        presented,
        &Requirement::default(),
        roots,
        NOW_MS / 1000,
    )
}

async fn bundle_of(node: &Node, answered: &Answered) -> Vec<u8> {
    let id = answered.header("x-proofmark-receipt");
    let bundle = node
        .get(
            None,
            &format!("/v1/receipts/{id}/bundle?disclose=all&wait=logged"),
        )
        .await;
    assert_eq!(bundle.status, 200, "{}", bundle.text());
    bundle.body
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_leaves_with_a_receipt_that_a_stranger_accepts() {
    let node = Node::start().await;
    let image = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } });
    let with_image = json!({
        "model": "mock-1",
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "What is this?" }, image] }],
    });
    let tool = json!({ "type": "function", "function": { "name": "look_up", "parameters": { "type": "object", "properties": {} } } });
    let with_tools = |stream: bool| {
        let mut body = chat("mock-1", "Look up Berlin", stream);
        body["tools"] = json!([tool]);
        body
    };
    for (path, body) in [
        (CHAT, chat("mock-1", "Hello", false)),
        (CHAT, chat("mock-1", "Hello", true)),
        (CHAT, with_image),
        (CHAT, with_tools(false)),
        (CHAT, with_tools(true)),
        (CHAT, chat("mock-refusal", "Hello", false)),
        (CHAT, chat("mock-error-500", "Hello", false)),
        (CHAT, chat("mock-html", "Hello", true)),
        (
            "/v1/completions",
            json!({ "model": "mock-1", "prompt": "Once" }),
        ),
        (
            "/v1/completions",
            json!({ "model": "mock-1", "prompt": "Once", "stream": true }),
        ),
        (
            "/v1/embeddings",
            json!({ "model": "mock-embed", "input": ["a", "b"] }),
        ),
    ] {
        let answered = node.post(None, path, &body).await;
        let bytes = bundle_of(&node, &answered).await;
        let sent = body.to_string();
        let presented = Presented {
            request: Some(sent.as_bytes()),
            ..Presented::default()
        };
        let report = verified(&bytes, &presented, &node.roots);
        assert_eq!(report.verdict().exit_code(), 0, "{body}: {report:?}");
        assert_eq!(
            verified(&bytes, &presented, &Roots::default())
                .verdict()
                .exit_code(),
            12,
            "{body}"
        );
        let receipt = Bundle::decode(&bytes).unwrap().receipt;
        let receipt = SignedReceipt::decode(&receipt).unwrap();
        assert_eq!(
            receipt.claims().outcome.http_status,
            answered.status.as_u16(),
            "{body}"
        );
        assert_eq!(
            answered.header("x-request-id"),
            receipt.claims().id.to_string()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_in_hand_is_the_answer_committed_to() {
    let node = Node::start().await;
    for stream in [false, true] {
        let body = chat("mock-1", "Hello", stream);
        let answered = node.post(None, CHAT, &body).await;
        let bytes = bundle_of(&node, &answered).await;
        let changed = answered.text().replace("Hello", "Hullo");
        assert_ne!(changed, answered.text());
        let report = |answer: &[u8], request: &str| {
            let presented = Presented {
                answer: Some(answer),
                request: Some(request.as_bytes()),
                ..Presented::default()
            };
            verified(&bytes, &presented, &node.roots)
        };
        let genuine = report(&answered.body, &body.to_string());
        assert_eq!(genuine.verdict().exit_code(), 0, "{genuine:?}");
        let forged = report(changed.as_bytes(), &body.to_string());
        assert_eq!(forged.verdict().code(), Some("receipt.answer.mismatch"));
        let other_question = body.to_string().replace("Hello", "Hullo");
        let forged = report(&answered.body, &other_question);
        assert_eq!(forged.verdict().code(), Some("receipt.question.mismatch"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_a_pending_receipt_until_its_end() {
    let node = Node::start().await;
    let answer = node
        .begin(
            None,
            CHAT,
            &[],
            &chat("mock-stall-mid-stream:2", "Hello", true),
        )
        .await;
    let id = answer.headers()["x-proofmark-receipt"]
        .to_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/receipts/{id}");
    assert_eq!(node.get(None, &path).await.status, 202);
    assert_eq!(node.access.capacity().in_use().streams, 1);
    node.mock.stall_gate().open();
    let read = Answered::read(answer).await;
    assert!(read.text().ends_with("data: [DONE]\n\n"));
    // `[DONE]` is sent after the receipt is durable.
    let mut receipt = node.get(None, &path).await;
    while receipt.status == 202 {
        receipt = node.get(None, &path).await;
    }
    assert_eq!(receipt.status, 200);
    let claims = SignedReceipt::decode(&receipt.body).unwrap();
    assert_eq!(claims.claims().id.to_string(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_come_back_and_are_listed() {
    let node = Node::start().await;
    let body = chat("mock-1", "Hello", true);
    let answered = node.post(None, CHAT, &body).await;
    let id = answered.header("x-proofmark-receipt");
    let content = node
        .get(None, &format!("/v1/receipts/{id}/content"))
        .await
        .json();
    assert_eq!(content["request"], body);
    assert_eq!(content["answer"]["choices"][0]["text"], "You said: Hello");
    // Listings have what is in the tree.
    bundle_of(&node, &answered).await;
    let list = node.get(None, "/v1/receipts?model=mock-1").await.json();
    assert_eq!(
        (&list["data"][0]["id"], &list["data"][0]["outcome"]),
        (&id.into(), &"completed".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_of_one_key() {
    let node = Node::start().await;
    let (_, mine) = node.key("mine", None, None);
    let (_, other) = node.key("other", None, None);
    let body = chat("mock-1", "Hello", false);
    let first = node.post(Some(&mine), CHAT, &body).await;
    let id = first.header("x-proofmark-receipt");
    let previous = [("x-proofmark-previous", id)];
    let second = node.post_with(Some(&mine), CHAT, &previous, &body).await;
    let path = format!("/v1/receipts/{}", second.header("x-proofmark-receipt"));
    let receipt = SignedReceipt::decode(&node.get(Some(&mine), &path).await.body).unwrap();
    assert_eq!(receipt.claims().previous.unwrap().0.to_string(), id);
    let refused = node.post_with(Some(&other), CHAT, &previous, &body).await;
    assert_eq!(refused.error(), (400, "unknown_receipt".into()));
    assert_eq!(refused.header("x-proofmark-receipt"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_chose_the_secret_opens_the_receipt_alone() {
    let node = Node::start().await;
    let secret = [7_u8; 32];
    let headers = [(
        "x-proofmark-secret",
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
    )];
    let answered = node
        .post_with(None, CHAT, &headers, &chat("mock-1", "Hello", false))
        .await;
    let id = answered.header("x-proofmark-receipt");
    let bundle = node
        .get(None, &format!("/v1/receipts/{id}/bundle?wait=logged"))
        .await
        .body;
    let presented = Presented {
        answer: Some(&answered.body),
        secret: Some(proofmark_receipt::ReceiptSecret::new(secret)),
        ..Presented::default()
    };
    let report = verified(&bundle, &presented, &node.roots);
    assert_eq!(report.verdict().exit_code(), 0, "{report:?}");
    let disclosed: Vec<Disclosure> = Bundle::decode(&bundle).unwrap().disclosures;
    assert!(disclosed.is_empty());
}
