//! What strangers find.

use proofmark_receipt::{SignedKeyStatement, Snapshot};
use proofmark_verify::Roots;

use crate::harness::Node;
use crate::issue::Exchange;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_finds_the_roots_and_what_to_compare() {
    let node = Node::start().await;
    let answered = node.get("/.well-known/proofmark").await;
    assert_eq!(answered.header("access-control-allow-origin"), "*");
    let facts = answered.json();
    let roots = Roots::from_toml(facts["roots"].as_str().unwrap()).unwrap();
    assert_eq!(roots, node.roots);
    let kid = roots.operators[0].public_key().unwrap().kid().to_string();
    assert_eq!(
        (
            &facts["operator"]["kid"],
            &facts["fingerprints"]["operator"]
        ),
        (&kid.clone().into(), &kid.into())
    );
    assert_eq!(facts["receipts_log"], node.receipts.vkey().to_string());
    assert_eq!(facts["registry_log"], node.registry.vkey().to_string());
    assert_eq!(
        facts["fingerprints"]["receipts_log"]
            .as_str()
            .unwrap()
            .len(),
        64
    );
    let statement: &SignedKeyStatement = &node.serving.statement;
    assert_eq!(facts["statement"]["digest"], statement.digest().to_string());
    assert_eq!(facts["statement"]["operator_key_online"], true);
    assert_eq!(
        facts["statement"]["keys"][0],
        node.serving.key.kid().to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_is_the_whole_registry() {
    let node = Node::start().await;
    let answered = node.get("/.well-known/proofmark/registry-snapshot").await;
    assert_eq!(
        answered.header("content-type"),
        "application/vnd.proofmark.snapshot+cbor"
    );
    let snapshot = Snapshot::decode(&answered.body).unwrap();
    let published = node.registry.published().unwrap();
    assert_eq!(snapshot.checkpoint, published.note.as_bytes());
    let leaves = node.registry.entries(0..published.size).await.unwrap();
    assert!(
        leaves.len() >= 2
            && snapshot
                .leaves
                .iter()
                .zip(&leaves)
                .all(|(one, other)| one == other)
    );
    assert_eq!(snapshot.leaves.len(), leaves.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_are_there_for_mirrors_and_nothing_else_is() {
    let node = Node::start().await;
    node.log(&Exchange::new(1)).await;
    let checkpoint = node.get("/log/receipts/checkpoint").await;
    assert_eq!(
        checkpoint.body,
        node.receipts.published().unwrap().note.as_bytes()
    );
    let tile = node.get("/log/receipts/tile/entries/000.p/1").await;
    assert_eq!((tile.status.as_u16(), tile.body.len()), (200, 2 + 36));
    assert_eq!(node.get("/log/registry/checkpoint").await.status, 200);
    for outside in [
        "/log/receipts/tile/../../keys/operator.key",
        "/log/receipts/tile/%2e%2e/%2e%2e/keys/operator.key",
        "/log/receipts/journal/00000000000000000000.seg",
        "/log/receipts/state.redb",
        "/log/receipts",
        "/log/other/checkpoint",
    ] {
        assert_eq!(node.get(outside).await.status, 404, "{outside}");
    }
}
