//! Models of this node's own: requests that are executed here, by the exact engine, instead of being relayed.
//!
//! The answer takes the same way as a provider's: it is written in the API's own JSON, read back, marked with its receipt, and let go once
//! the receipt is safe. The receipt differs: it says what was executed (specs/01-receipt.md §4.7).

mod events;
mod parameters;
mod request;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use proofmark_engine::{Engine, RequestError};
use proofmark_openai::JsonText;
use sha2::{Digest as _, Sha256};

use crate::access::CapacityConfig;
use crate::error::{GatewayError, OverloadedBy};

pub(crate) use events::{Form, LocalStream};
pub use parameters::parameters;
pub use request::{Prepared, SeedSource, prepare};
pub(crate) use whole::answer;

/// A model with the engine that runs it.
///
/// Trust: nobody needs to be trusted with it: whoever has the same closure can execute it again and compare.
#[derive(Debug)]
pub struct LocalModel {
    name: Arc<str>,
    engine: Engine,
    fingerprint: String,
}

/// The models of this node's own, by the names under which they are served.
#[derive(Debug, Default)]
pub struct LocalModels(BTreeMap<String, Arc<LocalModel>>);

impl LocalModel {
    /// Serves `engine`'s model under `name`.
    #[must_use]
    pub fn new(name: &str, engine: Engine) -> Self {
        let model = engine.model();
        let both = Sha256::new()
            .chain_update(model.closure().as_bytes())
            .chain_update(proofmark_engine::engine_digest())
            .finalize();
        let digits: String = both
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            name: name.into(),
            engine,
            fingerprint: format!("fp_{digits}"),
        }
    }

    /// Name under which it is served.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What runs it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Value of `system_fingerprint`: a short digest of model and engine.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its entry in `/v1/models`.
    pub(crate) fn entry(&self) -> JsonText {
        let closure: String = self
            .engine
            .model()
            .closure()
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let marks = JsonText::object([
            ("closure", JsonText::string(&closure)),
            ("context", JsonText::uint(self.engine.positions() as u64)),
            (
                "grades",
                JsonText::array(["signed", "replayed"].map(JsonText::string)),
            ),
        ]);
        JsonText::object([
            ("id", JsonText::string(&self.name)),
            ("object", JsonText::string("model")),
            ("created", JsonText::uint(0)),
            ("owned_by", JsonText::string("proofmark")),
            ("proofmark", marks),
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
        self.0.insert(model.name.to_string(), Arc::new(model));
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
