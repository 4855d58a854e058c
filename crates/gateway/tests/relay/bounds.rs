//! What strangers can make the gateway hold.

use bytes::Bytes;
use http::StatusCode;
use proofmark_receipt::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::harness::{chat, chat_stream, client_of, house_with, send};

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let mut house = house_with(|config| {
        config.limits.max_requests = 1;
        config.limits.max_waiting = 0;
        config.limits.retry_after_s = 3;
    })
    .await;
    let waiting = tokio::spawn(send(
        &house.client,
        "/chat/completions",
        chat("mock-stall", "Hi").to_string().into(),
        &[],
    ));
    house.mock.wait_for(|counters| counters.requests == 1).await;
    let refused = house.post("/chat/completions", &chat("mock-1", "Hi")).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "overloaded")
    );
    assert_eq!(refused.header("retry-after"), Some("3"));
    assert_eq!(house.mock.counters().requests, 1);
    house.mock.stall_gate().open();
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    house.receipt().await;
    assert_eq!(
        house
            .post("/chat/completions", &chat("mock-1", "Hi"))
            .await
            .status,
        StatusCode::OK,
        "the place is free again"
    );
}

#[tokio::test]
async fn one_stream_too_many_is_told_to_come_back() {
    let mut house = house_with(|config| {
        config.limits.max_streams = 1;
        config.limits.max_waiting = 0;
    })
    .await;
    let body = chat_stream("mock-stall-mid-stream:1", "Hi").to_string();
    let first = send(&house.client, "/chat/completions", body.into(), &[])
        .await
        .unwrap();
    let refused = house
        .post("/chat/completions", &chat_stream("mock-1", "Hi"))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (503, "overloaded")
    );
    assert_eq!(
        house
            .post("/chat/completions", &chat("mock-1", "Hi"))
            .await
            .status,
        StatusCode::OK
    );
    drop(first);
    while house.receipt().await.outcome.status != Status::AbortedByClient {}
    assert_eq!(
        house
            .post("/chat/completions", &chat_stream("mock-1", "Hi"))
            .await
            .status,
        StatusCode::OK,
        "the place is free again"
    );
}

#[tokio::test]
async fn a_body_of_fifty_megabytes_goes_through() {
    let mut house = house_with(|_| {}).await;
    let padding = "x".repeat(50 << 20);
    let body = format!(
        r#"{{"model":"mock-1","messages":[{{"role":"user","content":"Hi"}}],"x-padding":"{padding}"}}"#
    );
    let reply = house
        .post_bytes("/chat/completions", body.into(), &[])
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    let receipt = house.receipt().await;
    assert!(receipt.received.len() > 50 << 20);
    assert_eq!(house.mock.requests().pop().unwrap().body, receipt.received);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_413() {
    let mut house = house_with(|config| config.server.max_request_bytes = 10_000).await;
    let reply = house
        .post("/chat/completions", &chat("mock-1", &"x".repeat(10_000)))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (413, "request_too_large")
    );
    // Of unknown length.
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let piece = format!("1000\r\n{}\r\n", "y".repeat(0x1000));
    for _ in 0..3 {
        stream.write_all(piece.as_bytes()).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(house.mock.counters().requests, 0);
    house.assert_no_receipt();
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read() {
    let mut house = house_with(|_| {}).await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let body = chat("mock-1", &"z".repeat(200_000)).to_string();
    for piece in body.as_bytes().chunks(50_000) {
        stream
            .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
            .await
            .unwrap();
        stream.write_all(piece).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "{}",
        &answer[..answer.len().min(200)]
    );
    assert_eq!(house.receipt().await.received, body);
}

#[tokio::test]
async fn the_memory_of_all_bodies_is_bounded() {
    let mut house = house_with(|config| {
        config.server.max_request_bytes = 1 << 20;
        config.server.max_answer_bytes = 1 << 20;
        config.limits.max_body_bytes = 1 << 20;
        config.limits.max_waiting = 0;
    })
    .await;
    let large = |model: &str| {
        let mut body = chat(model, "Hi");
        body["x-padding"] = "x".repeat(700_000).into();
        Bytes::from(body.to_string())
    };
    let waiting = tokio::spawn(send(
        &house.client,
        "/chat/completions",
        large("mock-stall"),
        &[],
    ));
    house.mock.wait_for(|counters| counters.requests == 1).await;
    let refused = house
        .post_bytes("/chat/completions", large("mock-1"), &[])
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (503, "overloaded")
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(
        house
            .post("/chat/completions", &chat("mock-1", "small"))
            .await
            .status,
        StatusCode::OK
    );
    house.receipt().await;
    // An answer is counted too: what is left is too little for it.
    for body in [
        chat("mock-huge:600000", "Hi"),
        chat_stream("mock-huge:600000", "Hi"),
    ] {
        let reply = house.post("/chat/completions", &body).await;
        let receipt = house.receipt().await;
        assert_eq!(
            (receipt.outcome.status, receipt.outcome.code.as_deref()),
            (Status::NodeError, Some("overloaded"))
        );
        assert!(
            reply.body.ends_with(b"\"code\":\"overloaded\"}}")
                || reply.body.ends_with(b"\"code\":\"overloaded\"}}\n\n"),
            "{reply:?}"
        );
    }
    house.mock.stall_gate().open();
    // What was held is given back.
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    house.receipt().await;
    assert_eq!(
        house
            .post_bytes("/chat/completions", large("mock-words:1"), &[])
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_passed_on() {
    let mut house = house_with(|config| config.server.max_answer_bytes = 100_000).await;
    let reply = house
        .post("/chat/completions", &chat("mock-huge:200000", "Hi"))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (502, "upstream_malformed")
    );
    house.receipt().await;
    let reply = house
        .post("/chat/completions", &chat_stream("mock-huge:200000", "Hi"))
        .await;
    assert!(
        reply
            .events()
            .last()
            .unwrap()
            .contains("upstream_malformed")
    );
    assert_eq!(
        house.receipt().await.outcome.code.as_deref(),
        Some("upstream_malformed")
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_stops_the_upstream_and_is_dropped() {
    let mut house = house_with(|config| config.server.stall_timeout_ms = 5_000).await;
    let body = chat_stream("mock-huge:8000000", "Hi").to_string();
    let lazy = TcpSocket::new_v4().unwrap();
    lazy.set_recv_buffer_size(4096).unwrap();
    let mut lazy = lazy.connect(house.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    lazy.write_all(head.as_bytes()).await.unwrap();
    lazy.write_all(body.as_bytes()).await.unwrap();
    let receipt = house.receipt().await;
    assert_eq!(receipt.outcome.status, Status::AbortedByClient);
    let text = receipt.returned.answer.unwrap().choices[0].text.len();
    assert!(
        text < 7_000_000,
        "{text} bytes were taken from the upstream for a client that read nothing"
    );
    house.mock.wait_for(|counters| counters.aborted == 1).await;
    drop(lazy);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up() {
    let mut house = house_with(|config| config.server.body_idle_timeout_ms = 2_000).await;
    let mut slow = TcpStream::connect(house.address).await.unwrap();
    slow.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{\"model\"").await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    house.assert_no_receipt();
}

/// Who is still sending when the answer is known gets the answer, not a reset.
#[tokio::test]
async fn whoever_is_refused_with_a_long_body_hears_it() {
    let mut house = house_with(|config| config.limits.max_body_bytes = 64 << 20).await;
    house
        .issuer
        .closed
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 20000000\r\n\r\n";
    for _ in 0..8 {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b' '; 20_000_000]).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    house.assert_no_receipt();
}

/// A byte now and then keeps no place and no memory.
#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up() {
    let mut house = house_with(|config| config.server.body_idle_timeout_ms = 2_000).await;
    let mut slow = TcpStream::connect(house.address).await.unwrap();
    slow.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
    let (mut from, mut to) = slow.into_split();
    let drips = tokio::spawn(async move {
        let mut count = 0_u32;
        while to.write_all(b" ").await.is_ok() {
            count += 1;
            tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
        }
        count
    });
    let mut answer = String::new();
    from.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    drop(from);
    drips.abort();
    house.assert_no_receipt();
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_badly_framed_is_400() {
    let mut house = house_with(|_| {}).await;
    for body in [
        "content-length: 100\r\n\r\n{\"model\"",
        "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}3\r\n",
    ] {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n";
        socket
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .unwrap();
        if body.starts_with("content-length") {
            socket.shutdown().await.unwrap();
        }
        let mut answer = String::new();
        // Whoever broke off may get nothing at all; an answer is an honest one.
        let _ = socket.read_to_string(&mut answer).await;
        let told = answer.starts_with("HTTP/1.1 400 ") && answer.contains("incomplete_body");
        assert!(told, "{body}: {answer}");
    }
    assert_eq!(house.mock.counters().requests, 0);
    house.assert_no_receipt();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_at_once() {
    let mut house = house_with(|config| config.limits.max_streams = 1000).await;
    let body = Bytes::from(chat_stream("mock-stall-mid-stream:2", "Hi there you").to_string());
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let answer = send(
            &client_of(house.address),
            "/chat/completions",
            body.clone(),
            &[],
        );
        streams.spawn(async move { answer.await.unwrap().collect(1 << 20).await.unwrap() });
    }
    house
        .mock
        .wait_for(|counters| counters.requests == 200)
        .await;
    house.mock.stall_gate().open();
    while let Some(body) = streams.join_next().await {
        assert!(body.unwrap().ends_with(b"data: [DONE]\n\n"));
    }
    for _ in 0..200 {
        assert_eq!(house.receipt().await.outcome.status, Status::Completed);
    }
    house.assert_no_receipt();
}
