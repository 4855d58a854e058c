//! The types of the claims.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{ClaimsDigest, Commitment, KeyId, ReceiptId, Root, StatementDigest};

/// Whose word a claim is (§4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// The signer saw it.
    Observed,
    /// The caller said so.
    Caller,
    /// The provider of a relayed answer said so.
    Provider,
    /// The operator configured it.
    Operator,
}

/// All claims of one receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Id, allocated before the request was forwarded.
    pub id: ReceiptId,
    /// Unix seconds on the issuer's clock.
    pub issued_at: u64,
    /// The caller's nonce, 8 to 64 bytes.
    pub nonce: Option<Vec<u8>>,
    /// Who signs, and under which key statement.
    pub issuer: Issuer,
    /// The receipt before this one in the caller's chain.
    pub previous: Option<(ReceiptId, ClaimsDigest)>,
    /// What was asked for.
    pub operation: Operation,
    /// Commitment to the API key's id.
    pub caller: Option<Commitment>,
    /// The request as it arrived.
    pub received: Body,
    /// Images, audio and files in the request.
    pub attachments: Vec<Attachment>,
    /// Relayed to somebody else's API, or executed here.
    pub execution: Execution,
    /// What came out, per choice.
    pub output: Vec<Choice>,
    /// Why each choice ended, as the provider or the engine says.
    pub finish: Option<(Provenance, Vec<Finish>)>,
    /// How the request ended.
    pub outcome: Outcome,
    /// Token counts.
    pub usage: Option<(Provenance, Usage)>,
    /// What the operator charges.
    pub cost: Option<Cost>,
    /// When, on the issuer's clock.
    pub timing: Timing,
    /// Chain over the events of a stream.
    pub stream: Option<StreamClaim>,
    /// Policy under which the answer was given.
    pub policy: Option<[u8; 32]>,
    /// Which log, and as what.
    pub log: LogClaim,
    /// Whether this request may be audited, and who says so.
    pub audit: Option<(Provenance, Audit)>,
    /// Reserved for proofs.
    pub token_commitment: Option<TokenCommitment>,
    /// How long contents are kept.
    pub retention: Option<Retention>,
    /// Claims at positions that this version does not know, as (position, canonical value), sorted by position.
    pub unknown: Vec<(u8, Vec<u8>)>,
}

/// Who signs (position 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issuer {
    /// Id of the node key.
    pub kid: KeyId,
    /// Digest of the key statement that endorses it.
    pub statement: StatementDigest,
}

/// What was asked for (position 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// `chat.completions`, `completions` or `embeddings`.
    pub name: String,
    /// Whether the answer was streamed.
    pub stream: bool,
}

/// Commitment to a request body (§4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body {
    /// Length in bytes.
    pub length: u64,
    /// Commitment to all bytes.
    pub raw: Commitment,
    /// Root over the fields.
    pub fields_root: Root,
    /// Number of fields.
    pub fields: u64,
}

/// An image, an audio clip or a file (§4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Where it stands in the request, such as `messages/0/content/1`.
    pub path: String,
    /// The part's type, such as `image_url`.
    pub kind: String,
    /// Inline bytes, or a reference.
    pub form: AttachmentForm,
    /// Media type that the caller stated.
    pub media_type: Option<String>,
    /// Length of the bytes or of the reference.
    pub length: u64,
    /// Commitment to the bytes or to the reference.
    pub commitment: Commitment,
}

/// What an attachment's commitment is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentForm {
    /// The decoded bytes.
    Inline,
    /// The URL or file id; what stood there is not known.
    Reference,
}

/// Exactly one of the two (§4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// Forwarded to somebody else's API. What was executed is not known and not claimed.
    Relayed {
        /// The handoff, observed.
        relayed: Relayed,
        /// The model name in the request: the caller's word.
        asked: String,
        /// What the provider says of itself: its word.
        provider: Provider,
    },
    /// Executed by the signer.
    Executed(Executed),
}

/// The handoff (§4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// The upstream's name in the configuration.
    pub upstream: String,
    /// Host to which the request was sent.
    pub host: String,
    /// The request as sent.
    pub forwarded: Body,
    /// Every difference between received and forwarded.
    pub adjustments: Vec<Adjustment>,
    /// Tries before the one that counted.
    pub attempts: Vec<Attempt>,
    /// TLS facts, if there was TLS.
    pub tls: Option<TlsFacts>,
    /// Length of, and commitment to, the provider's answer as it arrived.
    pub answer: Option<(u64, Commitment)>,
}

/// One difference between received and forwarded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// What was done.
    pub kind: AdjustmentKind,
    /// Top-level member.
    pub member: String,
    /// In words, such as `gpt -> gpt-5-mini`.
    pub detail: String,
}

/// What was done to a member of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjustmentKind {
    /// It was not there.
    Added,
    /// It had another value.
    Replaced,
    /// It was taken out.
    Removed,
}

/// A try that did not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The upstream's name.
    pub upstream: String,
    /// HTTP status, 0 if there was no answer.
    pub http_status: u16,
    /// In words.
    pub reason: String,
}

/// What was seen of the provider's TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// SHA-256 of the server's end-entity certificate.
    pub certificate_sha256: [u8; 32],
}

/// What the provider says of itself (position 12).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provider {
    /// The `model` of the answer.
    pub served_model: Option<String>,
    /// The `system_fingerprint` of the answer.
    pub fingerprint: Option<String>,
    /// The provider's own request id.
    pub request_id: Option<String>,
    /// The `service_tier` of the answer.
    pub service_tier: Option<String>,
}

/// What the signer executed (§4.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Name under which the model is served.
    pub model: String,
    /// Digest of weights, program, tokenizer, template and quantization recipe.
    pub closure: [u8; 32],
    /// Digest of the engine's build.
    pub engine: [u8; 32],
    /// Commitment to the rendered prompt, or to the encoded inputs.
    pub prompt: Commitment,
    /// Input token ids.
    pub input_tokens: TokenTree,
    /// Every parameter as used.
    pub parameters: Vec<Parameter>,
    /// Seed of the sampler.
    pub seed: u64,
    /// Who chose it.
    pub seed_chosen_by: SeedChooser,
    /// Clock that the chat template saw, Unix seconds.
    pub template_clock: Option<u64>,
}

/// A parameter as used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Such as `temperature`.
    pub name: String,
    /// Its value.
    pub value: ParameterValue,
}

/// The value of a parameter. What may repeat a caller's words is committed to, never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// JSON text of a number, a Boolean or null, 64 bytes at most, such as `0.7`.
    Clear(String),
    /// Commitment (scope `executed`, name `parameters/<name>`) to the JSON text of any other value.
    Committed(Commitment),
}

/// Who chose a seed. A node that chose it could have tried many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedChooser {
    /// The node: grinding is not covered.
    Node,
    /// The caller.
    Caller,
    /// Nobody: nothing is drawn, and the seed is 0.
    Nobody,
}

/// Committed token ids (§4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTree {
    /// Number of ids.
    pub count: u64,
    /// Root of the tree.
    pub root: Root,
}

/// One choice of an answer (§4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its index.
    pub index: u32,
    /// Length of the text in bytes.
    pub text_bytes: u64,
    /// Root over 256-byte pieces of the text.
    pub text_root: Root,
    /// Number of other fields.
    pub fields: u64,
    /// Root over them.
    pub fields_root: Root,
    /// Output token ids, if they are known.
    pub tokens: Option<TokenTree>,
}

/// Why a choice ended (position 15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Index of the choice.
    pub index: u32,
    /// Such as `stop` or `tool_calls`; none if the stream broke before.
    pub reason: Option<String>,
}

/// How the request ended (position 16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Class.
    pub status: Status,
    /// HTTP status that the client got.
    pub http_status: u16,
    /// Error code, if any.
    pub code: Option<String>,
}

/// Class of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A whole answer.
    Completed,
    /// The model refused.
    Refused,
    /// Cut at a length limit.
    Length,
    /// The provider answered with an error.
    ProviderError,
    /// The node failed.
    NodeError,
    /// The client went away.
    AbortedByClient,
    /// The provider went away.
    AbortedByProvider,
    /// Stopped by a content filter.
    ContentFilter,
}

/// Token counts (position 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// What is charged (position 18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// ISO 4217 code.
    pub currency: String,
    /// Amount in 1e-9 of the unit.
    pub amount_nano: u64,
}

/// When (position 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Unix milliseconds at which the request was received.
    pub received_ms: u64,
    /// Microseconds from then to the first byte of the answer.
    pub first_byte_us: Option<u64>,
    /// Microseconds from then to the end of the answer.
    pub done_us: u64,
}

/// Chain over the events of a stream (§5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamClaim {
    /// Number of events.
    pub events: u64,
    /// Head after the last.
    pub head: [u8; 32],
}

/// Which log, and as what (position 22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogClaim {
    /// Origin of the receipts log.
    pub origin: String,
    /// 1 relayed, 2 executed.
    pub kind: u8,
    /// Value class, 0 unstated.
    pub value_class: u8,
}

/// Whether a request may be audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    /// It may.
    Given,
    /// It may not.
    Refused,
}

/// Field-friendly commitment to token ids, reserved for proofs (position 24).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCommitment {
    /// Commitment scheme.
    pub suite: u64,
    /// The commitment.
    pub value: Vec<u8>,
}

/// How contents are kept (position 25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Whether contents are stored, encrypted under the receipt secret.
    pub stored: bool,
    /// Unix seconds until which.
    pub until: u64,
}
