//! One receipt: its bytes, its view, its contents, and their erasure.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use base64ct::{Base64, Encoding as _};
use http::header::{ACCEPT, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use proofmark_log::{Erasure, RecordKey};
use proofmark_openai::{AnswerField, RawJson};
use proofmark_receipt::to_json;
use proofmark_tensors::output_of_field;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::find::{Found, Lookup, unavailable};
use super::respond::{Cache, answer, held, pending};
use super::state::Endpoints;
use crate::error::GatewayError;
use crate::store::{Contents, KeptAnswer};

/// Media type of a signed receipt.
const RECEIPT_TYPE: &str = "application/vnd.proofmark.receipt+cose";

pub(super) type Id = Result<Path<String>, PathRejection>;

/// The path's id; one that is no text is no id.
pub(super) fn text_of(id: Id) -> String {
    id.map(|Path(id)| id).unwrap_or_default()
}

pub(super) async fn receipt(
    State(endpoints): State<Arc<Endpoints>>,
    id: Id,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.receipt(&text_of(id), &headers).await)
}

pub(super) async fn content(
    State(endpoints): State<Arc<Endpoints>>,
    id: Id,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.content(&text_of(id), &headers).await)
}

pub(super) async fn erase(
    State(endpoints): State<Arc<Endpoints>>,
    id: Id,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.erase(&text_of(id), &headers).await)
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = |media: &str| {
        headers
            .get_all(ACCEPT)
            .iter()
            .any(|value| value.to_str().is_ok_and(|value| value.contains(media)))
    };
    accepts("application/json") && !accepts(RECEIPT_TYPE)
}

impl Endpoints {
    async fn receipt(&self, text: &str, headers: &HeaderMap) -> Result<Response, GatewayError> {
        let found = match self.find(headers, text).await? {
            Lookup::Found(found) => found,
            Lookup::Pending(id) => return Ok(pending(&id.to_string())),
        };
        let mut response = if wants_json(headers) {
            answer(
                "application/json",
                Cache::NoStore,
                to_json(&found.receipt).to_string(),
            )
        } else {
            answer(
                RECEIPT_TYPE,
                Cache::NoStore,
                found.receipt.as_bytes().to_vec(),
            )
        };
        response
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("accept"));
        Ok(response)
    }

    async fn content(&self, text: &str, headers: &HeaderMap) -> Result<Response, GatewayError> {
        let found = match self.find(headers, text).await? {
            Lookup::Found(found) => found,
            Lookup::Pending(id) => return Ok(pending(&id.to_string())),
        };
        let now_unix_s = self.now_unix_s();
        // Decrypted, and once more as JSON, whose escapes of what is no JSON are the longest part.
        let slot = self
            .config
            .access
            .capacity()
            .bytes(found.bytes() as u64 * 6)
            .await?;
        let built = blocking(move || {
            let contents = found.contents(&found.salts()?, now_unix_s)?;
            view(&contents).map_err(|error| unavailable(&error))
        });
        Ok(answer(
            "application/json",
            Cache::NoStore,
            held(built.await?, slot),
        ))
    }

    async fn erase(&self, text: &str, headers: &HeaderMap) -> Result<Response, GatewayError> {
        let found = match self.find(headers, text).await {
            Ok(Lookup::Found(found)) => found,
            Ok(Lookup::Pending(id)) => return Ok(pending(&id.to_string())),
            // Gone already, and its owner asks.
            Err(GatewayError::Erased) => return Ok(StatusCode::NO_CONTENT.into_response()),
            Err(error) => return Err(error),
        };
        let Found { id, receipt, .. } = *found;
        if let Some(deadline_unix_s) = self
            .config
            .retention
            .forbids_erasure(receipt.claims(), self.now_unix_s())
        {
            return Err(GatewayError::AuditDeadline { deadline_unix_s });
        }
        let erased = self
            .receipts_log()
            .erase_secret(RecordKey::from_bytes(*id.as_bytes()))
            .await;
        match erased.map_err(|error| unavailable(&error))? {
            Erasure::Unknown => Err(GatewayError::UnknownReceipt),
            Erasure::Erased | Erasure::NoSecret | Erasure::Dropped => {
                // Without the secret nobody can open it; it goes all the same.
                self.config.proofs.cancel(&id);
                if let Err(error) = self.config.proofs.kept().remove(&id) {
                    tracing::warn!(receipt = %id, %error, "a proof that cannot be opened any more is still there");
                }
                tracing::info!(receipt = %id, "contents erased");
                Ok(StatusCode::NO_CONTENT.into_response())
            }
        }
    }
}

/// Runs what computes for longer than a request should hold up others.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GatewayError> + Send + 'static,
) -> Result<T, GatewayError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| unavailable(&error))?
}

/// JSON text as it stands, other text as a string, and bytes that are no text in Base64.
fn body_of(bytes: &[u8]) -> Result<Box<RawValue>, serde_json::Error> {
    match RawJson::parse(bytes) {
        Ok(json) => RawValue::from_string(json.as_json().to_owned()),
        Err(_) => serde_json::value::to_raw_value(&value_of_bytes(bytes)),
    }
}

fn value_of_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": Base64::encode_string(bytes) }),
    }
}

/// The value of a field: text, or an output tensor as it was shown. No encoded tensor is UTF-8: it begins with 0x85.
fn value_of(field: &AnswerField) -> Value {
    match output_of_field(&field.name, &field.value) {
        Some(output) if output.scale_bits.is_some() => {
            json!({ "shape": output.shape, "data": output.shown().collect::<Vec<_>>() })
        }
        Some(output) => json!({ "shape": output.shape, "data": output.elements }),
        None => value_of_bytes(&field.value),
    }
}

#[derive(serde::Serialize)]
struct View {
    request: Box<RawValue>,
    answer: Box<RawValue>,
}

/// The contents as JSON: bodies as they arrived, and of a stream what it adds up to.
fn view(contents: &Contents) -> Result<Vec<u8>, serde_json::Error> {
    let answer = match &contents.answer {
        KeptAnswer::None => RawValue::from_string("null".to_owned())?,
        KeptAnswer::Raw(body) => body_of(body)?,
        KeptAnswer::Assembled(choices) => {
            let choices: Vec<Value> = choices
                .iter()
                .map(|choice| {
                    let fields = choice.fields.iter();
                    let fields = fields.map(|field| (field.name.clone(), value_of(field)));
                    json!({
                        "index": choice.index,
                        "finish_reason": choice.finish_reason,
                        "text": choice.text,
                        "fields": fields.collect::<serde_json::Map<_, _>>(),
                    })
                })
                .collect();
            serde_json::value::to_raw_value(
                &json!({ "object": "proofmark.assembled_stream", "choices": choices }),
            )?
        }
    };
    let request = body_of(&contents.received)?;
    serde_json::to_vec(&View { request, answer })
}
