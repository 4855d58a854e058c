//! Whether the process lives, whether it can do its work, and its numbers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use proofmark_log::{Log, LogStats};
use serde_json::json;

use super::respond::{Cache, answer};
use super::state::Endpoints;
use crate::metrics::{CONTENT_TYPE, LogSample, Sample};

/// Oldest durable leaf that may be without a checkpoint, milliseconds.
const LARGEST_LAG_MS: u64 = 10_000;

pub(super) async fn alive() -> Response {
    answer("text/plain; charset=utf-8", Cache::NoStore, "ok\n")
}

pub(super) async fn ready(State(endpoints): State<Arc<Endpoints>>) -> Response {
    let reasons = endpoints.not_ready().await;
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons }).to_string();
    let mut response = answer("application/json", Cache::NoStore, body);
    if !reasons.is_empty() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

pub(super) async fn metrics(State(endpoints): State<Arc<Endpoints>>) -> Response {
    let sample = Sample {
        capacity: endpoints.config.access.capacity().in_use(),
        logs: vec![
            sample_of("receipts", &endpoints.receipts_log().stats()),
            sample_of("registry", &endpoints.registry_log().stats()),
        ],
    };
    answer(
        CONTENT_TYPE,
        Cache::NoStore,
        endpoints.config.metrics.render(&sample),
    )
}

fn sample_of(log: &'static str, stats: &LogStats) -> LogSample {
    LogSample {
        log,
        durable: stats.durable,
        published: stats.published,
        queued: stats.queued as u64,
        last_fsync: Duration::from_micros(stats.last_sync_us),
        checkpoint_age: stats.checkpoint_age_ms.map(Duration::from_millis),
    }
}

impl Endpoints {
    /// Why requests should go elsewhere; nothing if they should not.
    async fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.config.serves {
            reasons.push("no upstream and no model is configured".to_owned());
        }
        for (name, log) in [
            ("receipts", self.receipts_log()),
            ("registry", self.registry_log()),
        ] {
            reasons.extend(self.log_not_ready(name, log).await);
        }
        reasons
    }

    async fn log_not_ready(&self, name: &str, log: &Log) -> Option<String> {
        let stats = log.stats();
        if stats.failed {
            return Some(format!(
                "the {name} log has stopped after an error and takes no appends"
            ));
        }
        if stats.published >= stats.durable {
            return None;
        }
        // The oldest leaf that the checkpoint does not cover: how long has it been waiting?
        match log.record(stats.published).await {
            Ok(Some(record)) => {
                let waiting_ms = self.now_unix_ms().saturating_sub(record.appended_at_ms);
                (waiting_ms > LARGEST_LAG_MS).then(|| {
                    format!(
                        "the {name} log's newest checkpoint leaves out a leaf of {} s ago",
                        waiting_ms / 1000
                    )
                })
            }
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, log = name, "cannot read the log");
                Some(format!("the {name} log cannot be read"))
            }
        }
    }
}
