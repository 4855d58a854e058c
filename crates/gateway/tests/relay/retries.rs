//! Second tries and fallbacks: only what is safe, only what was configured, all of it on record.

use proofmark_gateway::UpstreamConfig;
use proofmark_receipt::{AdjustmentKind, Status};
use proofmark_testkit::{MockConfig, MockUpstream};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::harness::{chat, chat_stream, house, house_with, text_of};

#[tokio::test(start_paused = true)]
async fn what_was_not_processed_is_tried_again() {
    let mut house = house().await;
    for body in [
        chat("mock-error-503-then-ok:1", "Hi"),
        chat_stream("mock-error-503-then-ok:1", "Hi"),
    ] {
        let before = house.mock.counters().requests;
        let reply = house.post("/chat/completions", &body).await;
        assert_eq!(reply.status, 200);
        let receipt = house.receipt().await;
        assert_eq!(receipt.outcome.status, Status::Completed);
        assert_eq!(house.mock.counters().requests, before + 2);
        let [attempt] = receipt.handoff.attempts.as_slice() else {
            panic!("{:?}", receipt.handoff.attempts)
        };
        assert_eq!(
            (
                attempt.upstream.as_str(),
                attempt.http_status,
                attempt.reason.as_str()
            ),
            ("mock", 503, "status")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_passed_on_in_the_end() {
    let mut house = house_with(|config| config.upstream[0].retries = 2).await;
    let before = Instant::now();
    let reply = house
        .post("/chat/completions", &chat("mock-rate-limited", "Hi"))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("retry-after")),
        (429, Some("1"))
    );
    assert!(before.elapsed().as_secs() >= 2);
    assert_eq!(house.mock.counters().requests, 3);
    let receipt = house.receipt().await;
    assert_eq!(receipt.handoff.attempts.len(), 2);
    assert_eq!(
        (receipt.outcome.status, receipt.outcome.http_status),
        (Status::ProviderError, 429)
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_processed_is_not_tried_again() {
    let mut house = house_with(|config| config.upstream[0].retries = 5).await;
    for model in ["mock-error-500", "mock-error-400", "mock-close"] {
        let before = house.mock.counters().requests;
        house.post("/chat/completions", &chat(model, "Hi")).await;
        assert!(house.receipt().await.handoff.attempts.is_empty(), "{model}");
        assert_eq!(house.mock.counters().requests, before + 1, "{model}");
    }
}

/// A port that nobody listens on.
async fn deserted() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_tried_again_and_then_said() {
    let deserted = deserted().await;
    let mut house = house_with(|config| {
        config.upstream[0].base_url = deserted;
        config.upstream[0].retries = 2;
    })
    .await;
    let reply = house.post("/chat/completions", &chat("mock-1", "Hi")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (502, "upstream_unreachable")
    );
    let receipt = house.receipt().await;
    let reasons: Vec<_> = receipt
        .handoff
        .attempts
        .iter()
        .map(|attempt| (attempt.http_status, attempt.reason.as_str()))
        .collect();
    assert_eq!(reasons, [(0, "connect"), (0, "connect")]);
    assert_eq!(
        receipt.outcome.code.as_deref(),
        Some("upstream_unreachable")
    );
}

#[tokio::test(start_paused = true)]
async fn a_fallback_is_asked_under_its_own_name_and_all_of_it_is_on_record() {
    let second = MockUpstream::start(MockConfig {
        record: 4,
        ..MockConfig::default()
    })
    .await
    .unwrap();
    let (deserted, second_url) = (deserted().await, second.base_url());
    let mut house = house_with(|config| {
        let first = UpstreamConfig {
            models: vec!["smart".into()],
            fallback: vec!["mock/mock-error-500".into(), "second/mock-alias".into()],
            retries: 0,
            ..UpstreamConfig::new("first", &deserted)
        };
        config.upstream.insert(0, first);
        config.upstream[1].models = vec!["mock-*".into()];
        config.upstream.push(UpstreamConfig {
            models: vec!["other".into()],
            ..UpstreamConfig::new("second", &second_url)
        });
    })
    .await;
    for body in [chat("smart", "Hi"), chat_stream("smart", "Hi")] {
        let reply = house.post("/chat/completions", &body).await;
        assert_eq!(reply.status, 200);
        let receipt = house.receipt().await;
        let attempts: Vec<_> = receipt
            .handoff
            .attempts
            .iter()
            .map(|attempt| {
                (
                    attempt.upstream.as_str(),
                    attempt.http_status,
                    attempt.reason.as_str(),
                )
            })
            .collect();
        assert_eq!(attempts, [("first", 0, "connect"), ("mock", 500, "status")]);
        assert_eq!(
            (receipt.asked.as_str(), &*receipt.handoff.upstream),
            ("smart", "second")
        );
        assert_eq!(
            receipt.handoff.adjusted[0].adjustment.kind,
            AdjustmentKind::Replaced
        );
        assert_eq!(
            receipt.handoff.adjusted[0].adjustment.detail,
            "smart -> mock-alias"
        );
        assert_eq!(
            receipt.returned.answer.unwrap().model.as_deref(),
            Some("mock-1-2026-01-01"),
            "asked smart, served this"
        );
        let sent: Value = serde_json::from_slice(&second.requests().pop().unwrap().body).unwrap();
        assert_eq!(sent["model"], "mock-alias");
        if body["stream"] == true {
            assert_eq!(text_of(&reply.events()), "You said: Hi");
        } else {
            assert_eq!(reply.json()["model"], "mock-1-2026-01-01");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_configured_fallback_nobody_else_is_asked() {
    let deserted = deserted().await;
    let mut house = house_with(|config| {
        let first = UpstreamConfig {
            models: vec!["smart".into()],
            ..UpstreamConfig::new("first", &deserted)
        };
        config.upstream.insert(0, first);
    })
    .await;
    let reply = house.post("/chat/completions", &chat("smart", "Hi")).await;
    assert_eq!(reply.code(), "upstream_unreachable");
    assert_eq!(house.mock.counters().requests, 0);
    house.receipt().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_request_is_no_reason_to_turn_elsewhere() {
    let second = MockUpstream::start(MockConfig::default()).await.unwrap();
    let url = second.base_url();
    let mut house = house_with(|config| {
        config.upstream[0].fallback = vec!["second/mock-1".into()];
        config.upstream[0].retries = 0;
        config.upstream.push(UpstreamConfig {
            models: vec!["other".into()],
            ..UpstreamConfig::new("second", &url)
        });
    })
    .await;
    for (model, asked) in [
        ("mock-error-400", 0),
        ("mock-context-overflow", 0),
        ("mock-error-503", 1),
        ("mock-rate-limited", 2),
        ("mock-close", 3),
    ] {
        house.post("/chat/completions", &chat(model, "Hi")).await;
        house.receipt().await;
        assert_eq!(second.counters().requests, asked, "{model}");
    }
}

#[tokio::test]
async fn a_model_behind_its_upstreams_name() {
    let mut house = house().await;
    let reply = house
        .post("/chat/completions", &chat("mock/mock-1", "Hi"))
        .await;
    assert_eq!(reply.status, 200);
    let receipt = house.receipt().await;
    assert_eq!(receipt.asked, "mock/mock-1");
    assert_eq!(
        receipt.handoff.adjusted[0].adjustment.detail,
        "mock/mock-1 -> mock-1"
    );
    let expected = chat("mock/mock-1", "Hi")
        .to_string()
        .replace("mock/mock-1", "mock-1");
    assert_eq!(receipt.handoff.forwarded.concat(), expected.as_bytes());
    assert_eq!(house.mock.requests().pop().unwrap().body, expected);
}

#[tokio::test]
async fn a_model_that_nobody_serves() {
    let mut house = house_with(|config| config.upstream[0].models = vec!["mock-*".into()]).await;
    let reply = house.post("/chat/completions", &chat("gpt-5", "Hi")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (404, "model_not_found")
    );
    assert_eq!(house.mock.counters().requests, 0);
    house.assert_no_receipt();
}
