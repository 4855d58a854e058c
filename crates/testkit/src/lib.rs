//! What tests and benchmarks of the workspace stand on: a mock OpenAI server, a clock and random numbers that obey.
//!
//! # The mock upstream
//! [`MockUpstream`] speaks OpenAI's protocol over HTTP/1.1 on a loopback port: `/v1/chat/completions`, `/v1/completions`,
//! `/v1/embeddings`, `/v1/models`; JSON and server-sent events, tools, structured output, `n`, `stop`, `seed`,
//! `logprobs`, `max_tokens`, attachments, usage. It shares no code with the crates that it tests. It runs no model: the
//! same request always gets the same answer (only ids differ), so an answer shows what reached it:
//!
//! ```text
//! user: "What is this?" + an image of 70 bytes  ->  "You said: What is this? [image/png, 70 bytes]"
//! tool: "42"                                    ->  "Tool said: 42"
//! tools given                                   ->  a call of each, with the last capitalized word as text argument
//! response_format                               ->  JSON that satisfies the schema
//! ```
//!
//! # Failures, by model name
//! Unmodified clients ask for a failure by the model's name. `:K` is an optional number; without it the value in
//! parentheses is taken. Names that begin with `mock-` and are not in this list do not exist (404).
//!
//! | model | what happens |
//! |---|---|
//! | `mock-1`, `mock-embed` | nothing special |
//! | `mock-words:K` | an answer of K words (20) |
//! | `mock-error-S` | status S (400–599) with the error object that OpenAI sends with it; 429 with `retry-after: 1` |
//! | `mock-error-S-then-ok:K` | the same K times (2), then an answer, then from the start |
//! | `mock-rate-limited` | as `mock-error-429` |
//! | `mock-context-overflow` | 400 `context_length_exceeded` with counts |
//! | `mock-html` | 502 with a page of HTML, as proxies send it |
//! | `mock-empty` | 200 without a body |
//! | `mock-close` | the connection is closed without an answer |
//! | `mock-stall` | no answer until [`MockUpstream::stall_gate`] is opened |
//! | `mock-stall-mid-stream:K` | the same after K chunks (3) |
//! | `mock-slow:K` | K milliseconds between chunks; without K the pace of [`MockConfig::pace`] |
//! | `mock-break-mid-stream:K` | TCP reset after K chunks (3), or in the middle of a JSON answer |
//! | `mock-break-body:K` | the connection is closed there instead, before the end of the body |
//! | `mock-truncate-json` | a well-formed HTTP answer whose JSON, or whose last chunk's JSON, is cut |
//! | `mock-bad-sse` | a chunk that is not JSON and lines that are no fields, then `[DONE]` |
//! | `mock-no-done` | a stream that ends without `[DONE]` |
//! | `mock-duplicate-members` | an answer or chunks in which `model` comes twice |
//! | `mock-error-in-stream:K` | an error object in a data chunk after K chunks (3), then the end; 500 if not streamed |
//! | `mock-huge:K` | an answer of K bytes of text (1,000,000) |
//! | `mock-alias` | says that it served `mock-1-2026-01-01` |
//! | `mock-lie-usage` | says ten times the tokens |
//! | `mock-content-filter` | finish reason `content_filter` after half of the text |
//! | `mock-refusal` | a refusal instead of content |
//! | `mock-reasoning` | `reasoning_content` before the content |
//!
//! # A provider whose engine is not exact
//! [`float::FloatModel`] runs a published Llama model in floats, as promised or as one of many variants: other sums, fewer bits, fewer layers.
//!
//! # Fixtures
//! [`SteppedClock`] is a clock that only tests move. [`SeededRng`] is a reproducible generator; it is no source of keys.
//!
//! Out of scope: everything that a real deployment needs. Nothing outside of tests and benchmarks uses this crate.
//!
//! ```
//! use proofmark_testkit::{MockConfig, MockUpstream};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let upstream = MockUpstream::start(MockConfig::default()).await?;
//! assert!(upstream.base_url().starts_with("http://127.0.0.1:"));
//! upstream.stop().await;
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```
#![deny(missing_docs)]

mod clock;
pub mod float;
mod mock;
mod rng;

pub use clock::SteppedClock;
pub use mock::{Counters, Gate, MockConfig, MockUpstream, Pace, RecordedRequest};
pub use rng::SeededRng;
