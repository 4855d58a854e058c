//! Keys, limits, budgets and bounds, where models are asked.

use proofmark_gateway::access::{ApiKey, KeyFile, SpendBook};
use proofmark_receipt::SignedReceipt;
use serde_json::{Value, json};

use crate::harness::{Node, STALLING};
use crate::support::Answered;

const CHAT: &str = "/v1/chat/completions";

fn chat(model: &str, max_tokens: u64, stream: bool) -> Value {
    let messages = json!([{ "role": "user", "content": "Hello" }]);
    json!({ "model": model, "messages": messages, "max_tokens": max_tokens, "stream": stream })
}

/// Claim 18 and claim 17 of the receipt of an answer.
async fn cost_and_usage(node: &Node, key: &ApiKey, answered: &Answered) -> (u64, (u64, u64)) {
    let path = format!("/v1/receipts/{}", answered.header("x-proofmark-receipt"));
    let receipt = SignedReceipt::decode(&node.get(Some(key), &path).await.body).unwrap();
    let cost = receipt.claims().cost.clone().unwrap();
    assert_eq!(cost.currency, "USD");
    let usage = receipt.claims().usage.unwrap().1;
    (cost.amount_nano, (usage.input_tokens, usage.output_tokens))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_asked_for_before_anything_is_forwarded() {
    let node = Node::start().await;
    let (_, key) = node.key("app", None, None);
    KeyFile::of(node.data.path()).revoke("app", 1).unwrap();
    for refused in [
        node.post(None, CHAT, &chat("mock-1", 5, false)).await,
        node.post(Some(&key), CHAT, &chat("mock-1", 5, false)).await,
        node.get(None, "/v1/models").await,
    ] {
        assert_eq!(refused.error(), (401, "invalid_api_key".into()));
        assert_eq!(refused.header("x-proofmark-receipt"), "");
    }
    assert!(node.mock.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_told_and_kept() {
    let node = Node::start().await;
    let (_, key) = node.key("app", Some(2), None);
    for remaining in ["1", "0"] {
        let answered = node.post(Some(&key), CHAT, &chat("mock-1", 5, false)).await;
        assert_eq!(answered.status, 200);
        assert_eq!(answered.header("x-ratelimit-limit-requests"), "2");
        assert_eq!(answered.header("x-ratelimit-remaining-requests"), remaining);
    }
    let limited = node.post(Some(&key), CHAT, &chat("mock-1", 5, false)).await;
    assert_eq!(limited.error(), (429, "rate_limit_exceeded".into()));
    assert_eq!(
        (
            limited.header("retry-after"),
            limited.header("x-ratelimit-remaining-requests")
        ),
        ("30", "0")
    );
    assert_eq!(node.mock.requests().len(), 2);
    node.clock.0.advance(std::time::Duration::from_secs(30));
    assert_eq!(
        node.post(Some(&key), CHAT, &chat("mock-1", 5, false))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_costs_is_in_its_receipt_and_off_the_budget() {
    let node = Node::start().await;
    let (record, key) = node.key("app", None, Some(1_000));
    let mut spent = 0;
    for stream in [false, true] {
        let answered = node
            .post(Some(&key), CHAT, &chat("mock-1", 20, stream))
            .await;
        assert_eq!(answered.status, 200, "{}", answered.text());
        let (cost, (input, output)) = cost_and_usage(&node, &key, &answered).await;
        assert!(input > 0 && output > 0);
        assert_eq!(cost, input + 2 * output);
        spent += cost;
    }
    let refused = node
        .post(Some(&key), CHAT, &chat("mock-1", 1_000, false))
        .await;
    assert_eq!(
        refused.error(),
        (429, "insufficient_quota".into()),
        "more than is left"
    );
    let unpriced = node
        .post(Some(&key), CHAT, &chat("mock-words:3", 5, false))
        .await;
    assert_eq!(unpriced.error(), (429, "insufficient_quota".into()));
    assert_eq!(node.mock.requests().len(), 2);
    let failed = node
        .post(Some(&key), CHAT, &chat("mock-1", 20, false))
        .await;
    spent += cost_and_usage(&node, &key, &failed).await.0;
    // Once more before it ends.
    node.access.keep_books(async {}).await;
    let book = SpendBook::list(node.data.path()).unwrap();
    assert_eq!(
        book.iter()
            .map(|(id, spent)| (id, spent.0))
            .collect::<Vec<_>>(),
        [(&record.id, spent)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_pays_for_what_was_asked() {
    let node = Node::start().await;
    let (record, key) = node.key("app", None, Some(1_000));
    let gone = node
        .begin(Some(&key), CHAT, &[], &chat(STALLING, 20, true))
        .await;
    drop(gone);
    while node.access.capacity().in_use().requests > 0 {
        tokio::task::yield_now().await;
    }
    node.access.keep_books(async {}).await;
    let book = SpendBook::list(node.data.path()).unwrap();
    let body = chat(STALLING, 20, true).to_string();
    let question = body.len().div_ceil(4) as u64;
    assert_eq!(
        (&book[0].0, book[0].1.0 >= question),
        (&record.id, true),
        "{book:?}"
    );
    assert!(book[0].1.0 <= question + 2 * 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_too_many_is_told_to_come_back() {
    let node = Node::start().await;
    let stall = chat(STALLING, 5, true);
    let first = node.begin(None, CHAT, &[], &stall).await;
    let second = node.begin(None, CHAT, &[], &stall).await;
    let third = node.post(None, CHAT, &stall).await;
    assert_eq!(third.error(), (503, "overloaded".into()));
    assert_eq!(third.header("retry-after"), "1");
    assert_eq!(
        node.post(None, CHAT, &chat("mock-1", 5, false))
            .await
            .status,
        200,
        "streams are full, requests are not"
    );
    node.mock.stall_gate().open();
    for answer in [first, second] {
        assert_eq!(Answered::read(answer).await.status, 200);
    }
    while node.access.capacity().in_use().requests > 0 {
        tokio::task::yield_now().await;
    }
    let in_use = node.access.capacity().in_use();
    assert_eq!(
        (in_use.streams, in_use.body_bytes, in_use.waiting),
        (0, 0, 0)
    );
}
