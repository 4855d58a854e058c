//! `POST /v1/infer`: requests that a tensor program of this node's own answers (specs/03-http.md §7).

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header, request};
use hyper::body::Incoming;
use proofmark_engine::EncodedInputs;
use proofmark_openai::{Answer, AnswerField, Choice, Operation};
use proofmark_receipt::SeedChooser;
use proofmark_tensors::{AnswerHead, EncodedTensor, InferRequest, output_fields};

use super::draft::Draft;
use super::require::requires_proof;
use super::respond::{self, Marked};
use super::{About, Estimate, MAX_MODEL_BYTES, Relay};
use crate::error::GatewayError;
use crate::exchange::{ExecutedHere, Issuer, OutputIds};
use crate::local::{self, LocalModel, TensorForm};

/// Bodies beyond this are read on a thread of their own, so that other requests are not held up.
const LARGE_BYTES: usize = 64 * 1024;
/// Memory that an element takes at most on its way from integers to the text of an answer.
const BYTES_PER_ELEMENT: usize = 32;

/// A request that a program takes.
struct Asked {
    name: String,
    model: Arc<LocalModel>,
    inputs: EncodedInputs,
    /// Whether the answer is wanted with a proof only.
    proven: bool,
}

impl<I: Issuer> Relay<I> {
    pub(super) async fn infer(
        &self,
        head: &request::Parts,
        incoming: &mut Incoming,
    ) -> Result<Response, GatewayError> {
        let mut arrived = self.arrive(head, incoming).await?;
        let body = arrived.body.clone();
        let asked = self.read_tensors(&body).await?;
        let elements = asked.inputs.tensors().iter().map(|t| t.elements.len());
        let results = asked.inputs.results(asked.model.model());
        let bytes = elements.sum::<usize>().saturating_add(results);
        let bytes = bytes.saturating_mul(BYTES_PER_ELEMENT);
        arrived.memory.grow_to(body.len().saturating_add(bytes))?;
        arrived.hold_against_policy(executed(&asked.model, &asked.inputs).origin())?;
        let about = About {
            operation: Operation::Infer,
            streamed: false,
            model: &asked.name,
            estimate: Estimate::of_embedding(body.len() as u64),
        };
        let reserved = match asked.proven {
            true => Some(self.reserve_proof(&asked.model)?),
            false => None,
        };
        let (mut draft, marked) = self.draft(arrived, about).await?;
        let Asked { model, inputs, .. } = asked;
        let id = draft.open().map(|open| open.exchange.id);
        if let Some(open) = draft.open() {
            open.exchange.executed = Some(executed(&model, &inputs));
        }
        let ran = match model.tensor_engine() {
            Some(engine) => engine.run(inputs).await,
            None => return Err(GatewayError::EngineFailed),
        };
        Ok(match ran {
            Ok(outputs) => {
                let form = TensorForm::of(&head.headers);
                let response = answered(draft, (&model, outputs), form, marked).await;
                self.with_proof(response, id, reserved).await?
            }
            Err(error) => {
                tracing::warn!(%error, "a tensor program did not come to its end");
                let error = local::refusal(&error, &self.limits);
                respond::failed(draft, error, &marked).await
            }
        })
    }

    /// Reads a request and turns its numbers into the program's integers.
    async fn read_tensors(&self, body: &Bytes) -> Result<Asked, GatewayError> {
        let (models, body, limits) = (self.local.clone(), body.clone(), self.limits);
        let is_large = body.len() > LARGE_BYTES;
        let read = move || {
            let request = InferRequest::read(&body)?;
            let name = request.model.clone();
            let model = models
                .find(&name)
                .filter(|_| name.len() <= MAX_MODEL_BYTES)
                .cloned();
            let model = model.ok_or_else(|| GatewayError::ModelNotFound {
                model: shown(&name).to_owned(),
            })?;
            let inputs = local::prepare_tensors(&request, model.model())?;
            let inputs = inputs.map_err(|error| local::refusal(&error, &limits))?;
            let proven = requires_proof(&request.require)?;
            Ok(Asked {
                name,
                model,
                inputs,
                proven,
            })
        };
        if is_large {
            let read = tokio::task::spawn_blocking(read).await;
            read.map_err(|_| GatewayError::EngineFailed)?
        } else {
            read()
        }
    }
}

/// A name as far as a message repeats it.
fn shown(name: &str) -> &str {
    let end = name.floor_char_boundary(MAX_MODEL_BYTES);
    name.get(..end).unwrap_or_default()
}

fn executed(model: &LocalModel, inputs: &EncodedInputs) -> ExecutedHere {
    ExecutedHere {
        model: Arc::clone(model.name()),
        closure: model.model().closure().0,
        engine: proofmark_engine::engine_digest(),
        prompt: Bytes::from(EncodedTensor::encode_inputs(inputs.tensors())),
        input: Arc::from([]),
        parameters: Vec::new(),
        seed: 0,
        seed_chosen_by: SeedChooser::Nobody,
        template_clock: None,
        output: OutputIds::default(),
    }
}

/// Gives the outputs, once their receipt is safe.
async fn answered<I: Issuer>(
    mut draft: Draft<I>,
    (model, outputs): (&Arc<LocalModel>, Vec<EncodedTensor>),
    form: TensorForm,
    marked: Marked,
) -> Response {
    if let Some(open) = draft.open() {
        open.first_byte();
    }
    let (name, fingerprint) = (Arc::clone(model.name()), model.fingerprint().to_owned());
    let to = marked.clone();
    let write = move || {
        let head = AnswerHead {
            model: &name,
            fingerprint: &fingerprint,
            receipt: &to.id,
            url: &to.url,
        };
        let body = form.write(head, &outputs);
        let fields = output_fields(&outputs)
            .into_iter()
            .map(|(name, value)| AnswerField { name, value });
        let choice = Choice {
            index: 0,
            finish_reason: None,
            text: String::new(),
            fields: fields.collect(),
        };
        let answer = Answer {
            id: None,
            model: Some(name.to_string()),
            system_fingerprint: Some(fingerprint),
            service_tier: None,
            created: None,
            usage: None,
            choices: vec![choice],
        };
        (body, answer)
    };
    let Ok((body, answer)) = tokio::task::spawn_blocking(write).await else {
        return respond::failed(draft, GatewayError::EngineFailed, &marked).await;
    };
    if draft.complete(Some(answer), StatusCode::OK).await.is_err() {
        return respond::without_receipt(&marked);
    }
    let media_type = HeaderValue::from_static(form.media_type());
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type)]);
    respond::marked(StatusCode::OK, headers, Body::from(body), &marked)
}
