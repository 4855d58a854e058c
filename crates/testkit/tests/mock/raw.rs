//! HTTP/1.1 by hand.

use std::net::SocketAddr;

use proofmark_testkit::{MockConfig, MockUpstream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// How the connection ended: `None` in an orderly way.
    pub(crate) error: Option<std::io::ErrorKind>,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text();
        let events = text.split("\n\n").filter(|event| !event.is_empty());
        events
            .map(|event| event.strip_prefix("data: ").unwrap_or(event).to_owned())
            .collect()
    }

    /// The chunks; checks that `[DONE]` comes last and once.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let mut events = self.events();
        assert_eq!(events.pop().as_deref(), Some("[DONE]"));
        events
            .iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .collect()
    }
}

pub(crate) async fn start() -> MockUpstream {
    MockUpstream::start(MockConfig::default()).await.unwrap()
}

pub(crate) fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "What is a proof mark?"}]})
}

pub(crate) fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("an object")
    };
    body.as_object_mut().unwrap().extend(more);
    body
}

pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: mock\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads until the connection ends.
pub(crate) async fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read(stream).await
}

pub(crate) async fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let error = stream
        .read_to_end(&mut bytes)
        .await
        .err()
        .map(|error| error.kind());
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Answer {
            status: 0,
            head: String::new(),
            body: bytes,
            error,
            complete: false,
        };
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
        error,
        complete: false,
    };
    let rest = &bytes[end + 4..];
    if answer.header("transfer-encoding") == Some("chunked") {
        (answer.body, answer.complete) = unchunk(rest);
    } else {
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        answer.complete = rest.len() == length;
        answer.body = rest.to_vec();
    }
    answer
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(at + 2..at + 2 + size) else {
            break;
        };
        body.extend_from_slice(chunk);
        rest = rest.get(at + 4 + size..).unwrap_or_default();
    }
    (body, false)
}

pub(crate) async fn ask(upstream: &MockUpstream, body: &Value) -> Answer {
    send(
        upstream.address(),
        &post("/v1/chat/completions", &body.to_string()),
    )
    .await
}

pub(crate) async fn ask_at(upstream: &MockUpstream, path: &str, body: &Value) -> Answer {
    send(upstream.address(), &post(path, &body.to_string())).await
}
