//! Policies of API keys (specs/07-policy.md §6), on the server: what is below one is withheld or flagged, as it says.

use std::sync::Arc;

use proofmark_gateway::access::{ApiKey, KeyFile, KeyPolicy, NewKey, Rights};
use proofmark_receipt::SignedReceipt;
use serde_json::json;

use crate::harness::Node;

const CHAT: &str = "/v1/chat/completions";

fn policy(below: &str, clause: &str) -> KeyPolicy {
    let text = format!(
        "policy \"keys/a\" version 1 {{ below = {below} for model * {{ require {clause} }} }}"
    );
    KeyPolicy::parse(&text).unwrap()
}

fn key(node: &Node, name: &str, policy: KeyPolicy) -> ApiKey {
    let new = NewKey {
        name: name.into(),
        rpm: None,
        budget: None,
        expires_unix_s: None,
        rights: Rights::USE,
        policy: Some(Arc::new(policy)),
    };
    KeyFile::of(node.data.path()).create(new, 1).unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn below_its_policy_a_key_gets_nothing_or_a_flag() {
    let node = Node::start().await;
    let body = |stream: bool| {
        let messages = json!([{ "role": "user", "content": "Hello" }]);
        json!({ "model": "mock-1", "messages": messages, "max_tokens": 5, "stream": stream })
    };
    // The upstream answers, so the receipt is `relayed` and not `signed`.
    let withholding = key(&node, "withholding", policy("withhold", "signed"));
    for stream in [false, true] {
        let refused = node.post(Some(&withholding), CHAT, &body(stream)).await;
        assert_eq!(refused.error(), (403, "below_policy".into()));
        assert_eq!(refused.header("x-proofmark-receipt"), "");
    }
    // Nobody was asked.
    assert!(node.mock.requests().is_empty());

    let digest_of = async |key: &ApiKey, id: String| {
        let receipt = node.get(Some(key), &format!("/v1/receipts/{id}")).await;
        SignedReceipt::decode(&receipt.body)
            .unwrap()
            .claims()
            .policy
    };
    let flags = policy("flag", "signed");
    let digest = flags.digest();
    let flagging = key(&node, "flagging", flags);
    for stream in [false, true] {
        let flagged = node.post(Some(&flagging), CHAT, &body(stream)).await;
        assert_eq!(flagged.status, 200);
        assert_eq!(flagged.header("x-proofmark-policy"), "below");
        // Which policy that was stands in the receipt.
        let id = flagged.header("x-proofmark-receipt").to_owned();
        assert_eq!(digest_of(&flagging, id).await, Some(digest));
    }

    let content = key(
        &node,
        "content",
        policy("withhold", "relayed and answer and question"),
    );
    let answered = node.post(Some(&content), CHAT, &body(false)).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.header("x-proofmark-policy"), "satisfied");

    // A key without a policy is told nothing of one.
    let (_, plain) = node.key("plain", None, None);
    let answered = node.post(Some(&plain), CHAT, &body(false)).await;
    assert_eq!(
        (
            answered.status.as_u16(),
            answered.header("x-proofmark-policy")
        ),
        (200, "")
    );
    let id = answered.header("x-proofmark-receipt").to_owned();
    assert_eq!(digest_of(&plain, id).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_with_a_policy_that_cannot_be_read_is_refused() {
    let node = Node::start().await;
    key(&node, "app", policy("flag", "signed"));
    let path = KeyFile::of(node.data.path()).path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("require signed"), "{text}");
    std::fs::write(&path, text.replace("require signed", "require sined")).unwrap();
    let error = KeyFile::of(node.data.path()).list().unwrap_err();
    assert!(error.to_string().contains("policy"), "{error}");
}
