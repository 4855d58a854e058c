//! Prompts, answers, keys and secrets are nowhere but where they belong.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use proofmark_gateway::access::Holder;
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

#[tokio::test(flavor = "multi_thread")]
async fn neither_logs_nor_disks_nor_numbers_tell_what_was_asked() {
    let captured = Captured::everything();
    let mut node = Node::start().await;
    let (_, key) = node.key("secrecy", None, None);
    let (_, other) = node.key("other", None, None);
    let headers = [
        ("x-proofmark-secret", SECRET),
        ("x-proofmark-nonce", "AAECAwQFBgc"),
    ];
    let mut asked = 0;
    for (model, stream) in [
        ("mock-1", false),
        ("mock-1", true),
        ("mock-error-500", false),
        ("mock-html", false),
        ("mock-truncate-json", false),
        ("mock-bad-sse", true),
        ("mock-break-mid-stream:2", true),
        ("mock-duplicate-members", false),
    ] {
        let answer = node
            .begin(Some(&key), CHAT, &headers, &chat(model, stream))
            .await;
        // Some of them break off.
        let (status, mut body) = (answer.status(), answer.into_parts().1);
        while let Some(Ok(_)) = body.chunk().await {}
        assert_ne!(status.as_u16(), 401, "{model}");
        asked += 1;
    }
    let gone = node
        .begin(
            Some(&key),
            CHAT,
            &headers,
            &chat("mock-stall-mid-stream:1", true),
        )
        .await;
    drop(gone);
    asked += 1;
    while captured.requests_of("secrecy").len() < asked {
        tokio::task::yield_now().await;
    }
    let refused: [Answered; 4] = [
        node.post(
            Some(&key),
            CHAT,
            &json!({ "model": PROMPT, "messages": PROMPT }),
        )
        .await,
        node.post_with(
            Some(&key),
            CHAT,
            &[("x-proofmark-audit", PROMPT)],
            &chat("mock-1", false),
        )
        .await,
        node.get(Some(&other), &format!("/v1/receipts/{PROMPT}"))
            .await,
        node.get(Some(&key), &format!("/v1/receipts?limit={PROMPT}"))
            .await,
    ];
    for refused in refused {
        assert!(refused.status.is_client_error(), "{}", refused.text());
        assert!(!refused.text().contains(key.expose()) && !refused.text().contains(SECRET));
    }
    let list = node.get(Some(&key), "/v1/receipts").await.json();
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    for rest in ["", "/bundle?disclose=all", "/content"] {
        node.get(Some(&key), &format!("/v1/receipts/{id}{rest}"))
            .await;
    }
    let numbers = node.get(None, "/metrics").await;
    let holder: Holder = node
        .access
        .authenticate(
            &headers_with(key.expose()),
            proofmark_gateway::Clock::unix_ms(&node.clock),
        )
        .unwrap();
    let shown = format!("{key:?} {holder:?} {:?} {:?}", node.access, node.serving);
    node.mock.stall_gate().open();
    node.stop().await;

    let text = captured.text();
    assert!(text.len() > 1_000, "something was captured");
    let key_secret = &key.expose()[3..];
    for (what, place) in [
        ("the log", text.as_str()),
        ("Debug", &shown),
        ("the numbers", numbers.text()),
    ] {
        for marker in [
            PROMPT,
            key_secret,
            SECRET,
            "SSSSSSSS",
            "SECRETMARKER",
            "You said",
        ] {
            assert!(!place.contains(marker), "{marker} is in {what}");
        }
        let hex = "53".repeat(8);
        assert!(
            !place.contains(&hex) && !place.contains("83, 83, 83, 83"),
            "the secret is in {what}"
        );
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
