//! One event per request, for the process's own log.

use std::time::Duration;

use proofmark_openai::Operation;
use proofmark_receipt::{ReceiptId, Status};

use crate::store::status_name;

/// Target of the events, to filter by.
pub const REQUEST_LOG_TARGET: &str = "proofmark::request";

/// What is said of a request that reached an upstream. Whoever reads the log learns who asked which model when, and nothing of what was
/// asked or answered.
#[derive(Debug, Clone, Copy)]
pub struct RequestLine<'a> {
    /// Its receipt.
    pub receipt: ReceiptId,
    /// Name of the API key.
    pub key_name: &'a str,
    /// Id of the API key.
    pub key_id: Option<&'a str>,
    /// What was asked for.
    pub operation: Operation,
    /// The model asked for; the caller's word, shown escaped and cut.
    pub model: &'a str,
    /// The upstream that answered, or was asked last.
    pub upstream: &'a str,
    /// Whether the answer was a stream.
    pub streamed: bool,
    /// How it ended.
    pub status: Status,
    /// HTTP status that the client got.
    pub http_status: u16,
    /// From its arrival to the first byte of its answer.
    pub first_byte: Option<Duration>,
    /// From its arrival to the end of its answer.
    pub total: Duration,
    /// Input and output tokens, if somebody counted.
    pub usage: Option<(u64, u64)>,
}

/// Longest part of a model's name that is shown.
const MODEL_CHARS: usize = 64;

impl RequestLine<'_> {
    /// Writes the line.
    pub fn log(&self) {
        let shown: String = self.model.chars().take(MODEL_CHARS).collect();
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: REQUEST_LOG_TARGET,
            receipt = %self.receipt,
            key = self.key_name,
            key_id = self.key_id,
            operation = self.operation.name(),
            // Debug escapes control characters: a name cannot make a line of its own.
            model = ?shown,
            upstream = self.upstream,
            streamed = self.streamed,
            status = status_name(self.status),
            http_status = self.http_status,
            first_byte_us = self.first_byte.map(micros),
            total_us = micros(self.total),
            input_tokens = self.usage.map(|(input, _)| input),
            output_tokens = self.usage.map(|(_, output)| output),
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

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

    #[test]
    fn a_request_is_one_line_whatever_its_model_is_called() {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        let line = RequestLine {
            receipt: ReceiptId::from_parts(1, [2; 10]),
            key_name: "app",
            key_id: Some("ak_0000000000000001"),
            operation: Operation::ChatCompletions,
            model: &format!("m\n{{\"receipt\":\"forged\"}}\u{1b}[2J{}", "x".repeat(500)),
            upstream: "lab",
            streamed: true,
            status: Status::Length,
            http_status: 200,
            first_byte: None,
            total: Duration::from_millis(12),
            usage: Some((3, 4)),
        };
        tracing::subscriber::with_default(subscriber, || line.log());
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.len() < 700 && !text.contains('\u{1b}'), "{text}");
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["target"], REQUEST_LOG_TARGET);
        let fields = &event["fields"];
        assert_eq!(
            fields["receipt"],
            ReceiptId::from_parts(1, [2; 10]).to_string()
        );
        assert_eq!(
            (&fields["key"], &fields["status"]),
            (&"app".into(), &"length".into())
        );
        assert_eq!(
            (&fields["total_us"], &fields["output_tokens"]),
            (&12_000.into(), &4.into())
        );
        assert!(fields.get("first_byte_us").is_none());
    }
}
