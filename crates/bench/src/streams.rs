//! Many streams at once: what they cost in memory.

use std::time::Duration;

use bytes::Bytes;
use proofmark_http::{AnswerBody, Client, ClientError, Outgoing};
use proofmark_testkit::MockUpstream;

use crate::process::Server;
use crate::{BenchError, load};

/// A question to the model of the mock upstream that waits at a gate for every token.
const SLOW: &str = r#"{"model":"mock-slow","stream":true,"messages":[{"role":"user","content":"Tell me a long story, slowly."}]}"#;

/// Opens `count` streams through the gateway, holds them all open at once, and gives the gateway's memory in MiB while they are.
pub(crate) async fn hold(
    server: &Server,
    upstream: &MockUpstream,
    count: u32,
) -> Result<f64, BenchError> {
    let client = load::client(&server.base_url())?;
    let mut held: Vec<AnswerBody> = Vec::new();
    for _ in 0..count {
        held.push(
            open(&client, upstream)
                .await
                .map_err(|source| BenchError::FirstRequest { source })?,
        );
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let resident = server.resident_mib();
    upstream.pace_gate().open();
    for body in held {
        body.collect(1 << 20)
            .await
            .map_err(|source| BenchError::FirstRequest { source })?;
    }
    Ok(resident)
}

/// A stream whose first chunk has come.
async fn open(client: &Client, upstream: &MockUpstream) -> Result<AnswerBody, ClientError> {
    upstream.pace_gate().release(1);
    let answer = client
        .send(Outgoing::post_json(
            "/chat/completions",
            Bytes::from_static(SLOW.as_bytes()),
        ))
        .await?;
    let (_, mut body) = answer.into_parts();
    if let Some(chunk) = body.chunk().await {
        chunk?;
    }
    Ok(body)
}
