//! Health, readiness and numbers.

use std::time::Duration;

use proofmark_gateway::GatewayError;

use crate::harness::{Node, Options};
use crate::issue::Exchange;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_can_work_is_ready() {
    let node = Node::start().await;
    assert_eq!(node.get("/healthz").await.body, b"ok\n");
    let ready = node.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), ready.json()),
        (200, serde_json::json!({ "ready": true, "reasons": [] }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_nothing_to_answer_with_is_not_ready() {
    let node = Node::start_with(Options {
        serves: false,
        ..Options::default()
    })
    .await;
    let ready = node.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["reasons"][0]),
        (503, &"no upstream and no model is configured".into())
    );
    assert_eq!(node.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_may_wait_ten_seconds_for_its_checkpoint() {
    let node = Node::start_with(Options {
        checkpoint_interval: Duration::from_secs(60),
        ..Options::default()
    })
    .await;
    // A checkpoint that is old while nothing happens is no reason.
    node.clock.0.advance(Duration::from_secs(3600));
    assert_eq!(node.get("/readyz").await.status, 200);
    node.issue(&Exchange::new(1)).await;
    assert_eq!(node.get("/readyz").await.status, 200);
    node.clock.0.advance(Duration::from_secs(10));
    assert_eq!(node.get("/readyz").await.status, 200);
    node.clock.0.advance(Duration::from_millis(1));
    let late = node.get("/readyz").await;
    assert_eq!(late.status, 503);
    assert!(
        late.json()["reasons"][0]
            .as_str()
            .unwrap()
            .contains("receipts log"),
        "{:?}",
        late.json()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_come_from_the_log_and_from_refusals() {
    let node = Node::start().await;
    node.log(&Exchange::new(1)).await;
    node.get("/v1/receipts/unknown").await;
    node.metrics.rejected(&GatewayError::NotFound);
    let answered = node.get("/metrics").await;
    assert!(
        answered
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = answered.text();
    for line in [
        r#"proofmark_log_durable_leaves{log="receipts"} 1"#,
        r#"proofmark_log_published_leaves{log="receipts"} 1"#,
        r#"proofmark_log_lag_leaves{log="receipts"} 0"#,
        r#"proofmark_log_durable_leaves{log="registry"} 2"#,
        r#"proofmark_rejected_total{code="unknown_receipt"} 1"#,
        r#"proofmark_rejected_total{code="not_found"} 1"#,
        "proofmark_requests_in_flight 0",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
}
