//! `proxy` in front of an honest gateway, and of one with somebody in between.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use proofmark_http::{
    BaseUrl, Client, ClientOptions, Handler, Outgoing, Payload, ServeOptions, TlsRoots, serve,
};
use serde_json::Value;

use crate::support::{Home, Server, World, question};

/// Forwards everything, and replaces one text by another in answers to questions.
struct Meddler {
    client: Client,
    from: &'static str,
    to: &'static str,
}

impl Handler for Meddler {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = parts.uri.path_and_query().unwrap().as_str().to_owned();
        let outgoing = Outgoing {
            method: parts.method.clone(),
            path,
            headers: parts.headers,
            payload: Payload::from(body),
        };
        let answer = self.client.send(outgoing).await.unwrap();
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let mut bytes = answer.collect(64 << 20).await.unwrap();
        if parts.method == Method::POST {
            bytes = String::from_utf8(bytes.to_vec())
                .unwrap()
                .replace(self.from, self.to)
                .into();
        }
        headers.remove("content-length");
        headers.remove("transfer-encoding");
        let mut response = Response::new(Full::new(bytes));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Somebody in between; returns his address.
fn meddler(world: &World, gateway: &str, from: &'static str, to: &'static str) -> String {
    let client = Client::new(
        BaseUrl::parse(gateway).unwrap(),
        &TlsRoots::mozilla().unwrap(),
        ClientOptions::default(),
    );
    let handler = Arc::new(Meddler {
        client: client.unwrap(),
        from,
        to,
    });
    let listener = world
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    world.spawn(async move {
        serve(
            listener,
            handler,
            ServeOptions::default(),
            std::future::pending(),
        )
        .await;
    });
    format!("http://{address}")
}

/// A proxy that trusts the roots of the node in `data`.
fn proxy(home: &Home, upstream: &str, require: &str) -> Server {
    let roots = ["--data", "data", "--listen", "127.0.0.1:0"];
    home.serve(
        &[
            &["proxy", "--upstream", upstream, "--require", require],
            &roots[..],
        ]
        .concat(),
    )
}

#[test]
fn verified_answers_pass_byte_for_byte() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    let proxy = proxy(&home, &node.url(), "logged,answer,question");
    for stream in [false, true] {
        let answer = world.ask(&proxy.url(), &question("Through the proxy", stream), &[]);
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(answer.status, 200, "{text}");
        // A stream has it in pieces.
        let expected = if stream {
            "Through"
        } else {
            "Through the proxy"
        };
        assert!(text.contains(expected), "{text}");
        assert!(!answer.receipt().is_empty());
        assert_eq!(stream, text.ends_with("data: [DONE]\n\n"));
    }
    // What never reached a model passes as the error that it is.
    let refused = world.ask(&proxy.url(), "{\"model\": 1}", &[]);
    assert_eq!(refused.status, 400, "{:?}", refused.body);
    assert_eq!(
        world
            .send(&proxy.url(), Method::GET, "/v1/models", "", &[])
            .status,
        200
    );
    assert_eq!(
        world
            .send(&proxy.url(), Method::GET, "/metrics", "", &[])
            .status,
        404
    );
    assert_eq!(
        world
            .ask(
                &proxy.url(),
                &question("x", false),
                &[("origin", "https://evil.example")]
            )
            .status,
        403
    );
}

#[test]
fn an_answer_with_another_text_is_withheld() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    let between = meddler(&world, &node.url(), "said", "sang");
    let proxy = proxy(&home, &between, "answer");
    for stream in [false, true] {
        let answer = world.ask(&proxy.url(), &question("Be honest", stream), &[]);
        assert_eq!(answer.status, 502);
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(error["error"]["code"], "receipt_rejected", "{error}");
        assert_eq!(
            answer.header("x-proofmark-cause"),
            Some("receipt.answer.mismatch"),
            "{error}"
        );
        assert!(
            !String::from_utf8(answer.body.to_vec())
                .unwrap()
                .contains("sang"),
            "the answer is withheld"
        );
    }
}

/// The provider's words, and the very events of a stream.
#[test]
fn what_stands_beside_the_text_is_bound() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    for (from, to, stream) in [
        ("\"completion_tokens\":", "\"completion_tokens\":1", false),
        ("\"model\":\"mock-1\"", "\"model\":\"mock-9\"", false),
        (
            "\"finish_reason\":\"stop\"",
            "\"finish_reason\":\"length\"",
            false,
        ),
        (
            "\"model\":\"mock-1\"",
            "\"citations\":[\"x\"],\"model\":\"mock-1\"",
            false,
        ),
        ("\"id\":\"chatcmpl-0", "\"id\":\"chatcmpl-f", false),
        (
            "\"proofmark\":{\"id\":\"0",
            "\"proofmark\":{\"id\":\"f",
            false,
        ),
        ("\"created\":1", "\"created\":2", true),
        (
            "data: [DONE]",
            "data: {\"choices\":[]}\n\ndata: [DONE]",
            true,
        ),
        (
            "data: [DONE]\n\n",
            "data: [DONE]\n\ndata: {\"choices\":[]}\n\n",
            true,
        ),
    ] {
        let between = meddler(&world, &node.url(), from, to);
        let proxy = proxy(&home, &between, "answer");
        let answer = world.ask(&proxy.url(), &question("Every word", stream), &[]);
        let cause = answer.header("x-proofmark-cause");
        assert_eq!(
            (answer.status.as_u16(), cause),
            (502, Some("receipt.answer.mismatch")),
            "{from}"
        );
    }
}

#[test]
fn of_a_stream_the_events_pass_and_nothing_between_them() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    let between = meddler(
        &world,
        &node.url(),
        "data: [DONE]",
        ": evil\n\nevent: evil\nid: evil\ndata: [DONE]",
    );
    let proxy = proxy(&home, &between, "answer");
    let answer = world.ask(&proxy.url(), &question("Only events", true), &[]);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.status, 200, "{text}");
    assert!(text.ends_with("\n\ndata: [DONE]\n\n"), "{text}");
    assert!(!text.contains("evil"), "{text}");
}

#[test]
fn unverified_contents_do_not_pass_and_no_header_is_dropped() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    let proxy = proxy(&home, &node.url(), "answer");
    let answer = world.ask(&proxy.url(), &question("First", true), &[]);
    let content = format!("/v1/receipts/{}/content", answer.receipt());
    let got = world.send(&proxy.url(), Method::GET, &content, "", &[]);
    assert_eq!(got.status, 404);
    let first = answer.receipt();
    let chained = [("x-proofmark-previous", first.as_str())];
    let answer = world.ask(&proxy.url(), &question("And then?", false), &chained);
    let shown = home.expect(0, &["receipt", "show", &answer.receipt(), "--data", "data"]);
    assert!(shown.out.contains(&first), "{}", shown.out);
    let nonce = [("x-proofmark-nonce", "AAAAAAAAAAA")];
    let refused = world.ask(&proxy.url(), &question("Mine", false), &nonce);
    let error: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(
        (refused.status.as_u16(), &error["error"]["code"]),
        (400, &"invalid_header".into())
    );
}

#[test]
fn an_answer_below_the_requirement_is_withheld() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    let proxy = proxy(&home, &node.url(), "witnessed");
    let answer = world.ask(&proxy.url(), &question("More than there is", false), &[]);
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-proofmark-cause")),
        (502, Some("below-requirement"))
    );
}

#[test]
fn what_only_the_provider_adds_is_compared_with_what_it_said() {
    let (world, home) = (World::new(), Home::new());
    let provider = world.upstream.base_url();
    let generous = meddler(
        &world,
        provider.trim_end_matches("/v1"),
        "\"model\":\"mock-1\"",
        "\"citations\":[\"https://a.example\"],\"model\":\"mock-1\"",
    );
    let upstream = format!("mock={generous}/v1");
    let data = ["--data", "data", "--listen", "127.0.0.1:0"];
    let node = home.serve(&[&["serve", "--upstream", &upstream], &data[..]].concat());
    let ask = |upstream: &str| {
        let proxy = home.serve(&[&["proxy", "--upstream", upstream], &data[..]].concat());
        world.ask(&proxy.url(), &question("Who says so?", false), &[])
    };
    let answer = ask(&node.url());
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.status, 200, "{text}");
    assert!(text.contains("https://a.example"), "{text}");
    for to in [
        "https://b.example",
        "https://a.example\",\"https://b.example",
    ] {
        let answer = ask(&meddler(&world, &node.url(), "https://a.example", to));
        let cause = answer.header("x-proofmark-cause");
        assert_eq!(
            (answer.status.as_u16(), cause),
            (502, Some("receipt.answer.mismatch"))
        );
    }
}

/// Says one thing, whatever it is asked.
struct Parrot(u16, &'static str);

impl Handler for Parrot {
    type Body = Full<Bytes>;

    async fn handle(&self, _: Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from_static(self.1.as_bytes())));
        *response.status_mut() = self.0.try_into().unwrap();
        response
            .headers_mut()
            .insert("content-type", "text/html".parse().unwrap());
        response
    }
}

#[test]
fn without_a_receipt_only_an_error_passes() {
    let (world, home) = (World::new(), Home::new());
    drop(world.node(&home));
    let error = "{\"error\":{\"message\":\"no\",\"type\":\"t\",\"param\":null,\"code\":\"c\"}}";
    let answer = "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"no receipt\"}}]}";
    for (status, body, expected) in [
        (200, answer, 502),
        (302, answer, 502),
        (400, answer, 502),
        (400, error, 400),
    ] {
        let listener = world
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (options, never) = (ServeOptions::default(), std::future::pending());
        world.spawn(async move {
            serve(listener, Arc::new(Parrot(status, body)), options, never).await;
        });
        let listen = "127.0.0.1:0";
        let proxy = home.serve(&[
            "proxy",
            "--upstream",
            &url,
            "--data",
            "data",
            "--listen",
            listen,
        ]);
        let got = world.ask(&proxy.url(), &question("Anything", false), &[]);
        assert_eq!(got.status.as_u16(), expected, "{status} {body}");
        assert_eq!(got.header("content-type"), Some("application/json"));
    }
}

#[test]
fn a_proxy_in_front_of_a_gateway_that_needs_no_key_serves_this_machine_only() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    let (url, listen) = (node.url(), "0.0.0.0:0");
    let arguments = [
        "proxy",
        "--upstream",
        &url,
        "--data",
        "data",
        "--listen",
        listen,
    ];
    let ended = home.expect(2, &arguments);
    assert!(ended.err.contains("refusing to listen"), "{}", ended.err);
    let mut arguments = arguments;
    *arguments.last_mut().unwrap() = "127.0.0.1:0";
    let proxy = home.serve(&arguments);
    assert_eq!(status_for(&proxy, "evil.example:8788"), "403");
    assert_eq!(status_for(&proxy, "LOCALHOST:8788"), "200");
}

/// Status of an answer to a request that names `host`.
fn status_for(proxy: &Server, host: &str) -> String {
    let mut stream = std::net::TcpStream::connect(proxy.address).unwrap();
    write!(
        stream,
        "GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_node_that_is_not_believed_lets_nothing_through() {
    let (world, home, other) = (World::new(), Home::new(), Home::new());
    let (node, foreign) = (world.node(&home), world.node(&other));
    let ended = home.expect(
        2,
        &[
            "proxy",
            "--upstream",
            &node.url(),
            "--listen",
            "127.0.0.1:0",
        ],
    );
    assert!(ended.err.contains("believe nobody"), "{}", ended.err);
    let proxy = home.serve(&[
        "proxy",
        "--upstream",
        &foreign.url(),
        "--data",
        "data",
        "--listen",
        "127.0.0.1:0",
    ]);
    let answer = world.ask(&proxy.url(), &question("Who are you?", false), &[]);
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-proofmark-cause")),
        (502, Some("receipt.issuer.unknown"))
    );
    drop(node);
}

#[test]
fn a_proxy_with_a_key_of_its_own_serves_this_machine_only() {
    let home = Home::new();
    home.write("root.toml", "");
    home.write("key", format!("pm_{}", "k".repeat(43)));
    let (world, other) = (World::new(), Home::new());
    let node = world.node(&other);
    home.write("root.toml", other.read("data/root.toml"));
    let arguments = [
        "proxy",
        "--upstream",
        &node.url(),
        "--roots",
        "root.toml",
        "--api-key-file",
        "key",
        "--listen",
        "0.0.0.0:0",
    ];
    let ended = home.expect(2, &arguments);
    assert!(ended.err.contains("refusing to listen"), "{}", ended.err);
    // A name that leads to this machine is not its address.
    let mut arguments = arguments;
    *arguments.last_mut().unwrap() = "127.0.0.1:0";
    let proxy = home.serve(&arguments);
    assert_eq!(status_for(&proxy, "evil.example:8788"), "403");
    assert_ne!(status_for(&proxy, "localhost:8788"), "403");
}
