//! Answers that come in one piece.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::StatusCode;
use proofmark_receipt::{Audit, ReceiptSecret, Status};
use serde_json::{Value, json};

use super::harness::{NOW_MS, chat, house, known_receipt};

#[tokio::test]
async fn the_answer_is_the_providers_but_for_our_marks() {
    let mut house = house().await;
    let request = json!({ "model": "mock-1", "messages": [{ "role": "user", "content": "Hi" }], "x-new": [1.0, 2] });
    let reply = house.post("/chat/completions", &request).await;
    assert_eq!(reply.status, StatusCode::OK);
    let receipt = house.receipt().await;
    let id = receipt.id.to_string();
    assert_eq!(reply.header("x-proofmark-receipt"), Some(id.as_str()));
    assert_eq!(reply.header("x-request-id"), Some(id.as_str()));
    assert_eq!(reply.header("content-type"), Some("application/json"));

    let raw = receipt.returned.raw.clone().unwrap();
    let mut ours = reply.json();
    let mut theirs: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(ours["id"].take(), format!("chatcmpl-{id}"));
    assert_eq!(
        ours["proofmark"],
        json!({ "id": id, "url": format!("/v1/receipts/{id}") })
    );
    ours.as_object_mut().unwrap().remove("proofmark");
    theirs["id"].take();
    assert_eq!(ours, theirs);
    assert_eq!(theirs["choices"][0]["message"]["content"], "You said: Hi");

    assert_eq!(receipt.received, request.to_string());
    assert_eq!(receipt.handoff.forwarded.concat(), receipt.received);
    assert!(receipt.handoff.adjusted.is_empty() && receipt.handoff.attempts.is_empty());
    assert_eq!(
        (&*receipt.handoff.upstream, &*receipt.handoff.host),
        ("mock", house.mock.address().to_string().as_str())
    );
    assert_eq!(
        (receipt.outcome.status, receipt.outcome.http_status),
        (Status::Completed, 200)
    );
    assert_eq!(receipt.timing.received_ms, NOW_MS);
    assert!(receipt.timing.first_byte_us.unwrap() <= receipt.timing.done_us);
    assert_eq!(
        (receipt.asked.as_str(), receipt.streamed, receipt.stream),
        ("mock-1", false, None)
    );
    let answer = receipt.returned.answer.unwrap();
    assert_eq!(answer.choices[0].text, "You said: Hi");
    assert_eq!(
        answer.usage.unwrap().output_tokens,
        theirs["usage"]["completion_tokens"].as_u64().unwrap()
    );

    let seen = house.mock.requests().pop().unwrap();
    assert_eq!(seen.body, receipt.received);
    assert_eq!(seen.headers["authorization"], "Bearer sk-upstream");
    assert_eq!(
        receipt.returned.request_id.unwrap().len(),
        "req_".len() + 16
    );
}

#[tokio::test]
async fn completions_and_embeddings() {
    let mut house = house().await;
    let reply = house
        .post(
            "/completions",
            &json!({ "model": "mock-1", "prompt": "Hi" }),
        )
        .await;
    let receipt = house.receipt().await;
    assert_eq!(reply.json()["id"], format!("cmpl-{}", receipt.id));
    assert!(!receipt.returned.answer.unwrap().choices[0].text.is_empty());
    let reply = house
        .post(
            "/embeddings",
            &json!({ "model": "mock-embed", "input": ["a", "b"] }),
        )
        .await;
    let receipt = house.receipt().await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert!(reply.json().get("id").is_none());
    assert_eq!(reply.json()["proofmark"]["id"], receipt.id.to_string());
    let choices = receipt.returned.answer.unwrap().choices;
    assert_eq!((choices.len(), choices[0].fields.len()), (1, 2));
}

/// As many as OpenAI takes in one request, and more.
#[tokio::test]
async fn thousands_of_embeddings_fit_into_one_receipt() {
    let mut house = house().await;
    for count in [2_048, 5_000] {
        let body = json!({ "model": "mock-embed", "input": vec!["a"; count], "encoding_format": "base64" });
        let reply = house.post("/embeddings", &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        assert_eq!(reply.json()["data"].as_array().unwrap().len(), count);
        let answer = house.receipt().await.returned.answer.unwrap();
        assert_eq!(
            (answer.choices.len(), answer.choices[0].fields.len()),
            (1, count)
        );
    }
}

#[tokio::test]
async fn nothing_of_the_clients_headers_goes_through() {
    let mut house = house().await;
    let headers = [
        ("authorization", "Bearer sk-client"),
        ("x-proofmark-nonce", "AAECAwQFBgc"),
        ("openai-organization", "org-client"),
        ("cookie", "a=b"),
        ("user-agent", "client/1"),
    ];
    let reply = house
        .post_with("/chat/completions", &chat("mock-1", "Hi"), &headers)
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(
        house.receipt().await.wishes.nonce.unwrap(),
        [0, 1, 2, 3, 4, 5, 6, 7]
    );
    let seen = house.mock.requests().pop().unwrap();
    let mut names: Vec<_> = seen.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent"
        ]
    );
    assert!(
        !format!("{:?}", seen.headers).contains("client"),
        "{:?}",
        seen.headers
    );
}

#[tokio::test]
async fn the_callers_wishes_reach_the_receipt() {
    let mut house = house().await;
    let known = known_receipt().to_string();
    let headers = [
        (
            "x-proofmark-secret",
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        ),
        ("x-proofmark-previous", known.as_str()),
        ("x-proofmark-audit", "given"),
        ("x-proofmark-value-class", "3"),
    ];
    house
        .post_with("/chat/completions", &chat("mock-1", "Hi"), &headers)
        .await;
    let receipt = house.receipt().await;
    assert_eq!(receipt.secret, ReceiptSecret::new([1; 32]));
    assert_eq!(receipt.previous.unwrap().0, known_receipt());
    assert_eq!(
        (receipt.wishes.audit, receipt.wishes.value_class),
        (Some(Audit::Given), 3)
    );
    house.post("/chat/completions", &chat("mock-1", "Hi")).await;
    let other = house.receipt().await;
    assert_ne!(other.secret, receipt.secret);
    house.post("/chat/completions", &chat("mock-1", "Hi")).await;
    assert_ne!(
        house.receipt().await.secret,
        other.secret,
        "a secret of its own for each"
    );
}

#[tokio::test]
async fn tools_structured_output_and_several_choices() {
    let mut house = house().await;
    let tool = json!({ "type": "function", "function": { "name": "weather", "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } } });
    let mut body = chat("mock-1", "What is the weather in Paris");
    body["tools"] = json!([tool]);
    let reply = house.post("/chat/completions", &body).await;
    let call = &reply.json()["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "weather");
    let answer = house.receipt().await.returned.answer.unwrap();
    assert_eq!(
        answer.choices[0]
            .field("tool_calls/0/function/arguments")
            .unwrap(),
        call["arguments"].as_str().unwrap().as_bytes()
    );
    assert_eq!(
        answer.choices[0].finish_reason.as_deref(),
        Some("tool_calls")
    );

    let mut body = chat("mock-1", "Hi");
    body["n"] = 2.into();
    house.post("/chat/completions", &body).await;
    assert_eq!(
        house.receipt().await.returned.answer.unwrap().choices.len(),
        2
    );
}

#[tokio::test]
async fn outcomes_follow_the_finish_reasons() {
    let mut house = house().await;
    for (model, status) in [
        ("mock-content-filter", Status::ContentFilter),
        ("mock-refusal", Status::Refused),
        ("mock-1", Status::Completed),
    ] {
        assert_eq!(
            house
                .post("/chat/completions", &chat(model, "Hi there"))
                .await
                .status,
            StatusCode::OK
        );
        assert_eq!(house.receipt().await.outcome.status, status, "{model}");
    }
    let mut body = chat("mock-words:50", "Hi");
    body["max_tokens"] = 3.into();
    house.post("/chat/completions", &body).await;
    assert_eq!(house.receipt().await.outcome.status, Status::Length);
}

#[tokio::test]
async fn what_the_provider_says_it_served_is_kept_apart_from_what_was_asked() {
    let mut house = house().await;
    let reply = house
        .post("/chat/completions", &chat("mock-alias", "Hi"))
        .await;
    assert_eq!(reply.json()["model"], "mock-1-2026-01-01");
    let receipt = house.receipt().await;
    assert_eq!(receipt.asked, "mock-alias");
    assert_eq!(
        receipt.returned.answer.unwrap().model.as_deref(),
        Some("mock-1-2026-01-01")
    );
}

#[tokio::test]
async fn refused_before_it_is_forwarded_has_no_receipt() {
    let mut house = house().await;
    let chat_text = chat("mock-1", "Hi").to_string();
    /// Path, body, a header, and status and code of the refusal.
    type Case<'c> = (
        &'c str,
        &'c str,
        Option<(&'static str, &'c str)>,
        u16,
        &'c str,
    );
    let cases: [Case<'_>; 9] = [
        ("/chat/completions", "{", None, 400, "invalid_json"),
        ("/chat/completions", "", None, 400, "invalid_json"),
        (
            "/chat/completions",
            r#"{"model":"a","model":"b","messages":[]}"#,
            None,
            400,
            "duplicate_member",
        ),
        (
            "/chat/completions",
            r#"{"model":"mock-1"}"#,
            None,
            400,
            "missing_member",
        ),
        (
            "/chat/completions",
            r#"{"model":7,"messages":[]}"#,
            None,
            400,
            "invalid_type",
        ),
        (
            "/chat/completions",
            &chat_text,
            Some(("x-proofmark-audit", "perhaps")),
            400,
            "invalid_header",
        ),
        (
            "/chat/completions",
            &chat_text,
            Some(("x-proofmark-typo", "1")),
            400,
            "invalid_header",
        ),
        (
            "/chat/completions",
            &chat_text,
            Some((
                "x-proofmark-previous",
                "01990000-0000-7fff-bfff-ffffffffffff",
            )),
            400,
            "unknown_receipt",
        ),
        ("/nowhere", &chat_text, None, 404, "not_found"),
    ];
    for (path, body, header, status, code) in cases {
        let reply = house
            .post_bytes(
                path,
                Bytes::copy_from_slice(body.as_bytes()),
                header.as_slice(),
            )
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (status, code),
            "{body}"
        );
        assert_eq!(reply.header("x-proofmark-receipt"), None);
    }
    assert_eq!(house.mock.counters().requests, 0);
    house.assert_no_receipt();
}

#[tokio::test]
async fn what_no_receipt_has_room_for_is_refused() {
    let mut house = house().await;
    let long_name = chat(&"m".repeat(257), "Hi");
    let mut many = chat("mock-1", "Hi");
    many["n"] = 513.into();
    let inputs = json!({ "model": "mock-embed", "input": vec!["a"; 65_537] });
    let prompts = json!({ "model": "mock-1", "prompt": vec!["a"; 513] });
    let messages =
        json!({ "model": "mock-1", "messages": vec![json!({ "role": "user" }); 65_537] });
    let image = json!({ "type": "image_url", "image_url": { "url": "http://127.0.0.1/a.png" } });
    let images =
        json!({ "model": "mock-1", "messages": [{ "role": "user", "content": vec![image; 513] }] });
    for (path, body) in [
        ("/chat/completions", long_name),
        ("/chat/completions", many),
        ("/embeddings", inputs),
        ("/completions", prompts),
        ("/chat/completions", messages),
        ("/chat/completions", images),
    ] {
        let reply = house.post(path, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (400, "invalid_value"),
            "{path}"
        );
    }
    assert_eq!(house.mock.counters().requests, 0);
    house.assert_no_receipt();
    let ids = json!({ "model": "mock-1", "prompt": vec![1; 600] });
    house.post("/completions", &ids).await;
    assert_eq!(house.mock.counters().requests, 1, "token ids are one text");
}

#[tokio::test]
async fn without_a_log_nothing_is_forwarded() {
    let mut house = house().await;
    house.issuer.closed.store(true, Ordering::SeqCst);
    let reply = house.post("/chat/completions", &chat("mock-1", "Hi")).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "receipt_unavailable")
    );
    assert!(reply.header("retry-after").is_some());
    assert_eq!(house.mock.counters().requests, 0);
    house.assert_no_receipt();
}

#[tokio::test]
async fn an_answer_without_its_receipt_is_withheld() {
    let house = house().await;
    house.issuer.failing.store(true, Ordering::SeqCst);
    for model in ["mock-1", "mock-error-500", "mock-close"] {
        let reply = house.post("/chat/completions", &chat(model, "Hi")).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "receipt_unavailable"),
            "{model}"
        );
        assert_eq!(reply.header("x-proofmark-receipt"), None);
    }
}
