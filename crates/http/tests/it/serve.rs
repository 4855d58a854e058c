//! The accept loop against well and badly behaved peers over real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::support::{client_of, is_closed, listener, read_head, write};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use proofmark_http::{ClientError, ClientOptions, Handler, Outgoing, ServeOptions, Served, serve};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Says on drop that it was dropped.
struct Canary(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

/// A body without end.
struct Endless(#[expect(dead_code, reason = "held for its drop")] Canary);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(
            &[b'x'; 16 * 1024],
        )))))
    }
}

/// `/echo` answers with the body, `/endless` never ends, `/hang` never answers, `/gate` answers when told to.
struct Paths {
    events: mpsc::UnboundedSender<&'static str>,
    gate: tokio::sync::Semaphore,
}

impl Handler for Paths {
    type Body = Either<Full<Bytes>, Endless>;

    async fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Response<Self::Body> {
        let canary = |name| Canary(self.events.clone(), name);
        match request.uri().path() {
            "/v1/endless" => {
                return Response::new(Either::Right(Endless(canary("endless dropped"))));
            }
            "/v1/hang" => {
                let _canary = canary("hang dropped");
                self.events.send("hanging").unwrap();
                std::future::pending::<()>().await;
            }
            "/v1/gate" => {
                self.events.send("at the gate").unwrap();
                self.gate.acquire().await.unwrap().forget();
            }
            _ => {}
        }
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(Either::Left(Full::new(body)))
    }
}

struct Server {
    address: SocketAddr,
    paths: Arc<Paths>,
    events: mpsc::UnboundedReceiver<&'static str>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Served>,
}

async fn start(options: ServeOptions) -> Server {
    let (listener, address) = listener().await;
    let (sender, events) = mpsc::unbounded_channel();
    let paths = Arc::new(Paths {
        events: sender,
        gate: tokio::sync::Semaphore::new(0),
    });
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, Arc::clone(&paths), options, async move {
        let _ = stopped.await;
    }));
    Server {
        address,
        paths,
        events,
        stop,
        task,
    }
}

#[tokio::test]
async fn echoes_and_stops() {
    let server = start(ServeOptions::default()).await;
    let client = client_of(server.address, ClientOptions::default());
    let answer = client
        .send(Outgoing::post_json(
            "/echo",
            Bytes::from(vec![b'a'; 1 << 20]),
        ))
        .await
        .unwrap();
    assert_eq!(answer.collect(1 << 20).await.unwrap().len(), 1 << 20);
    server.stop.send(()).unwrap();
    // The idle pooled connection does not hold the server up.
    assert_eq!(server.task.await.unwrap(), Served { cut_off: 0 });
    let error = client.send(Outgoing::get("/echo")).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let mut server = start(ServeOptions {
        max_connections: 1,
        retry_after_s: 7,
        ..ServeOptions::default()
    })
    .await;
    let client = client_of(server.address, ClientOptions::default());
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.send(Outgoing::get("/gate")).await.unwrap().status() }
    });
    assert_eq!(server.events.recv().await, Some("at the gate"));
    let refused = client.send(Outgoing::get("/echo")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "7");
    let body = refused.collect(1000).await.unwrap();
    assert!(body.starts_with(b"{\"error\":{") && body.ends_with(b"\"code\":\"overloaded\"}}"));
    server.paths.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let server = start(ServeOptions {
        header_timeout: Duration::from_secs(5),
        ..ServeOptions::default()
    })
    .await;
    let before = tokio::time::Instant::now();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    write(&mut slow, "GET /v1/echo HTTP/1.1\r\nhost:").await;
    assert!(is_closed(&mut slow).await);
    assert!(before.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_431() {
    let server = start(ServeOptions {
        max_head_bytes: 8192,
        ..ServeOptions::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    write(
        &mut stream,
        &format!(
            "GET /v1/echo HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
            "a".repeat(9000)
        ),
    )
    .await;
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_dropped() {
    let mut server = start(ServeOptions {
        stall_timeout: Duration::from_secs(9),
        ..ServeOptions::default()
    })
    .await;
    let mut lazy = TcpStream::connect(server.address).await.unwrap();
    write(&mut lazy, "GET /v1/endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let before = tokio::time::Instant::now();
    assert_eq!(server.events.recv().await, Some("endless dropped"));
    assert!(before.elapsed() >= Duration::from_secs(9));
    assert!(before.elapsed() < Duration::from_secs(20));
    drop(lazy);
}

#[tokio::test]
async fn a_peer_that_goes_away_cancels_its_request() {
    let mut server = start(ServeOptions::default()).await;
    let mut gone = TcpStream::connect(server.address).await.unwrap();
    write(&mut gone, "GET /v1/hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(server.events.recv().await, Some("hanging"));
    drop(gone);
    assert_eq!(server.events.recv().await, Some("hang dropped"));

    let mut gone = TcpStream::connect(server.address).await.unwrap();
    write(&mut gone, "GET /v1/endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    gone.read_u8().await.unwrap();
    drop(gone);
    assert_eq!(server.events.recv().await, Some("endless dropped"));
}

#[tokio::test]
async fn requests_in_flight_finish_before_the_end() {
    let mut server = start(ServeOptions::default()).await;
    let client = client_of(server.address, ClientOptions::default());
    let waiting =
        tokio::spawn(async move { client.send(Outgoing::get("/gate")).await.unwrap().status() });
    assert_eq!(server.events.recv().await, Some("at the gate"));
    server.stop.send(()).unwrap();
    server.paths.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    assert_eq!(server.task.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_grace_is_cut_off() {
    let mut server = start(ServeOptions {
        grace: Duration::from_secs(4),
        ..ServeOptions::default()
    })
    .await;
    let client = client_of(
        server.address,
        ClientOptions {
            header_timeout: Duration::from_secs(1000),
            ..ClientOptions::default()
        },
    );
    let waiting =
        tokio::spawn(async move { client.send(Outgoing::get("/hang")).await.unwrap_err() });
    assert_eq!(server.events.recv().await, Some("hanging"));
    server.stop.send(()).unwrap();
    assert_eq!(server.task.await.unwrap(), Served { cut_off: 1 });
    assert!(matches!(
        waiting.await.unwrap(),
        ClientError::Broken { unsent: false, .. }
    ));
    assert_eq!(server.events.recv().await, Some("hang dropped"));
}
