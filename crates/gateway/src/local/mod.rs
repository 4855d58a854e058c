//! Models of this node's own: requests that are executed here, by the exact engine, instead of being relayed.
//!
//! The answer takes the same way as a provider's: it is written in the API's own JSON, read back, marked with its receipt, and let go once
//! the receipt is safe. The receipt differs: it says what was executed (specs/01-receipt.md §4.7).

mod embed;
mod events;
mod origin;
mod parameters;
mod request;
mod tensors;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use proofmark_engine::{Engine, Model, RequestError};
use proofmark_openai::JsonText;
use sha2::{Digest as _, Sha256};

use crate::access::CapacityConfig;
use crate::error::{GatewayError, OverloadedBy};

pub use embed::{
    Embed, EmbeddedPrompt, decode_prompts, embedding_json, encode_prompts, prepare_embeddings,
};
pub(crate) use embed::{Embedding, embeddings};
pub(crate) use events::{Form, LocalStream};
pub use origin::ModelOrigin;
pub use parameters::parameters;
pub use request::{Prepared, SeedSource, prepare};
pub(crate) use tensors::TensorForm;
pub use tensors::{TensorEngine, prepare_tensors};
pub(crate) use whole::{answer, embedded};

/// A model with what runs it.
///
/// Trust: nobody needs to be trusted with it: whoever has the same closure can execute it again and compare.
#[derive(Debug)]
pub struct LocalModel {
    name: Arc<str>,
    runs: Runs,
    origin: ModelOrigin,
    fingerprint: String,
}

/// What runs a model.
#[derive(Debug)]
enum Runs {
    /// A decoder.
    Text(Engine),
    /// A tensor program.
    Tensors(Arc<TensorEngine>),
}

/// The models of this node's own, by the names under which they are served.
#[derive(Debug, Default, Clone)]
pub struct LocalModels(Arc<BTreeMap<String, Arc<LocalModel>>>);

impl LocalModel {
    /// Serves `engine`'s decoder under `name`.
    #[must_use]
    pub fn new(name: &str, engine: Engine, origin: ModelOrigin) -> Self {
        Self::of(name, Runs::Text(engine), origin)
    }

    /// Serves `engine`'s tensor program under `name`.
    #[must_use]
    pub fn of_tensors(name: &str, engine: TensorEngine, origin: ModelOrigin) -> Self {
        Self::of(name, Runs::Tensors(Arc::new(engine)), origin)
    }

    fn of(name: &str, runs: Runs, origin: ModelOrigin) -> Self {
        let mut model = Self {
            name: name.into(),
            runs,
            origin,
            fingerprint: String::new(),
        };
        let both = Sha256::new()
            .chain_update(model.model().closure().as_bytes())
            .chain_update(proofmark_engine::engine_digest())
            .finalize();
        let digits: String = both
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        model.fingerprint = format!("fp_{digits}");
        model
    }

    /// Name under which it is served.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The model itself.
    #[must_use]
    pub fn model(&self) -> &Model {
        match &self.runs {
            Runs::Text(engine) => engine.model(),
            Runs::Tensors(engine) => engine.model(),
        }
    }

    /// What runs it, if it is a decoder.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        match &self.runs {
            Runs::Text(engine) => Some(engine),
            Runs::Tensors(_) => None,
        }
    }

    /// What runs it, if it is a tensor program.
    #[must_use]
    pub fn tensor_engine(&self) -> Option<&Arc<TensorEngine>> {
        match &self.runs {
            Runs::Text(_) => None,
            Runs::Tensors(engine) => Some(engine),
        }
    }

    /// Where its files are.
    #[must_use]
    pub const fn origin(&self) -> &ModelOrigin {
        &self.origin
    }

    /// Value of `system_fingerprint`: a short digest of model and engine.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its entry in `/v1/models`.
    pub(crate) fn entry(&self) -> JsonText {
        let closure = self.model().closure().to_string();
        let mut marks = vec![("closure", JsonText::string(&closure))];
        match &self.runs {
            Runs::Text(engine) => {
                let positions = engine.positions() as u64;
                marks.push(("context", JsonText::uint(positions)));
            }
            Runs::Tensors(engine) => marks.extend(tensors::describe(engine.model())),
        }
        let grades = ["signed", "replayed", "proven"].map(JsonText::string);
        marks.push(("grades", JsonText::array(grades)));
        JsonText::object([
            ("id", JsonText::string(&self.name)),
            ("object", JsonText::string("model")),
            ("created", JsonText::uint(0)),
            ("owned_by", JsonText::string("proofmark")),
            ("proofmark", JsonText::object(marks)),
        ])
    }
}

impl LocalModels {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model; one of the same name is replaced.
    pub fn insert(&mut self, model: LocalModel) {
        Arc::make_mut(&mut self.0).insert(model.name.to_string(), Arc::new(model));
    }

    /// The model of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<LocalModel>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LocalModel>> {
        self.0.values()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A tensor program was asked for text.
pub(crate) fn takes_tensors() -> GatewayError {
    request::unsupported("model", "this one takes tensors: ask POST /v1/infer")
}

/// What a caller is told of a request that the engine did not take.
pub(crate) fn refusal(error: &RequestError, limits: &CapacityConfig) -> GatewayError {
    let overloaded = |by| GatewayError::Overloaded {
        by,
        retry_after_s: limits.retry_after_s,
    };
    match error {
        RequestError::Busy { .. } => overloaded(OverloadedBy::Requests),
        RequestError::Stopped => overloaded(OverloadedBy::Shutdown),
        RequestError::ContextTooLong { .. } => GatewayError::NotExecutable {
            code: "context_length_exceeded",
            param: None,
            message: error.to_string(),
        },
        RequestError::Input { name, reason } => {
            let name = name.get(..name.floor_char_boundary(64)).unwrap_or_default();
            GatewayError::NotExecutable {
                code: "invalid_value",
                param: Some(format!("inputs.{name}")),
                message: format!("Invalid value for 'inputs.{name}': {reason}."),
            }
        }
        RequestError::NotOffered { what } => GatewayError::NotExecutable {
            code: "unsupported_parameter",
            param: Some("model".to_owned()),
            message: format!("This model does not offer {what}."),
        },
        RequestError::Parameter { name, .. } => GatewayError::NotExecutable {
            code: "invalid_value",
            param: Some((*name).to_owned()),
            message: error.to_string(),
        },
        _ => GatewayError::NotExecutable {
            code: "invalid_value",
            param: None,
            message: error.to_string(),
        },
    }
}
