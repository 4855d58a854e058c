//! Streamed answers.

use std::sync::atomic::Ordering;

use proofmark_receipt::{Salts, Status, StreamChain};
use serde_json::{Value, json};

use super::harness::{House, Reply, Seen, chat, chat_stream, events_of, house, send, text_of};

fn parsed(events: &[String]) -> Vec<Value> {
    events
        .iter()
        .filter(|event| *event != "[DONE]")
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

/// The chain that a client computes from what it got.
fn assert_chain(receipt: &Seen, events: &[String]) {
    let mut chain = StreamChain::new(
        &receipt.id,
        Salts::new(&receipt.secret, &receipt.id).scope("stream"),
    );
    events
        .iter()
        .filter(|event| *event != "[DONE]")
        .for_each(|event| chain.push(event.as_bytes()));
    assert_eq!(receipt.stream, Some(chain.claim()));
}

async fn stream(house: &mut House, body: &Value) -> (Reply, Vec<String>, Seen) {
    let reply = house.post("/chat/completions", body).await;
    let events = reply.events();
    let receipt = house.receipt().await;
    assert_eq!(
        reply.header("x-proofmark-receipt"),
        Some(receipt.id.to_string().as_str())
    );
    assert_chain(&receipt, &events);
    (reply, events, receipt)
}

#[tokio::test]
async fn chunks_are_the_providers_but_for_our_marks() {
    let mut house = house().await;
    let (reply, events, receipt) = stream(&mut house, &chat_stream("mock-1", "Hi you there")).await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    assert_eq!(events.last().unwrap(), "[DONE]");
    let chunks = parsed(&events);
    let id = receipt.id.to_string();
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["id"] == format!("chatcmpl-{id}"))
    );
    assert!(chunks.iter().all(
        |chunk| chunk.get("usage").is_none() && chunk["choices"].as_array().unwrap().len() == 1
    ));
    let pointers: Vec<_> = chunks
        .iter()
        .filter(|chunk| chunk.get("proofmark").is_some())
        .collect();
    assert_eq!(pointers.len(), 1);
    assert_eq!(
        pointers[0]["proofmark"],
        json!({ "id": id, "url": format!("/v1/receipts/{id}") })
    );
    assert_eq!(pointers[0]["choices"][0]["finish_reason"], "stop");
    assert_eq!(text_of(&events), "You said: Hi you there");

    let answer = receipt.returned.answer.unwrap();
    assert_eq!(answer.choices[0].text, "You said: Hi you there");
    assert!(
        answer.usage.unwrap().output_tokens > 0,
        "the usage that we asked for is known"
    );
    assert_eq!(
        (receipt.outcome.status, receipt.outcome.http_status),
        (Status::Completed, 200)
    );
    assert_eq!(
        receipt.handoff.adjusted[0].adjustment.member,
        "stream_options"
    );
    assert!(receipt.returned.raw.is_none() && receipt.streamed);
    let forwarded: Value =
        serde_json::from_slice(&house.mock.requests().pop().unwrap().body).unwrap();
    assert_eq!(
        forwarded["stream_options"],
        json!({ "include_usage": true })
    );
}

#[tokio::test]
async fn usage_goes_to_those_who_asked() {
    let mut house = house().await;
    let mut body = chat_stream("mock-1", "Hi");
    body["stream_options"] = json!({ "include_usage": true });
    let (_, events, receipt) = stream(&mut house, &body).await;
    let chunks = parsed(&events);
    assert!(
        chunks.last().unwrap()["usage"]["completion_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(chunks.last().unwrap()["choices"], json!([]));
    assert!(receipt.handoff.adjusted.is_empty());
    assert_eq!(receipt.handoff.forwarded.concat(), receipt.received);
}

#[tokio::test]
async fn tools_while_streaming_are_the_same_answer_as_without() {
    let mut house = house().await;
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } } });
    let mut body = chat("mock-1", "What is the weather in Paris");
    body["tools"] = json!([tool("weather"), tool("time")]);
    body["n"] = 2.into();
    let whole = house.post("/chat/completions", &body).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    let whole = house.receipt().await.returned.answer.unwrap();
    body["stream"] = true.into();
    let (_, _, receipt) = stream(&mut house, &body).await;
    let streamed = receipt.returned.answer.unwrap();
    assert_eq!(streamed.choices, whole.choices);
    assert!(
        streamed.choices[0]
            .field("tool_calls/1/function/name")
            .is_some()
    );
}

#[tokio::test]
async fn completions_stream_too() {
    let mut house = house().await;
    let reply = house
        .post(
            "/completions",
            &json!({ "model": "mock-1", "prompt": "Hi", "stream": true }),
        )
        .await;
    let receipt = house.receipt().await;
    let events = reply.events();
    assert!(
        parsed(&events)
            .iter()
            .all(|chunk| chunk["id"] == format!("cmpl-{}", receipt.id))
    );
    assert_eq!(events.last().unwrap(), "[DONE]");
    assert_chain(&receipt, &events);
}

#[tokio::test]
async fn done_is_held_until_the_receipt_is_safe() {
    let mut house = house().await;
    house.issuer.gated.store(true, Ordering::SeqCst);
    let body = chat_stream("mock-1", "Hi").to_string();
    let answer = send(&house.client, "/chat/completions", body.into(), &[])
        .await
        .unwrap();
    let (_, mut stream) = answer.into_parts();
    let mut got = Vec::new();
    // Everything but [DONE] comes while the receipt is still being made.
    while !String::from_utf8_lossy(&got).contains("finish_reason\":\"stop\"") {
        got.extend_from_slice(&stream.chunk().await.unwrap().unwrap());
    }
    house.entered.recv().await.unwrap();
    let early = tokio::select! { biased; chunk = stream.chunk() => chunk.map(Result::unwrap), () = tokio::task::yield_now() => None };
    got.extend_from_slice(&early.unwrap_or_default());
    assert!(!String::from_utf8_lossy(&got).contains("[DONE]"));
    house.assert_no_receipt();
    house.issuer.gate.add_permits(1);
    house.receipt().await;
    while let Some(chunk) = stream.chunk().await {
        got.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(events_of(&got).last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn without_its_receipt_a_stream_does_not_end_well() {
    let house = house().await;
    house.issuer.failing.store(true, Ordering::SeqCst);
    let reply = house
        .post("/chat/completions", &chat_stream("mock-1", "Hi"))
        .await;
    let events = reply.events();
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "receipt_unavailable");
}

#[tokio::test]
async fn a_server_without_done_is_understood() {
    let mut house = house().await;
    let (_, events, receipt) = stream(&mut house, &chat_stream("mock-no-done", "Hi")).await;
    assert_eq!(receipt.outcome.status, Status::Completed);
    assert_ne!(events.last().unwrap(), "[DONE]", "nothing is made up");
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again() {
    let mut house = house().await;
    for _ in 0..5 {
        stream(&mut house, &chat_stream("mock-1", "Hi")).await;
        house.post("/chat/completions", &chat("mock-1", "Hi")).await;
        house.receipt().await;
    }
    let counters = house.mock.counters();
    assert_eq!(counters.requests, 10);
    assert!(counters.connections <= 2, "{counters:?}");
}
