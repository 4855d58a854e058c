//! Models that fail, each in the way that its name says.

use std::io::ErrorKind;

use serde_json::{Value, json};

use crate::raw::{Answer, ask, ask_at, chat, send, start, with};

fn streamed(model: &str) -> Value {
    with(chat(model), json!({"stream": true}))
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn errors_by_status() {
    let upstream = start().await;
    for (model, status, expected) in [
        ("mock-error-401", 401, "invalid_api_key"),
        ("mock-error-429", 429, "rate_limit_exceeded"),
        ("mock-rate-limited", 429, "rate_limit_exceeded"),
        ("mock-error-500", 500, ""),
        ("mock-error-418", 418, ""),
        ("mock-context-overflow", 400, "context_length_exceeded"),
        ("no-such-model", 404, "model_not_found"),
        ("mock-typo", 404, "model_not_found"),
    ] {
        for body in [chat(model), streamed(model)] {
            let answer = ask(&upstream, &body).await;
            assert_eq!(
                (answer.status, code(&answer).as_str()),
                (status, expected),
                "{model}"
            );
            let error = answer.json()["error"].clone();
            assert!(
                error["message"].is_string()
                    && error["type"].is_string()
                    && error.get("param").is_some()
            );
            assert_eq!(answer.header("retry-after"), (status == 429).then_some("1"));
        }
    }
    let overflow = ask(&upstream, &chat("mock-context-overflow")).await.json();
    assert!(
        overflow["error"]["message"]
            .as_str()
            .unwrap()
            .contains("8192 tokens")
    );
    upstream.stop().await;
}

#[tokio::test]
async fn errors_that_go_away() {
    let upstream = start().await;
    let mut statuses = Vec::new();
    for model in ["mock-error-503-then-ok:3"; 5]
        .into_iter()
        .chain(["mock-error-500-then-ok"; 4])
    {
        statuses.push(ask(&upstream, &chat(model)).await.status);
    }
    assert_eq!(statuses, [503, 503, 503, 200, 503, 500, 500, 200, 500]);
    upstream.stop().await;
}

#[tokio::test]
async fn bad_requests() {
    let upstream = start().await;
    for (more, param, expected) in [
        (json!({"model": 1}), "model", "invalid_type"),
        (json!({"messages": []}), "messages", "empty_array"),
        (
            json!({"messages": [{"content": "x"}]}),
            "messages[0].role",
            "missing_required_parameter",
        ),
        (
            json!({"messages": [{"role": "wizard"}]}),
            "messages[0].role",
            "invalid_value",
        ),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            "messages[0].role",
            "invalid_value",
        ),
        (
            json!({"temperature": 2.5}),
            "temperature",
            "decimal_above_max_value",
        ),
        (json!({"temperature": "hot"}), "temperature", "invalid_type"),
        (json!({"n": 0}), "n", "integer_below_min_value"),
        (json!({"n": 129}), "n", "integer_above_max_value"),
        (json!({"top_logprobs": 3}), "top_logprobs", "invalid_value"),
        (
            json!({"stop": ["1", "2", "3", "4", "5"]}),
            "stop",
            "array_above_max_length",
        ),
        (json!({"tools": []}), "tools", "empty_array"),
        (
            json!({"response_format": {"type": "xml"}}),
            "response_format.type",
            "invalid_value",
        ),
    ] {
        let answer = ask(&upstream, &with(chat("mock-1"), more.clone())).await;
        let error = answer.json()["error"].clone();
        assert_eq!(
            (answer.status, &error["param"], &error["code"]),
            (400, &json!(param), &json!(expected)),
            "{more}"
        );
    }
    let options = ask(
        &upstream,
        &with(
            chat("mock-1"),
            json!({"stream_options": {"include_usage": true}}),
        ),
    )
    .await;
    assert_eq!(options.status, 400);
    let no_model = ask(&upstream, &json!({"messages": []})).await;
    assert_eq!(
        no_model.json()["error"]["message"],
        "you must provide a model parameter"
    );
    let not_json = ask_at(&upstream, "/v1/embeddings", &json!("x")).await;
    assert_eq!((not_json.status, code(&not_json).as_str()), (400, ""));
    upstream.stop().await;
}

#[tokio::test]
async fn paths_and_methods() {
    let upstream = start().await;
    for (request, status) in [
        ("GET /v1/chat/completions", 405),
        ("POST /v1/models", 405),
        ("POST /v1/responses", 404),
        ("GET /", 404),
    ] {
        let answer = send(
            upstream.address(),
            &format!("{request} HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(
            (answer.status, answer.json()["error"]["type"].as_str()),
            (status, Some("invalid_request_error")),
            "{request}"
        );
    }
    upstream.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_reset() {
    let upstream = start().await;
    let answer = ask(&upstream, &streamed("mock-break-mid-stream:4")).await;
    assert_eq!(
        (answer.error, answer.complete),
        (Some(ErrorKind::ConnectionReset), false)
    );
    assert_eq!(answer.events().len(), 4);
    let whole = ask(&upstream, &chat("mock-break-mid-stream")).await;
    assert_eq!(
        (whole.error, whole.complete),
        (Some(ErrorKind::ConnectionReset), false)
    );
    assert!(!whole.body.is_empty());
    upstream.wait_for(|counters| counters.aborted == 2).await;
    upstream.stop().await;
}

#[tokio::test]
async fn a_body_that_ends_too_early() {
    let upstream = start().await;
    let answer = ask(&upstream, &streamed("mock-break-body:2")).await;
    assert_eq!(
        (answer.error, answer.complete, answer.events().len()),
        (None, false, 2)
    );
    let whole = ask(&upstream, &chat("mock-break-body")).await;
    assert_eq!((whole.error, whole.complete), (None, false));
    let closed = ask(&upstream, &chat("mock-close")).await;
    assert_eq!((closed.status, closed.body.len()), (0, 0));
    upstream.stop().await;
}

#[tokio::test]
async fn bodies_that_are_no_answers() {
    let upstream = start().await;
    let cut = ask(&upstream, &chat("mock-truncate-json")).await;
    assert!(
        cut.complete && cut.status == 200 && serde_json::from_slice::<Value>(&cut.body).is_err()
    );
    let cut = ask(&upstream, &streamed("mock-truncate-json")).await;
    assert!(cut.complete && cut.text().ends_with(|last: char| last != '\n'));
    let events = ask(&upstream, &streamed("mock-bad-sse")).await.events();
    assert!(
        serde_json::from_str::<Value>(&events[0]).is_ok()
            && serde_json::from_str::<Value>(&events[1]).is_err()
    );
    assert_eq!(events.last().unwrap(), "[DONE]");
    let html = ask(&upstream, &chat("mock-html")).await;
    assert_eq!(
        (html.status, html.header("content-type")),
        (502, Some("text/html"))
    );
    let empty = ask(&upstream, &chat("mock-empty")).await;
    assert_eq!(
        (empty.status, empty.body.len(), empty.complete),
        (200, 0, true)
    );
    let endless = ask(&upstream, &streamed("mock-no-done")).await;
    assert!(endless.complete && !endless.text().contains("[DONE]"));
    for body in [
        chat("mock-duplicate-members"),
        streamed("mock-duplicate-members"),
    ] {
        let text = ask(&upstream, &body).await.text();
        assert!(text.contains(r#"{"model":"another","id":"#), "{text}");
        assert!(text.contains(r#""model":"mock-duplicate-members""#));
    }
    upstream.stop().await;
}

#[tokio::test]
async fn an_error_in_the_stream() {
    let upstream = start().await;
    let answer = ask(&upstream, &streamed("mock-error-in-stream:2")).await;
    let events = answer.events();
    assert_eq!(
        (answer.status, answer.complete, events.len()),
        (200, true, 3)
    );
    let error: Value = serde_json::from_str(&events[2]).unwrap();
    assert_eq!(error["error"]["type"], "server_error");
    assert_eq!(
        ask(&upstream, &chat("mock-error-in-stream")).await.status,
        500
    );
    upstream.stop().await;
}
