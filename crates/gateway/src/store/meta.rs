//! What listings show and filter by, kept in the log's index in the clear: no content, and nothing derived from it.
//!
//! ```text
//! meta = [1, key id: tstr / null, model: tstr, operation: uint, stream: bool, status: uint, http status: uint, stored: bool]
//! ```

use proofmark_openai::Operation;
use proofmark_receipt::Status;
use proofmark_receipt::cbor::{Decoder, Encoder};

use super::StoreError;
use super::error::{Malformation as _, open_version};

const VERSION: u64 = 1;

/// Longest model name that is kept; a longer one is cut, so that a record's meta always fits 255 bytes.
pub const MODEL_MAX_BYTES: usize = 128;

/// What a request asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKind {
    /// Chat, completion or embedding.
    pub operation: Operation,
    /// Whether the answer was a stream.
    pub streamed: bool,
}

/// What a record of the receipts log says without being opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Id of the API key that made the request; `None` where no key was configured.
    pub key_id: Option<String>,
    /// The model asked for.
    pub model: String,
    /// What was asked.
    pub kind: RequestKind,
    /// How it ended.
    pub status: Status,
    /// HTTP status that the client got.
    pub http_status: u16,
    /// Whether contents are stored.
    pub stored: bool,
}

const OPERATIONS: [Operation; 4] = Operation::ALL;

const STATUSES: [Status; 8] = [
    Status::Completed,
    Status::Refused,
    Status::Length,
    Status::ProviderError,
    Status::NodeError,
    Status::AbortedByClient,
    Status::AbortedByProvider,
    Status::ContentFilter,
];

/// Name of a status in listings, metrics and logs.
#[must_use]
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Completed => "completed",
        Status::Refused => "refused",
        Status::Length => "length",
        Status::ProviderError => "provider_error",
        Status::NodeError => "node_error",
        Status::AbortedByClient => "aborted_by_client",
        Status::AbortedByProvider => "aborted_by_provider",
        Status::ContentFilter => "content_filter",
    }
}

impl Meta {
    /// A model's name as far as it is kept.
    #[must_use]
    pub fn cut_model(model: &str) -> &str {
        let mut end = model.len().min(MODEL_MAX_BYTES);
        while !model.is_char_boundary(end) {
            end -= 1;
        }
        &model[..end]
    }

    /// The bytes, at most 255.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let index = |found: Option<usize>| found.unwrap_or_default() as u64;
        let operation = OPERATIONS
            .iter()
            .position(|operation| *operation == self.kind.operation);
        let status = STATUSES.iter().position(|status| *status == self.status);
        let mut e = Encoder::with_capacity(64 + self.model.len());
        e.array(8)
            .uint(VERSION)
            .text_or_null(self.key_id.as_deref());
        e.text(Self::cut_model(&self.model))
            .uint(index(operation))
            .bool(self.kind.streamed);
        e.uint(index(status))
            .uint(self.http_status.into())
            .bool(self.stored);
        e.into_bytes()
    }

    /// Reads a record's meta.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] and [`StoreError::Version`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let what = "meta";
        let mut d = Decoder::new(bytes);
        open_version(&mut d, what, 8, VERSION)?;
        let key_id = d.text_or_null().or_malformed(what)?.map(str::to_owned);
        let model = d.text().or_malformed(what)?.to_owned();
        let operation = element(&mut d, &OPERATIONS)?;
        let streamed = d.bool().or_malformed(what)?;
        let status = element(&mut d, &STATUSES)?;
        let error = d.malformed("an HTTP status");
        let http_status = u16::try_from(d.uint().or_malformed(what)?);
        let http_status = http_status.map_err(|_| error).or_malformed(what)?;
        let stored = d.bool().or_malformed(what)?;
        d.finish().or_malformed(what)?;
        Ok(Self {
            key_id,
            model,
            kind: RequestKind {
                operation,
                streamed,
            },
            status,
            http_status,
            stored,
        })
    }
}

/// An element of a table by its index.
fn element<T: Copy>(d: &mut Decoder<'_>, table: &[T]) -> Result<T, StoreError> {
    let error = d.malformed("an index of a table");
    let index = d.uint().or_malformed("meta")?;
    let found = usize::try_from(index)
        .ok()
        .and_then(|index| table.get(index));
    found.copied().ok_or(error).or_malformed("meta")
}

#[cfg(test)]
mod tests {
    use super::super::super::access::KeyId;
    use super::*;

    fn meta(status: Status, operation: Operation) -> Meta {
        Meta {
            key_id: Some(KeyId::from_bytes([0xff; 8]).to_string()),
            model: "lab/fable-4m".into(),
            kind: RequestKind {
                operation,
                streamed: true,
            },
            status,
            http_status: 200,
            stored: true,
        }
    }

    #[test]
    fn a_meta_is_read_back_whatever_it_says() {
        let mut names = std::collections::HashSet::new();
        for status in STATUSES {
            assert!(names.insert(status_name(status)));
            for operation in OPERATIONS {
                let meta = meta(status, operation);
                let bytes = meta.encode();
                assert_eq!(Meta::decode(&bytes).unwrap(), meta);
                for end in 0..bytes.len() {
                    assert!(Meta::decode(&bytes[..end]).is_err());
                }
            }
        }
        let without_key = Meta {
            key_id: None,
            ..meta(Status::Completed, Operation::Embeddings)
        };
        assert_eq!(Meta::decode(&without_key.encode()).unwrap(), without_key);
    }

    #[test]
    fn a_long_name_is_cut_where_a_character_ends_and_always_fits() {
        let mut long = meta(Status::ContentFilter, Operation::Embeddings);
        long.model = "é".repeat(5_000);
        long.http_status = u16::MAX;
        let bytes = long.encode();
        assert!(bytes.len() <= 255, "{} bytes", bytes.len());
        assert_eq!(Meta::decode(&bytes).unwrap().model, "é".repeat(64));
        assert_eq!(Meta::cut_model(&format!("a{}", "é".repeat(64))).len(), 127);
    }

    #[test]
    fn what_is_not_in_a_table_is_refused() {
        let good = meta(Status::Completed, Operation::ChatCompletions).encode();
        let at = good.len() - 6;
        for (offset, value) in [(at, 4), (at + 2, 8)] {
            let mut bad = good.clone();
            bad[offset] = value;
            assert!(
                matches!(Meta::decode(&bad), Err(StoreError::Malformed { .. })),
                "{offset}"
            );
        }
    }
}
