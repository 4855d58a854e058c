//! Upstreams that fail, and clients that go away.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use proofmark_receipt::Status;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::harness::{House, Seen, chat, chat_stream, house, house_with, send, text_of};

#[tokio::test]
async fn errors_of_the_provider_are_passed_on_with_a_receipt() {
    let mut house = house_with(|config| config.upstream[0].retries = 0).await;
    for (model, status) in [
        ("mock-error-400", 400),
        ("mock-error-403", 403),
        ("mock-error-404", 404),
        ("mock-context-overflow", 400),
        ("mock-rate-limited", 429),
        ("mock-error-500", 500),
        ("mock-error-503", 503),
    ] {
        for body in [chat(model, "Hi"), chat_stream(model, "Hi")] {
            let reply = house.post("/chat/completions", &body).await;
            let receipt = house.receipt().await;
            assert_eq!(reply.status, status, "{model}");
            assert_eq!(
                reply.header("x-proofmark-receipt"),
                Some(receipt.id.to_string().as_str())
            );
            assert_eq!(
                reply.body,
                receipt.returned.raw.unwrap(),
                "the provider's own words"
            );
            assert!(reply.json()["error"]["message"].is_string());
            assert_eq!(
                (receipt.outcome.status, receipt.outcome.http_status),
                (Status::ProviderError, status)
            );
            assert_eq!(
                receipt.outcome.code,
                reply.json()["error"]["code"].as_str().map(str::to_owned)
            );
            assert_eq!(reply.header("retry-after"), (status == 429).then_some("1"));
        }
    }
}

#[tokio::test]
async fn a_page_of_html_is_passed_on_as_what_it_is() {
    let mut house = house().await;
    let reply = house
        .post("/chat/completions", &chat("mock-html", "Hi"))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (502, Some("text/html"))
    );
    assert_eq!(house.receipt().await.outcome.status, Status::ProviderError);
}

#[tokio::test]
async fn our_own_key_being_refused_is_not_the_clients_affair() {
    let mut house = house_with(|config| config.upstream[0].api_key_env = None).await;
    let reply = house.post("/chat/completions", &chat("mock-1", "Hi")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (502, "upstream_unauthorized")
    );
    let receipt = house.receipt().await;
    assert_eq!(
        receipt.outcome.code.as_deref(),
        Some("upstream_unauthorized")
    );
    assert!(receipt.returned.raw.is_some(), "and yet on record");
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_not_passed_on() {
    let mut house = house().await;
    for model in ["mock-truncate-json", "mock-empty", "mock-duplicate-members"] {
        let reply = house.post("/chat/completions", &chat(model, "Hi")).await;
        let receipt = house.receipt().await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (502, "upstream_malformed"),
            "{model}"
        );
        assert_eq!(
            reply.header("x-proofmark-receipt"),
            Some(receipt.id.to_string().as_str())
        );
        assert_eq!(
            (receipt.outcome.status, receipt.outcome.http_status),
            (Status::ProviderError, 502)
        );
        assert!(receipt.returned.raw.is_some());
    }
}

#[tokio::test]
async fn an_upstream_that_closes_without_an_answer_is_asked_once() {
    let mut house = house().await;
    for model in ["mock-close", "mock-break-mid-stream"] {
        let before = house.mock.counters().requests;
        let reply = house.post("/chat/completions", &chat(model, "Hi")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (502, "upstream_unreachable"),
            "{model}"
        );
        let receipt = house.receipt().await;
        assert_eq!(
            (receipt.outcome.status, receipt.outcome.http_status),
            (Status::ProviderError, 502)
        );
        assert!(receipt.handoff.attempts.is_empty());
        assert_eq!(
            house.mock.counters().requests,
            before + 1,
            "it may have been processed: it is not repeated"
        );
    }
}

async fn broken(house: &mut House, model: &str) -> (Vec<String>, Seen) {
    let reply = house
        .post(
            "/chat/completions",
            &chat_stream(model, "one two three four five six"),
        )
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    let events = reply.events();
    assert!(
        events.iter().all(|event| event != "[DONE]"),
        "{model}: {events:?}"
    );
    (events, house.receipt().await)
}

fn error_code(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    event["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_and_has_a_receipt() {
    let mut house = house().await;
    for (model, code, status) in [
        (
            "mock-break-mid-stream",
            "upstream_unreachable",
            Status::AbortedByProvider,
        ),
        (
            "mock-break-body",
            "upstream_unreachable",
            Status::AbortedByProvider,
        ),
        (
            "mock-truncate-json",
            "upstream_malformed",
            Status::ProviderError,
        ),
        ("mock-bad-sse", "upstream_malformed", Status::ProviderError),
        (
            "mock-duplicate-members",
            "upstream_malformed",
            Status::ProviderError,
        ),
    ] {
        let (events, receipt) = broken(&mut house, model).await;
        assert_eq!(error_code(events.last().unwrap()), code, "{model}");
        assert_eq!(
            (receipt.outcome.status, receipt.outcome.code.as_deref()),
            (status, Some(code)),
            "{model}"
        );
        assert_eq!(receipt.stream.unwrap().events, events.len() as u64);
        let text = receipt
            .returned
            .answer
            .unwrap()
            .choices
            .first()
            .map(|choice| choice.text.clone())
            .unwrap_or_default();
        assert_eq!(
            text,
            text_of(&events),
            "{model}: the receipt is about what was sent on"
        );
    }
}

#[tokio::test]
async fn an_error_within_a_stream_is_passed_on_as_it_came() {
    let mut house = house().await;
    let (events, receipt) = broken(&mut house, "mock-error-in-stream").await;
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert!(last["error"]["message"].is_string() && last.get("id").is_none());
    assert_eq!(receipt.outcome.status, Status::ProviderError);
    assert_eq!(
        text_of(&events),
        receipt.returned.answer.unwrap().choices[0].text
    );
}

#[tokio::test(start_paused = true)]
async fn silence_has_its_limits() {
    let mut house = house_with(|config| {
        config.upstream[0].header_timeout_ms = 5_000;
        config.upstream[0].idle_timeout_ms = 3_000;
    })
    .await;
    let reply = house
        .post("/chat/completions", &chat("mock-stall", "Hi"))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (504, "upstream_timeout")
    );
    assert_eq!(
        house.receipt().await.outcome.code.as_deref(),
        Some("upstream_timeout")
    );
    let (events, receipt) = broken(&mut house, "mock-stall-mid-stream").await;
    assert_eq!(error_code(events.last().unwrap()), "upstream_timeout");
    assert_eq!(receipt.outcome.status, Status::AbortedByProvider);
    house
        .mock
        .wait_for(|counters| counters.disconnections == 2)
        .await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_waiting_cancels_and_has_a_receipt() {
    let mut house = house().await;
    let waiting = tokio::spawn(send(
        &house.client,
        "/chat/completions",
        chat("mock-stall", "Hi").to_string().into(),
        &[],
    ));
    house.mock.wait_for(|counters| counters.requests == 1).await;
    waiting.abort();
    let receipt = house.receipt().await;
    assert_eq!(
        (receipt.outcome.status, receipt.outcome.http_status),
        (Status::AbortedByClient, 0)
    );
    assert!(receipt.returned.answer.is_none());
    assert_eq!(&*receipt.handoff.upstream, "mock");
    house
        .mock
        .wait_for(|counters| counters.disconnections == 1)
        .await;
}

#[tokio::test]
async fn a_client_that_goes_away_within_a_stream_cancels_and_has_a_receipt_of_what_it_got() {
    let mut house = house().await;
    let body = chat_stream("mock-stall-mid-stream:4", "one two three four five six").to_string();
    let answer = send(&house.client, "/chat/completions", body.into(), &[])
        .await
        .unwrap();
    let (_, mut stream) = answer.into_parts();
    let mut got = Vec::new();
    while got.windows(2).filter(|pair| pair == b"\n\n").count() < 4 {
        got.extend_from_slice(&stream.chunk().await.unwrap().unwrap());
    }
    drop(stream);
    let receipt = house.receipt().await;
    assert_eq!(
        (receipt.outcome.status, receipt.outcome.http_status),
        (Status::AbortedByClient, 200)
    );
    assert_eq!(
        receipt.returned.answer.unwrap().choices[0].text,
        text_of(&super::harness::events_of(&got))
    );
    assert_eq!(receipt.stream.unwrap().events, 4);
    house.mock.wait_for(|counters| counters.aborted == 1).await;
}

#[tokio::test]
async fn a_receipt_that_is_being_made_is_made_even_if_the_client_goes_away() {
    for streamed in [false, true] {
        let mut house = house().await;
        house.issuer.gated.store(true, Ordering::SeqCst);
        let body = if streamed {
            chat_stream("mock-1", "Hi")
        } else {
            chat("mock-1", "Hi")
        };
        let client = super::harness::client_of(house.address);
        let waiting = tokio::spawn(async move {
            let answer = send(&client, "/chat/completions", body.to_string().into(), &[])
                .await
                .unwrap();
            answer.collect(1 << 20).await.unwrap();
        });
        house.entered.recv().await.unwrap();
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        house.issuer.gate.add_permits(1);
        let receipt = house.receipt().await;
        assert_eq!(
            receipt.outcome.status,
            Status::Completed,
            "all of it had come"
        );
    }
}

/// An upstream that sends the same bytes to everybody.
async fn scripted(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                // Closed by the other side, so that nothing is reset on its way.
                let _ = stream.read_to_end(&mut head).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn an_answer_of_another_kind_than_asked_for_is_not_passed_on() {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"choices\":[]}";
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: [DONE]\n\n";
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (answer, body) in [
        (json, chat_stream("m", "Hi")),
        (events, chat("m", "Hi")),
        (elsewhere, chat("m", "Hi")),
    ] {
        let url = scripted(answer).await;
        let mut house = house_with(|config| config.upstream[0].base_url = url).await;
        let reply = house.post("/chat/completions", &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (502, "upstream_malformed"),
            "{answer}"
        );
        assert_eq!(house.receipt().await.outcome.status, Status::ProviderError);
    }
}

#[tokio::test]
async fn odd_but_valid_event_streams_are_understood() {
    let odd = "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream\r\nconnection: close\r\n\r\n: hello\r\n\r\nid: 1\r\ndata: {\"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\r\n\r\ndata:[DONE]\r\n\r\ndata: {\"late\":1}\r\n\r\n";
    let url = scripted(odd).await;
    let mut house = house_with(|config| config.upstream[0].base_url = url).await;
    let reply = house
        .post("/chat/completions", &chat_stream("m", "Hi"))
        .await;
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(
        text.ends_with("data: [DONE]\n\n") && !text.contains("late") && !text.contains("hello"),
        "{text}"
    );
    let receipt = house.receipt().await;
    assert_eq!(receipt.returned.answer.unwrap().choices[0].text, "Hi");
    assert_eq!(receipt.stream.unwrap().events, 1);
}

#[tokio::test]
async fn requests_in_flight_and_their_receipts_outlive_the_signal_to_stop() {
    let mut house = house_with(|config| config.server.shutdown_grace_ms = 1_000_000).await;
    let waiting = tokio::spawn(send(
        &house.client,
        "/chat/completions",
        chat("mock-stall", "Hi").to_string().into(),
        &[],
    ));
    house.mock.wait_for(|counters| counters.requests == 1).await;
    house.mock.stall_gate().release(1);
    house.close().await;
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(house.receipt().await.outcome.status, Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_off_at_the_end_has_its_receipt_too() {
    let mut house = house_with(|config| config.server.shutdown_grace_ms = 1_000).await;
    let waiting = tokio::spawn(send(
        &house.client,
        "/chat/completions",
        chat("mock-stall", "Hi").to_string().into(),
        &[],
    ));
    house.mock.wait_for(|counters| counters.requests == 1).await;
    house.close().await;
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(
        house.receipt().await.outcome.status,
        Status::AbortedByClient
    );
    tokio::time::advance(Duration::from_secs(1)).await;
}
