//! Serving the public files of a log over HTTP: `/checkpoint`, `/tile/...` (tlog-tiles).

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use proofmark_tlog::TilePath;

use crate::{
    log::Log,
    storage::{ObjectName, Storage, StorageError},
};

/// Tiles never change.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The next checkpoint may be a moment away.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Everything is public, so pages of any origin may verify.
const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// Routes for the files of an open log, to be nested below its prefix.
pub fn serve(log: &Log) -> Router {
    let log = log.clone();
    let storage = Arc::clone(log.storage());
    let checkpoint = get(move || async move {
        match log.published() {
            Some(published) => file(published.note.clone().into_bytes(), TEXT, NO_STORE),
            None => error(StatusCode::NOT_FOUND),
        }
    });
    Router::new()
        .route("/checkpoint", checkpoint)
        .route("/tile/{*path}", get(tile))
        .with_state(storage)
}

/// Routes for the files of a storage that nobody here writes to: a mirror.
pub fn serve_storage(storage: Arc<dyn Storage>) -> Router {
    Router::new()
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*path}", get(tile))
        .with_state(storage)
}

async fn checkpoint(State(storage): State<Arc<dyn Storage>>) -> Response {
    read(storage, ObjectName::Checkpoint, TEXT, NO_STORE).await
}

async fn tile(State(storage): State<Arc<dyn Storage>>, Path(path): Path<String>) -> Response {
    // Exactly the paths of tiles are accepted: no other file can be named.
    match TilePath::parse(&format!("tile/{path}")) {
        Ok(path) => read(storage, ObjectName::Tile(path), BINARY, IMMUTABLE).await,
        Err(_) => error(StatusCode::NOT_FOUND),
    }
}

async fn read(
    storage: Arc<dyn Storage>,
    object: ObjectName,
    content_type: HeaderValue,
    cache: HeaderValue,
) -> Response {
    let bytes = tokio::task::spawn_blocking(move || storage.read(&object)).await;
    match bytes {
        Ok(Ok(Some(bytes))) => file(bytes, content_type, cache),
        Ok(Ok(None)) => error(StatusCode::NOT_FOUND),
        Ok(Err(StorageError { op, object, source })) => {
            tracing::error!(op, %object, error = %source, "storage failed");
            error(StatusCode::SERVICE_UNAVAILABLE)
        }
        Err(_) => error(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn file(bytes: Vec<u8>, content_type: HeaderValue, cache: HeaderValue) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, bytes).into_response()
}

/// A tile that is not there now may be there soon.
fn error(status: StatusCode) -> Response {
    let headers = [
        (header::CACHE_CONTROL, NO_STORE),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN),
    ];
    (status, headers).into_response()
}
