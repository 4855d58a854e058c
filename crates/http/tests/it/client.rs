//! The client against a scripted peer over real sockets. Time is tokio's: paused where a test is about time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::support::{accept, client_of, is_closed, listener, read_head, write};
use bytes::Bytes;
use http_body::{Body, Frame};
use proofmark_http::{ClientError, ClientOptions, Outgoing, Payload};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn request_as_sent_and_connection_reused() {
    let (listener, address) = listener().await;
    let client = client_of(address, ClientOptions::default());
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        let first = read_head(&mut stream).await;
        let mut body = [0_u8; 10];
        stream.read_exact(&mut body).await.unwrap();
        write(&mut stream, OK).await;
        let second = read_head(&mut stream).await;
        write(&mut stream, OK).await;
        (first, body, second)
    });
    let rope = Payload::rope([
        Bytes::from_static(b"{\"a\""),
        Bytes::new(),
        Bytes::from_static(b":\"bc\"}"),
    ]);
    let answer = client
        .send(Outgoing::post_json("/x?y=z", rope))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.tls(), None);
    assert_eq!(answer.collect(2).await.unwrap(), "ok");
    assert_eq!(
        client
            .send(Outgoing::get("/again"))
            .await
            .unwrap()
            .collect(2)
            .await
            .unwrap(),
        "ok"
    );
    let (first, body, second) = peer.await.unwrap();
    assert!(first.starts_with("POST /v1/x?y=z HTTP/1.1\r\n"), "{first}");
    assert!(first.contains(&format!("host: {address}\r\n")), "{first}");
    assert!(first.contains("content-length: 10\r\n"), "{first}");
    assert_eq!(&body, b"{\"a\":\"bc\"}");
    assert!(second.starts_with("GET /v1/again HTTP/1.1\r\n"), "{second}");
}

#[tokio::test]
async fn a_stale_pooled_connection_is_replaced() {
    let (listener, address) = listener().await;
    let (bell, bell_address) = super::support::listener().await;
    let client = client_of(address, ClientOptions::default());
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_head(&mut stream).await;
        write(&mut stream, OK).await;
        drop(stream);
        // Rings after the close: whoever hears it has the close in the same or an earlier turn of the event loop.
        drop(tokio::net::TcpStream::connect(bell_address).await.unwrap());
        let mut stream = accept(&listener).await;
        read_head(&mut stream).await;
        write(&mut stream, OK).await;
    });
    client
        .send(Outgoing::get("/"))
        .await
        .unwrap()
        .collect(2)
        .await
        .unwrap();
    accept(&bell).await;
    assert_eq!(
        client
            .send(Outgoing::get("/"))
            .await
            .unwrap()
            .collect(2)
            .await
            .unwrap(),
        "ok"
    );
    peer.await.unwrap();
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_repeated() {
    let (listener, address) = listener().await;
    let client = client_of(address, ClientOptions::default());
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_head(&mut stream).await;
        write(&mut stream, OK).await;
        read_head(&mut stream).await;
        drop(stream);
        listener
    });
    client
        .send(Outgoing::get("/"))
        .await
        .unwrap()
        .collect(2)
        .await
        .unwrap();
    let error = client.send(Outgoing::get("/")).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Broken { unsent: false, .. }),
        "{error:?}"
    );
    assert!(!error.is_unsent());
    let listener = peer.await.unwrap();
    let again = tokio::select! { biased; _ = listener.accept() => true, () = std::future::ready(()) => false };
    assert!(!again, "the request was sent twice");
}

#[tokio::test]
async fn connection_refused_is_unsent() {
    let (listener, address) = listener().await;
    drop(listener);
    let error = client_of(address, ClientOptions::default())
        .send(Outgoing::get("/"))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
    assert!(error.is_unsent());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_runs_into_the_header_timeout() {
    let (listener, address) = listener().await;
    let limit = Duration::from_secs(7);
    let client = client_of(
        address,
        ClientOptions {
            header_timeout: limit,
            ..ClientOptions::default()
        },
    );
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_head(&mut stream).await;
        is_closed(&mut stream).await
    });
    let error = client.send(Outgoing::get("/")).await.unwrap_err();
    assert!(
        matches!(error, ClientError::HeaderTimeout { limit: hit } if hit == limit),
        "{error:?}"
    );
    assert!(!error.is_unsent());
    assert!(
        peer.await.unwrap(),
        "the connection is closed so that the peer stops working"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_runs_into_the_idle_timeout() {
    let (listener, address) = listener().await;
    let limit = Duration::from_secs(3);
    let client = client_of(
        address,
        ClientOptions {
            idle_timeout: limit,
            ..ClientOptions::default()
        },
    );
    let (go, mut gate) = mpsc::channel::<()>(1);
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_head(&mut stream).await;
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
        )
        .await;
        gate.recv().await.unwrap();
        write(&mut stream, "2\r\ncd\r\n").await;
        is_closed(&mut stream).await
    });
    let (_, mut body) = client.send(Outgoing::get("/")).await.unwrap().into_parts();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "ab");
    go.send(()).await.unwrap();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "cd");
    let error = body.chunk().await.unwrap().unwrap_err();
    assert!(
        matches!(error, ClientError::IdleTimeout { limit: hit } if hit == limit),
        "{error:?}"
    );
    assert!(peer.await.unwrap());
}

#[tokio::test]
async fn a_body_that_breaks_is_an_error_and_no_end() {
    for tail in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
    ] {
        let (listener, address) = listener().await;
        let client = client_of(address, ClientOptions::default());
        tokio::spawn(async move {
            let mut stream = accept(&listener).await;
            read_head(&mut stream).await;
            write(&mut stream, tail).await;
        });
        let (_, mut body) = client.send(Outgoing::get("/")).await.unwrap().into_parts();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "ab");
        let error = body.chunk().await.unwrap().unwrap_err();
        assert!(
            matches!(error, ClientError::Broken { unsent: false, .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn bounded_bodies() {
    let declared = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde";
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for text in [declared, chunked] {
        for limit in [4, 5] {
            let (listener, address) = listener().await;
            let client = client_of(address, ClientOptions::default());
            tokio::spawn(async move {
                let mut stream = accept(&listener).await;
                read_head(&mut stream).await;
                write(&mut stream, text).await;
                is_closed(&mut stream).await
            });
            let collected = client
                .send(Outgoing::get("/"))
                .await
                .unwrap()
                .collect(limit)
                .await;
            match collected {
                Ok(whole) => assert!(limit == 5 && whole == "abcde"),
                Err(error) => assert!(
                    limit == 4 && matches!(error, ClientError::TooLarge { limit: 4 }),
                    "{error:?}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_an_answer() {
    let (listener, address) = listener().await;
    let client = client_of(address, ClientOptions::default());
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_head(&mut stream).await;
        let refusal = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nno!";
        write(&mut stream, refusal).await;
        is_closed(&mut stream).await
    });
    let body = Bytes::from(vec![b'x'; 32 << 20]);
    let answer = client.send(Outgoing::post_json("/", body)).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.collect(3).await.unwrap(), "no!");
    assert!(peer.await.unwrap(), "the rest of the body is not sent");
}

#[tokio::test]
async fn dropping_an_answer_cancels_it() {
    let (listener, address) = listener().await;
    let client = client_of(address, ClientOptions::default());
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_head(&mut stream).await;
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
        )
        .await;
        is_closed(&mut stream).await
    });
    let (_, mut body) = client.send(Outgoing::get("/")).await.unwrap().into_parts();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "ab");
    drop(body);
    assert!(peer.await.unwrap());
}

struct Fed(mpsc::Receiver<Bytes>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let (listener, address) = listener().await;
    let client = client_of(address, ClientOptions::default());
    let (feed, fed) = mpsc::channel::<Bytes>(1);
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        let head = read_head(&mut stream).await;
        // The answer begins before the request has ended.
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
        )
        .await;
        let mut rest = vec![0_u8; 13];
        stream.read_exact(&mut rest).await.unwrap();
        write(&mut stream, "0\r\n\r\n").await;
        (head, String::from_utf8(rest).unwrap())
    });
    let outgoing = Outgoing {
        payload: Payload::stream(Fed(fed)),
        ..Outgoing::post_json("/", Payload::empty())
    };
    let (_, mut body) = client.send(outgoing).await.unwrap().into_parts();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "ab");
    feed.send(Bytes::from_static(b"xyz")).await.unwrap();
    drop(feed);
    assert!(body.chunk().await.is_none());
    let (head, rest) = peer.await.unwrap();
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert_eq!(rest, "3\r\nxyz\r\n0\r\n\r\n");
}

#[tokio::test]
async fn what_is_no_target_is_not_sent() {
    let (_listener, address) = listener().await;
    let client = client_of(address, ClientOptions::default());
    for path in ["/a b", "/a\r\nx: y"] {
        let error = client.send(Outgoing::get(path)).await.unwrap_err();
        assert!(matches!(error, ClientError::Target { .. }), "{error:?}");
    }
}
