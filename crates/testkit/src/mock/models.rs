//! `GET /v1/models` and `GET /v1/models/{id}`.

use serde_json::{Value, json};

use super::behavior::{Behavior, NAMES};
use super::config::MockConfig;

/// What the model does, if it exists.
pub(super) fn behavior_of(config: &MockConfig, model: &str) -> Option<Behavior> {
    if config.models.iter().any(|known| known == model) {
        return Some(Behavior::Plain);
    }
    Behavior::of(model)
}

pub(super) fn list(config: &MockConfig) -> Value {
    let names = config.models.iter().map(String::as_str).chain(NAMES);
    json!({"object": "list", "data": names.map(|name| entry(config, name)).collect::<Vec<_>>()})
}

pub(super) fn entry(config: &MockConfig, name: &str) -> Value {
    json!({"id": name, "object": "model", "created": config.created, "owned_by": "proofmark-testkit"})
}
