//! What strangers need to find, and nothing that they have to believe.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use proofmark_receipt::{PublicKey, SignedKeyStatement};
use proofmark_tlog::VerifierKey;
use proofmark_verify::OperatorRoot;
use serde_json::{Value, json};

use super::find::unavailable;
use super::respond::{Cache, answer};
use super::state::Endpoints;
use crate::error::GatewayError;

/// Media type of a registry snapshot.
const SNAPSHOT_TYPE: &str = "application/vnd.proofmark.snapshot+cbor";

/// The description of this interface.
pub(crate) const OPENAPI: &str = include_str!("../../openapi.json");

pub(super) async fn well_known(State(endpoints): State<Arc<Endpoints>>) -> Response {
    endpoints.respond(endpoints.well_known().await)
}

pub(super) async fn registry_snapshot(State(endpoints): State<Arc<Endpoints>>) -> Response {
    endpoints.respond(endpoints.registry_snapshot().await)
}

pub(super) async fn openapi() -> Response {
    answer("application/json", Cache::Public, OPENAPI)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn statement_view(statement: &SignedKeyStatement) -> Value {
    let says = statement.unverified();
    json!({
        "digest": statement.digest().to_string(),
        "node": says.node,
        "keys": says.keys.iter().map(|key| key.kid().to_string()).collect::<Vec<_>>(),
        "not_before": says.not_before,
        "not_after": says.not_after,
        "operator_key_online": says.operator_key_online,
    })
}

impl Endpoints {
    async fn well_known(&self) -> Result<Response, GatewayError> {
        let statement = self
            .registry
            .newest_statement()
            .await
            .map_err(|error| unavailable(&error))?;
        let statement = statement.and_then(|bytes| SignedKeyStatement::decode(&bytes).ok());
        let roots = &self.config.roots;
        let operator = roots.operators.first();
        let kid = operator
            .and_then(OperatorRoot::public_key)
            .as_ref()
            .map(PublicKey::kid);
        let kid = kid.map(|kid| kid.to_string());
        let print = |key: &VerifierKey| hex(&key.fingerprint());
        let (receipts, registry) = (self.receipts_log().vkey(), self.registry_log().vkey());
        let facts = json!({
            "roots": roots.to_toml(),
            "operator": operator.map(|operator| json!({ "name": operator.name, "key": operator.key, "kid": kid })),
            "receipts_log": receipts.to_string(),
            "registry_log": registry.to_string(),
            "statement": statement.as_ref().map(statement_view),
            "fingerprints": { "operator": kid, "receipts_log": print(receipts), "registry_log": print(registry) },
        });
        Ok(answer("application/json", Cache::Public, facts.to_string()))
    }

    async fn registry_snapshot(&self) -> Result<Response, GatewayError> {
        let snapshot = self
            .registry
            .snapshot()
            .await
            .map_err(|error| unavailable(&error))?;
        let snapshot = snapshot
            .ok_or(GatewayError::ReceiptUnavailable)?
            .map_err(|error| unavailable(&error))?;
        Ok(answer(SNAPSHOT_TYPE, Cache::Public, snapshot.encode()))
    }
}
