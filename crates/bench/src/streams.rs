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
        let body = open(&client).await;
        held.push(body.map_err(|source| BenchError::FirstRequest { source })?);
    }
    // They wait at the gate in the order in which they came: one permit for each.
    upstream.pace_gate().release(held.len());
    for body in &mut held {
        if let Some(Err(source)) = body.chunk().await {
            return Err(BenchError::FirstRequest { source });
        }
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

/// A stream whose head has come.
async fn open(client: &Client) -> Result<AnswerBody, ClientError> {
    let answer = client
        .send(Outgoing::post_json(
            "/chat/completions",
            Bytes::from_static(SLOW.as_bytes()),
        ))
        .await?;
    Ok(answer.into_parts().1)
}
