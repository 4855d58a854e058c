//! The witness over HTTP: C2SP tlog-witness `POST /add-checkpoint`, and `GET /` with the facts that a log's operator needs.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use proofmark_tlog::{MAX_REQUEST_BYTES, SIZE_CONTENT_TYPE};
use serde_json::json;

use crate::witness::{AddCheckpointError, Witness};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Routes of a witness, relative to its submission prefix. Bodies are bounded; connections are the server's part.
pub fn witness_router(witness: Witness) -> Router {
    Router::new()
        .route("/", get(facts))
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(witness)
}

async fn facts(State(witness): State<Witness>) -> Response {
    let logs: Vec<_> = witness
        .sizes()
        .await
        .into_iter()
        .map(|(origin, size)| json!({ "origin": origin.as_str(), "size": size }))
        .collect();
    let vkey = witness.vkey();
    Json(json!({
        "name": vkey.name().as_str(),
        "verifier_keys": [vkey.to_string()],
        "logs": logs,
    }))
    .into_response()
}

async fn add_checkpoint(
    State(witness): State<Witness>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return text(rejection.status(), rejection.body_text() + "\n"),
    };
    match witness.add_checkpoint(&body).await {
        Ok(cosignature) => text(StatusCode::OK, cosignature.to_string()),
        Err(AddCheckpointError::Refused(refusal)) => match refusal.conflicting_size() {
            Some(size) => {
                let content_type = [(header::CONTENT_TYPE, SIZE_CONTENT_TYPE)];
                (StatusCode::CONFLICT, content_type, format!("{size}\n")).into_response()
            }
            None => {
                let status = StatusCode::from_u16(refusal.status())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                text(status, format!("{}: {refusal}\n", refusal.code()))
            }
        },
        // Details of the file system stay here; `add_checkpoint` traced them.
        Err(AddCheckpointError::Witness(error)) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", error.code()),
        ),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], body).into_response()
}
