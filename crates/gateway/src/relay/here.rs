//! Requests that a model of this node's own answers.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use proofmark_confidence::Origin;
use proofmark_engine::Generation;
use proofmark_openai::Operation;
use proofmark_proving::unsupported_parameter;

use super::Relay;
use super::draft::Draft;
use super::events::{Marks, Rewriter};
use super::respond::Marked;
use super::stream::Source;
use crate::access::CapacityConfig;
use crate::ambient::Entropy;
use crate::error::GatewayError;
use crate::exchange::{ExecutedHere, Issuer, OutputIds};
use crate::local::{self, Embedding, Form, LocalModel, LocalStream};

/// A request that an engine has taken: it runs already.
pub(super) enum Here {
    /// Text.
    Text(Box<Text>),
    /// Embeddings.
    Embedding(Box<Embedding>),
}

/// Text that is being generated.
pub(super) struct Text {
    model: Arc<LocalModel>,
    form: Form,
    generation: Generation,
    executed: ExecutedHere,
    hides_usage: bool,
}

impl Here {
    /// Renders the prompt and hands the request to the engine. `unix_s` is the clock of the template. What is to be `proven` and cannot
    /// be is refused before.
    pub(super) fn take(
        model: &Arc<LocalModel>,
        request: &proofmark_openai::Request<'_>,
        unix_s: u64,
        entropy: &dyn Entropy,
        limits: &CapacityConfig,
        proven: bool,
    ) -> Result<Self, GatewayError> {
        let form = Form {
            operation: request.operation(),
            streamed: request.stream(),
            model: Arc::clone(model.name()),
            fingerprint: model.fingerprint().to_owned(),
            created: unix_s,
        };
        if request.operation() == Operation::Embeddings {
            let embedding = local::embeddings(model, request, form, limits)?;
            return Ok(Self::Embedding(Box::new(embedding)));
        }
        let engine = model.engine().ok_or_else(local::takes_tensors)?;
        let defaults = &model.model().generation().defaults;
        let prepared = local::prepare(request, defaults, unix_s, &mut || draw(entropy))?;
        if proven && let Some(param) = unsupported_parameter(&prepared.generate.sampling) {
            return Err(GatewayError::NotExecutable {
                code: "unsupported_parameter",
                param: Some(param.to_owned()),
                message: format!(
                    "An answer that was sampled with '{param}' cannot be proven by this version. Leave '{param}' out, or do not require a proof."
                ),
            });
        }
        let generation = engine
            .generate(prepared.generate)
            .map_err(|error| local::refusal(&error, limits))?;
        let executed = ExecutedHere {
            model: Arc::clone(model.name()),
            closure: model.model().closure().0,
            engine: proofmark_engine::engine_digest(),
            prompt: Bytes::from(generation.prompt.text.clone()),
            input: generation.prompt.ids.as_slice().into(),
            parameters: local::parameters(&generation),
            seed: generation.seed,
            seed_chosen_by: prepared.seed_chosen_by,
            template_clock: prepared.template_clock,
            output: OutputIds::default(),
        };
        Ok(Self::Text(Box::new(Text {
            model: Arc::clone(model),
            form,
            generation,
            executed,
            hides_usage: !request.include_usage(),
        })))
    }
}

impl Here {
    /// How the answer comes about.
    pub(super) fn origin(&self) -> Origin {
        let executed = match self {
            Self::Text(text) => &text.executed,
            Self::Embedding(embedding) => &embedding.executed,
        };
        executed.origin()
    }
}

impl<I: Issuer> Relay<I> {
    /// Gives the answer of a model of this node's own.
    pub(super) async fn execute(
        &self,
        mut draft: Draft<I>,
        here: Here,
        marked: Marked,
    ) -> Response {
        let text = match here {
            Here::Text(text) => *text,
            Here::Embedding(embedding) => {
                if let Some(open) = draft.open() {
                    open.exchange.executed = Some(embedding.executed.clone());
                }
                return local::embedded(draft, *embedding, &marked).await;
            }
        };
        let Text {
            model,
            form,
            generation,
            executed,
            hides_usage,
        } = text;
        let ids = executed.output.clone();
        if let Some(open) = draft.open() {
            open.exchange.executed = Some(executed);
        }
        if !form.streamed {
            return local::answer(draft, (&model, form), generation, &ids, &marked).await;
        }
        if let Some(open) = draft.open() {
            open.first_byte();
        }
        let marks = Marks::new(form.operation, &marked.id, &marked.url);
        let name = Arc::clone(model.name());
        let source = LocalStream::new(model, form, generation, ids);
        let source = Source::Here(Box::new(source));
        let rewriter = Rewriter::new(marks, hides_usage);
        self.stream(draft, (source, name), rewriter, &marked)
    }
}

fn draw(entropy: &dyn Entropy) -> Result<u64, GatewayError> {
    let mut seed = [0; 8];
    entropy.fill(&mut seed).map_err(|error| {
        tracing::error!(%error, "no seed can be drawn");
        GatewayError::ReceiptUnavailable
    })?;
    Ok(u64::from_be_bytes(seed))
}
