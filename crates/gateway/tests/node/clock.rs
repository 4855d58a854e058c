//! A clock that is set forward and back under a running node.

use std::collections::BTreeSet;

use proofmark_log::fsck;
use proofmark_verify::{Presented, verify};
use serde_json::json;

use crate::harness::Node;
use crate::support::NOW_MS;

const HOUR_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_no_receipt_and_forks_no_log() {
    let mut node = Node::start().await;
    let body = json!({ "model": "mock-1", "messages": [{ "role": "user", "content": "Hello" }] });
    let day = 24 * HOUR_MS;
    let times = [0, day, HOUR_MS, 30 * day, 0, 29 * day, 1].map(|later| NOW_MS + later);
    let mut bundles = Vec::new();
    let mut acknowledged = BTreeSet::new();
    for unix_ms in times.into_iter().chain([NOW_MS - 3_650 * day]) {
        node.clock.0.jump_to_unix_ms(unix_ms);
        let asked = node.mock.counters().requests;
        let answered = node.post(None, "/v1/chat/completions", &body).await;
        if unix_ms < NOW_MS {
            // Before its key statement begins a node could sign nothing that anybody would accept, and asks nobody.
            assert_eq!(answered.error(), (503, "receipt_unavailable".into()));
            assert_eq!(node.mock.counters().requests, asked);
            continue;
        }
        assert_eq!(answered.status, 200, "{}", answered.text());
        let id = answered.header("x-proofmark-receipt").to_owned();
        let path = format!("/v1/receipts/{id}/bundle?wait=logged");
        let bundle = node.get(None, &path).await;
        assert_eq!(bundle.status, 200, "{}", bundle.text());
        bundles.push(bundle.body);
        assert!(acknowledged.insert(id), "an id was given twice");
    }
    assert_eq!(acknowledged.len(), times.len());
    node.clock.0.jump_to_unix_ms(NOW_MS + 31 * day);

    // All of them are there, in the list too, and the logs' proofs hold for everybody whose clock is right.
    let list = node.get(None, "/v1/receipts?limit=100").await.json();
    let listed: BTreeSet<String> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, acknowledged);
    let required = "logged".parse().unwrap();
    for bundle in &bundles {
        let now = NOW_MS / 1000 + 31 * 86_400;
        let report = verify(bundle, &Presented::default(), &required, &node.roots, now);
        assert_eq!(report.verdict().exit_code(), 0, "{report:#?}");
    }
    node.stop().await;
    // What lies on the disk; the directory itself stays locked as long as the node's handles live.
    let copy = tempfile::tempdir().unwrap();
    for (path, bytes) in node.files() {
        let to = copy
            .path()
            .join(path.strip_prefix(node.data.path()).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    for log in ["receipts", "registry"] {
        let report = fsck(
            &copy.path().join("log").join(log),
            None,
            &Default::default(),
        );
        let report = report.unwrap();
        assert!(report.is_clean(), "{log}: {:#?}", report.differences);
    }
}
