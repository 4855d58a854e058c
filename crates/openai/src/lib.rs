//! The OpenAI API's wire types, as a relay that signs receipts needs them: nothing dropped, bytes preserved.
//!
//! Bodies are read as lists of members whose values stay slices of what was received ([`Members`]):
//!
//! ```text
//! {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "x-new": 1e400}
//!  ─ model ─────  ─ messages/0 ──────────────────────────────────  ─ x-new ─────
//! ```
//!
//! What it provides: requests with the checks that a gateway needs ([`Request`]), the fields that a receipt commits to
//! ([`Fields`], specs/01-receipt.md §4.4), attachments ([`Attachment`]), answers as assembled fields that do not depend
//! on how they were framed ([`Answer`], [`Assembler`]; §4.8), server-sent events ([`SseParser`]), edits that leave
//! every other byte alone ([`Edit`], [`Rewrite`]), and the error object ([`ApiError`]).
//!
//! Out of scope: HTTP, routing and issuing (`proofmark-gateway`), commitments (`proofmark-receipt`). Nothing here shows
//! that a model ran, or which.
//!
//! Reading never panics, is linear in the length of the input, and refuses what two parsers could read differently:
//! repeated names at any depth, bytes that are not UTF-8, unpaired surrogates in requests.
//!
//! ```
//! use proofmark_openai::{Operation, Request};
//!
//! let body = br#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"x-new":1e400}"#;
//! let request = Request::open(Operation::ChatCompletions, body)?;
//! let fields: Vec<_> = request.fields().map(|field| (field.name(), field.value.as_json())).collect();
//! assert_eq!(fields[1], ("messages/0".to_owned(), r#"{"role":"user","content":"Hi"}"#));
//! assert_eq!(request.unknown_members(), ["x-new"]);
//! # Ok::<(), proofmark_openai::OpenAiError>(())
//! ```
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unreachable,
        clippy::todo,
        clippy::cast_possible_truncation
    )
)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
mod api_error;
mod attachments;
mod edit;
mod error;
mod json;
mod members;
mod request;
mod rewrite;
mod sse;
mod stream;

pub use answer::{Answer, AnswerField, Choice, Usage};
pub use api_error::ApiError;
pub use attachments::{
    Attachment, AttachmentKind, AttachmentSource, ContentEncoding, decode_base64,
};
pub use edit::{Change, ChangeKind, Edit, Edited};
pub use error::{AnswerError, AttachmentError, OpenAiError};
pub use json::{
    Elements, Entries, JsonError, JsonKind, JsonText, MAX_DEPTH, MAX_MEMBERS, MAX_NAME_BYTES,
    MAX_OPEN_NAMES, RawJson,
};
pub use members::Members;
pub use request::{Field, Fields, Operation, Parameters, Request, ResponseFormat};
pub use rewrite::Rewrite;
pub use sse::{Event, SseParser};
pub use stream::{Assembler, Chunk, DONE};
