//! Prompts, answers, keys and secrets are nowhere but where they belong.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use proofmark_gateway::access::ApiKey;
use proofmark_gateway::metrics::REQUEST_LOG_TARGET;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{Node, UPSTREAM_KEY};
use crate::support::Answered;

const CHAT: &str = "/v1/chat/completions";
/// In every prompt, and so in every answer of the mock.
const PROMPT: &str = "PROMPTMARKER";
/// 32 bytes of 0x53 as base64url: the caller's own receipt secret.
const SECRET: &str = "U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1M";

/// Everything that any crate says, at the most talkative level.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Captured {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Captured {
    /// One for the process: requests run on many threads.
    fn everything() -> Self {
        static CAPTURED: OnceLock<Captured> = OnceLock::new();
        let captured = CAPTURED.get_or_init(|| {
            let captured = Self::default();
            tracing_subscriber::fmt()
                .json()
                .with_max_level(tracing::Level::TRACE)
                .with_writer(captured.clone())
                .init();
            captured
        });
        captured.clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines about requests with this key.
    fn requests_of(&self, key_name: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| {
                line["target"] == REQUEST_LOG_TARGET && line["fields"]["key"] == key_name
            })
            .collect()
    }
}

fn chat(model: &str, stream: bool) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": PROMPT }], "stream": stream })
}

/// Asks for all kinds of ends, and reads each to it; the receipts' ids.
async fn ask_everything(node: &Node, key: &ApiKey) -> Vec<String> {
    let headers = [
        ("x-proofmark-secret", SECRET),
        ("x-proofmark-nonce", "AAECAwQFBgc"),
    ];
    let mut ids = Vec::new();
    for (model, stream) in [
        ("mock-1", false),
        ("mock-1", true),
        ("mock-error-500", false),
        ("mock-html", false),
        ("mock-truncate-json", false),
        ("mock-bad-sse", true),
        ("mock-break-mid-stream:2", true),
        ("mock-duplicate-members", false),
        ("mock-stall-mid-stream:1", true),
    ] {
        let body = chat(model, stream);
        let answer = node.begin(Some(key), CHAT, &headers, &body).await;
        let (head, mut body) = answer.into_parts();
        ids.push(
            head.headers["x-proofmark-receipt"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        // Some break off, and from the last one the client goes away.
        while !model.starts_with("mock-stall") && matches!(body.chunk().await, Some(Ok(_))) {}
    }
    ids
}

/// Asks for what is refused, with content where it does not belong.
async fn ask_in_vain(node: &Node, key: &ApiKey) {
    let (_, other) = node.key("other", None, None);
    let wrong_type = json!({ "model": PROMPT, "messages": PROMPT });
    let wrong_header = [("x-proofmark-audit", PROMPT)];
    let by_path = format!("/v1/receipts/{PROMPT}");
    let by_query = format!("/v1/receipts?limit={PROMPT}");
    let refused: [Answered; 4] = [
        node.post(Some(key), CHAT, &wrong_type).await,
        node.post_with(Some(key), CHAT, &wrong_header, &chat("mock-1", false))
            .await,
        node.get(Some(&other), &by_path).await,
        node.get(Some(key), &by_query).await,
    ];
    for refused in refused {
        assert!(refused.status.is_client_error(), "{}", refused.text());
        assert!(!refused.text().contains(key.expose()) && !refused.text().contains(SECRET));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_logs_nor_disks_nor_numbers_tell_what_was_asked() {
    let captured = Captured::everything();
    let mut node = Node::start().await;
    let (_, key) = node.key("secrecy", None, None);
    let ids = ask_everything(&node, &key).await;
    ask_in_vain(&node, &key).await;
    while captured.requests_of("secrecy").len() < ids.len() {
        tokio::task::yield_now().await;
    }
    for rest in ["", "/bundle?disclose=all&wait=logged", "/content"] {
        let path = format!("/v1/receipts/{}{rest}", ids[0]);
        assert_eq!(node.get(Some(&key), &path).await.status, 200, "{rest}");
    }
    let numbers = node.get(None, "/metrics").await;
    let now_ms = proofmark_gateway::Clock::unix_ms(&node.clock);
    let holder = node
        .access
        .authenticate(&headers_with(key.expose()), now_ms)
        .unwrap();
    let shown = format!("{key:?} {holder:?} {:?} {:?}", node.access, node.serving);
    node.mock.stall_gate().open();
    node.stop().await;

    let text = captured.text();
    let key_secret = &key.expose()[3..];
    let secret_hex = "53".repeat(8);
    let secret_bytes = "83, 83, 83, 83";
    let markers = [
        PROMPT,
        "You said",
        key_secret,
        "SECRETMARKER",
        SECRET,
        "SSSSSSSS",
        &secret_hex,
        secret_bytes,
    ];
    let places = [
        ("the log", text.as_str()),
        ("Debug", &shown),
        ("the numbers", numbers.text()),
    ];
    for (what, place) in places {
        assert!(place.len() > 100, "{what} is empty");
        for marker in markers {
            assert!(!place.contains(marker), "{marker} is in {what}");
        }
    }
    for marker in [PROMPT, key_secret, UPSTREAM_KEY, "You said"] {
        node.assert_nowhere(marker.as_bytes());
    }
}

fn headers_with(key: &str) -> http::HeaderMap {
    let value = http::HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
    http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_line_with_its_receipt() {
    let captured = Captured::everything();
    let node = Node::start().await;
    let (record, key) = node.key("one line", None, None);
    let answered = node.post(Some(&key), CHAT, &chat("mock-1", true)).await;
    let id = answered.header("x-proofmark-receipt");
    while captured.requests_of("one line").is_empty() {
        tokio::task::yield_now().await;
    }
    let lines = captured.requests_of("one line");
    assert_eq!(lines.len(), 1);
    let fields = &lines[0]["fields"];
    assert_eq!(
        (&fields["receipt"], &fields["key_id"]),
        (&id.into(), &record.id.as_str().into())
    );
    assert_eq!(
        (&fields["status"], &fields["http_status"]),
        (&"completed".into(), &200.into())
    );
    assert_eq!(
        (&fields["upstream"], &fields["streamed"]),
        (&"mock".into(), &true.into())
    );
    assert!(
        fields["output_tokens"].as_u64() > Some(0)
            && fields["total_us"].is_u64()
            && fields["first_byte_us"].is_u64()
    );
}
