//! The server itself: gates, counters, keys, records, connections.

use std::time::Duration;

use proofmark_testkit::{MockConfig, MockUpstream, Pace};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::raw::{ask, chat, post, read, send, start, with};

/// Opens a stream and gives the socket.
async fn open(upstream: &MockUpstream, model: &str) -> TcpStream {
    let mut stream = TcpStream::connect(upstream.address()).await.unwrap();
    let body = with(chat(model), json!({"stream": true})).to_string();
    stream
        .write_all(post("/v1/chat/completions", &body).as_bytes())
        .await
        .unwrap();
    stream
}

#[tokio::test]
async fn slow_tokens_come_one_by_one() {
    let upstream = start().await;
    let mut stream = open(&upstream, "mock-slow").await;
    upstream.wait_for(|counters| counters.requests == 1).await;
    let mut seen = String::new();
    for chunks in 1..=3 {
        upstream.pace_gate().release(1);
        let counters = upstream
            .wait_for(|counters| counters.pieces == chunks)
            .await;
        assert_eq!(counters.answered, 0);
        while seen.matches("\ndata: ").count() < usize::try_from(chunks).unwrap() {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            seen += std::str::from_utf8(&buffer[..count]).unwrap();
        }
        assert_eq!(
            seen.matches("\ndata: ").count(),
            usize::try_from(chunks).unwrap()
        );
    }
    upstream.pace_gate().open();
    upstream.wait_for(|counters| counters.answered == 1).await;
    upstream.stop().await;
}

#[tokio::test(start_paused = true)]
async fn slow_tokens_in_time() {
    let config = MockConfig {
        pace: Pace::Delay(Duration::from_secs(1)),
        ..MockConfig::default()
    };
    let upstream = MockUpstream::start(config).await.unwrap();
    for (model, per_chunk) in [("mock-slow", 1000), ("mock-slow:250", 250)] {
        let before = tokio::time::Instant::now();
        let chunks = read(open(&upstream, model).await).await.chunks().len();
        let expected = Duration::from_millis(per_chunk) * u32::try_from(chunks).unwrap();
        let took = before.elapsed();
        assert!(
            took >= expected && took < expected + Duration::from_millis(100),
            "{took:?} for {expected:?}"
        );
    }
    upstream.stop().await;
}

#[tokio::test]
async fn stalled_answers_wait_for_their_gate() {
    let upstream = start().await;
    let stalled = open(&upstream, "mock-stall").await;
    let middle = open(&upstream, "mock-stall-mid-stream:2").await;
    let counters = upstream
        .wait_for(|counters| counters.requests == 2 && counters.pieces == 2)
        .await;
    assert_eq!(counters.answered, 0);
    upstream.stall_gate().release(2);
    assert!(read(stalled).await.complete && read(middle).await.complete);
    assert_eq!(upstream.counters().answered, 2);
    upstream.stop().await;
}

#[tokio::test]
async fn clients_that_leave_are_counted() {
    let upstream = start().await;
    let stream = open(&upstream, "mock-stall-mid-stream:1").await;
    upstream.wait_for(|counters| counters.pieces == 1).await;
    drop(stream);
    let counters = upstream
        .wait_for(|counters| counters.disconnections == 1)
        .await;
    assert_eq!(
        (counters.connections, counters.aborted, counters.answered),
        (1, 1, 0)
    );
    upstream.stop().await;
}

#[tokio::test]
async fn keys_are_checked() {
    let config = MockConfig {
        api_keys: vec!["sk-right".into()],
        ..MockConfig::default()
    };
    assert!(!format!("{config:?}").contains("sk-right"));
    let upstream = MockUpstream::start(config).await.unwrap();
    let none = ask(&upstream, &chat("mock-1")).await;
    assert_eq!(
        (none.status, &none.json()["error"]["code"]),
        (401, &json!(null))
    );
    for (key, status) in [
        ("Bearer sk-wrong-and-quite-long", 401),
        ("Basic sk-right", 401),
        ("Bearer sk-right", 200),
    ] {
        let body = chat("mock-1").to_string();
        let request = post("/v1/chat/completions", &body)
            .replace("host: mock", &format!("host: mock\r\nauthorization: {key}"));
        let answer = send(upstream.address(), &request).await;
        assert_eq!(answer.status, status, "{key}");
        assert!(!answer.text().contains("wrong-and-quite"));
    }
    upstream.stop().await;
}

#[tokio::test]
async fn the_newest_requests_are_kept() {
    let upstream = MockUpstream::start(MockConfig {
        record: 2,
        ..MockConfig::default()
    })
    .await
    .unwrap();
    for model in ["mock-1", "mock-words", "mock-error-500"] {
        ask(&upstream, &chat(model)).await;
    }
    let recorded = upstream.requests();
    let bodies: Vec<_> = recorded
        .iter()
        .map(|request| request.body.clone())
        .collect();
    assert_eq!(
        bodies,
        [
            chat("mock-words").to_string(),
            chat("mock-error-500").to_string()
        ]
    );
    assert_eq!(
        (recorded[0].method.as_str(), recorded[0].target.as_str()),
        ("POST", "/v1/chat/completions")
    );
    assert_eq!(recorded[0].headers["content-type"], "application/json");
    upstream.stop().await;
    assert!(start().await.requests().is_empty());
}

#[tokio::test]
async fn configured_models_exist_and_large_bodies_are_refused() {
    let config = MockConfig {
        models: vec!["gpt-4o".into()],
        max_body_bytes: 300,
        ..MockConfig::default()
    };
    let upstream = MockUpstream::start(config).await.unwrap();
    assert_eq!(
        ask(&upstream, &chat("gpt-4o")).await.json()["model"],
        "gpt-4o"
    );
    let large = ask(
        &upstream,
        &with(chat("gpt-4o"), json!({"user": "x".repeat(300)})),
    )
    .await;
    assert_eq!(large.status, 413);
    upstream.stop().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let upstream = start().await;
    let mut stream = TcpStream::connect(upstream.address()).await.unwrap();
    let request = post("/v1/chat/completions", &chat("mock-1").to_string());
    let keep = request.replace("connection: close\r\n", "");
    stream
        .write_all(format!("{keep}{keep}{request}").as_bytes())
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
    let counters = upstream.counters();
    assert_eq!(
        (counters.connections, counters.requests, counters.answered),
        (1, 3, 3)
    );
    upstream.stop().await;
}

#[tokio::test]
async fn stopping_lets_answers_end_and_frees_the_port() {
    let upstream = start().await;
    let address = upstream.address();
    let stream = open(&upstream, "mock-stall-mid-stream:1").await;
    upstream.wait_for(|counters| counters.pieces == 1).await;
    let (answer, ()) = tokio::join!(read(stream), upstream.stop());
    assert!(answer.complete);
    assert!(TcpStream::connect(address).await.is_err());
    let again = MockUpstream::start(MockConfig {
        listen: address,
        ..MockConfig::default()
    })
    .await
    .unwrap();
    assert_eq!(again.base_url(), format!("http://{address}/v1"));
    assert_eq!(ask(&again, &chat("mock-1")).await.status, 200);
    again.stop().await;
}

#[tokio::test]
async fn dropping_it_closes_connections_at_once() {
    let upstream = start().await;
    let stream = open(&upstream, "mock-stall").await;
    upstream.wait_for(|counters| counters.requests == 1).await;
    drop(upstream);
    let answer = read(stream).await;
    assert_eq!((answer.status, answer.complete), (0, false));
}
