//! Bundles, and what strangers make of them.

use std::time::Duration;

use proofmark_gateway::access::Rights;
use proofmark_gateway::endpoints::BUNDLE_TARGET_BYTES;
use proofmark_receipt::{Bundle, DisclosedValues, Disclosure};
use proofmark_verify::{Presented, Report, Requirement, Roots, State, verify};

use crate::harness::{NOW_MS, Node, Options};
use crate::issue::Exchange;

fn report(bundle: &[u8], roots: &Roots) -> Report {
    verify(
        bundle,
        &Presented::default(),
        &Requirement::default(),
        roots,
        NOW_MS / 1000,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_all_that_a_stranger_needs() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    let receipt = node.log(&exchange).await;
    let answered = node
        .get(&format!("/v1/receipts/{}/bundle", exchange.id()))
        .await;
    assert_eq!(
        (answered.status.as_u16(), answered.header("content-type")),
        (200, "application/vnd.proofmark.bundle+cbor")
    );
    assert_eq!(
        answered.header("content-disposition"),
        format!("attachment; filename=\"{}.receipt\"", exchange.id())
    );
    assert!(
        answered.body.len() <= BUNDLE_TARGET_BYTES,
        "{} bytes",
        answered.body.len()
    );
    let bundle = Bundle::decode(&answered.body).unwrap();
    assert_eq!(bundle.receipt, receipt.as_bytes());
    assert!(
        bundle.key_statement.is_some()
            && bundle.log_proof.is_some()
            && bundle.registry_proof.is_some()
            && bundle.snapshot.is_some()
    );
    assert!(bundle.promise.is_none() && bundle.disclosures.is_empty());
    assert_eq!(report(&answered.body, &node.roots).verdict().exit_code(), 0);
    assert_eq!(
        report(&answered.body, &Roots::default())
            .verdict()
            .exit_code(),
        12
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_opens_for_whoever_gets_the_bundle() {
    let node = Node::start().await;
    let (record, key) = node.key("app", Rights::USE);
    for (n, streamed) in [(1, false), (2, true)] {
        let exchange = Exchange {
            streamed,
            ..Exchange::new(n).of(record.id.as_str())
        };
        let receipt = node.log(&exchange).await;
        let answered = node
            .get_as(
                &key,
                &format!("/v1/receipts/{}/bundle?disclose=all", exchange.id()),
            )
            .await;
        assert_eq!(
            answered.status,
            200,
            "{}",
            String::from_utf8_lossy(&answered.body)
        );
        let bundle = Bundle::decode(&answered.body).unwrap();
        let mut scopes: Vec<&str> = bundle.disclosures.iter().map(Disclosure::scope).collect();
        scopes.sort_unstable();
        let raw: &[&str] = if streamed { &[] } else { &["answer"] };
        let rest = [
            "attachments",
            "caller",
            "forwarded",
            "output/0",
            "output/1",
            "received",
        ];
        assert_eq!(scopes, [raw, rest.as_slice()].concat());
        for disclosure in &bundle.disclosures {
            disclosure.check(receipt.claims()).unwrap();
        }
        assert_eq!(report(&answered.body, &node.roots).verdict().exit_code(), 0);
        let Disclosure::Scope { values, .. } = bundle
            .disclosures
            .iter()
            .find(|one| one.scope() == "forwarded")
            .unwrap()
        else {
            panic!("no scope")
        };
        assert_eq!(values, &DisclosedValues::Body(exchange.forwarded.concat()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_disclosed() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    node.log(&exchange).await;
    let path = |query: &str| format!("/v1/receipts/{}/bundle?{query}", exchange.id());
    for (query, expected) in [
        ("disclose=answer", &["answer", "output/0", "output/1"][..]),
        ("disclose=question", &["received", "forwarded"]),
        ("disclose=attachments,caller", &["attachments"]),
    ] {
        let answered = node.get(&path(query)).await;
        let bundle = Bundle::decode(&answered.body).unwrap();
        let scopes: Vec<&str> = bundle.disclosures.iter().map(Disclosure::scope).collect();
        assert_eq!(scopes, expected, "{query}");
    }
    for query in [
        "disclose=",
        "disclose=secret",
        "disclose=answer,",
        "wait=",
        "wait=forever",
        "wait=logged&wait=logged",
        "x=1",
    ] {
        assert_eq!(
            node.get(&path(query)).await.error(),
            (400, "invalid_value".into()),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_not_in_the_log_yet_comes_with_a_promise() {
    let options = Options {
        checkpoint_interval: Duration::from_secs(60),
        ..Options::default()
    };
    let node = Node::start_with(options).await;
    let exchange = Exchange::new(1);
    node.issue(&exchange).await;
    let answered = node
        .get(&format!("/v1/receipts/{}/bundle", exchange.id()))
        .await;
    let bundle = Bundle::decode(&answered.body).unwrap();
    assert!(bundle.log_proof.is_none() && bundle.promise.is_some());
    let report = report(&answered.body, &node.roots);
    assert!(report.rows().iter().any(
        |row| matches!(&row.state, State::CouldNotCheck { code, .. } if *code == "log.pending")
    ));
    assert_eq!(report.verdict().exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_log_ends_with_the_proof() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    let path = format!("/v1/receipts/{}/bundle?wait=logged", exchange.id());
    let in_progress = node.pending.enter(exchange.id(), None);
    let (answered, ()) = tokio::join!(node.get(&path), async {
        node.issue(&exchange).await;
        drop(in_progress);
    });
    let bundle = Bundle::decode(&answered.body).unwrap();
    assert!(bundle.log_proof.is_some());
    assert_eq!(report(&answered.body, &node.roots).verdict().exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_is_left_out_where_it_does_not_fit() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    node.log(&exchange).await;
    let mut last = 0;
    for n in 0..20_u8 {
        let record = proofmark_log::Record {
            key: proofmark_log::RecordKey::from_bytes([n + 1; 16]),
            entry: vec![n; 1_000].into(),
            ..proofmark_log::Record::default()
        };
        last = node
            .registry
            .append(record, proofmark_log::Durability::Durable)
            .await
            .unwrap()
            .index;
    }
    node.registry.wait_integrated(last).await.unwrap();
    let answered = node
        .get(&format!("/v1/receipts/{}/bundle", exchange.id()))
        .await;
    let bundle = Bundle::decode(&answered.body).unwrap();
    assert!(bundle.snapshot.is_none() && bundle.registry_proof.is_some());
    assert!(answered.body.len() <= BUNDLE_TARGET_BYTES);
    assert!(
        node.get("/.well-known/proofmark/registry-snapshot")
            .await
            .body
            .len()
            > BUNDLE_TARGET_BYTES
    );
}
