//! Receipts and contents: shown, erased, past their time, too large, damaged.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use proofmark_gateway::access::CapacityConfig;
use proofmark_gateway::endpoints::keep_retention;
use proofmark_gateway::store::RetentionPolicy;
use proofmark_receipt::{Audit, SignedReceipt};

use crate::harness::{Node, Options};
use crate::issue::Exchange;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_its_signed_bytes_or_a_view() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    let receipt = node.issue(&exchange).await;
    for name in [
        exchange.id().to_string(),
        format!("chatcmpl-{}", exchange.id()),
        format!("cmpl-{}", exchange.id()),
    ] {
        let answered = node.get(&format!("/v1/receipts/{name}")).await;
        assert_eq!(
            (answered.status.as_u16(), answered.header("content-type")),
            (200, "application/vnd.proofmark.receipt+cose")
        );
        assert_eq!(
            (answered.header("cache-control"), answered.header("vary")),
            ("no-store", "accept")
        );
        assert_eq!(answered.body, receipt.as_bytes());
        SignedReceipt::decode(&answered.body)
            .unwrap()
            .verify_signature(&node.serving.key.public())
            .unwrap();
    }
    let path = format!("/v1/receipts/{}", exchange.id());
    let view = node
        .send(Method::GET, &path, &[("accept", "application/json")])
        .await;
    assert_eq!(view.header("content-type"), "application/json");
    assert_eq!(view.json()["id"], exchange.id().to_string());
    assert_eq!(view.json()["claims_digest"], receipt.digest().to_string());
    assert!(!String::from_utf8(view.body).unwrap().contains("MARKER"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_in_the_making_is_202_and_an_unknown_one_404() {
    let node = Node::start().await;
    let id = Exchange::new(1).id();
    let in_progress = node.pending.enter(id, None);
    for path in [
        format!("/v1/receipts/{id}"),
        format!("/v1/receipts/{id}/bundle"),
        format!("/v1/receipts/{id}/content"),
    ] {
        let pending = node.get(&path).await;
        assert_eq!(
            (pending.status.as_u16(), pending.header("retry-after")),
            (202, "1"),
            "{path}"
        );
        assert_eq!(pending.json()["id"], id.to_string());
    }
    drop(in_progress);
    for id in [
        id.to_string(),
        "x".into(),
        "%ff".into(),
        "chatcmpl-".into(),
        format!("resp_{id}"),
        "..%2f..%2fkeys".into(),
    ] {
        assert_eq!(
            node.get(&format!("/v1/receipts/{id}")).await.error(),
            (404, "unknown_receipt".into()),
            "{id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_shown_as_they_were() {
    let node = Node::start().await;
    let whole = Exchange::new(1);
    node.issue(&whole).await;
    let answered = node
        .get(&format!("/v1/receipts/{}/content", whole.id()))
        .await;
    assert_eq!(answered.header("cache-control"), "no-store");
    let text = String::from_utf8(answered.body).unwrap();
    let (received, answer) = (
        String::from_utf8_lossy(&whole.received),
        String::from_utf8_lossy(&whole.answer),
    );
    assert_eq!(
        text,
        format!(r#"{{"request":{received},"answer":{answer}}}"#),
        "byte for byte"
    );
    let streamed = Exchange {
        streamed: true,
        ..Exchange::new(2)
    };
    node.issue(&streamed).await;
    let answer = node
        .get(&format!("/v1/receipts/{}/content", streamed.id()))
        .await
        .json()["answer"]
        .clone();
    assert_eq!(answer["object"], "proofmark.assembled_stream");
    assert_eq!(answer["choices"][0]["text"], "MARKER answer");
    assert_eq!(
        answer["choices"][1]["fields"]["tool_calls/0/function/name"],
        "f"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_contents_are_gone_and_the_receipt_stays() {
    let mut node = Node::start().await;
    let exchange = Exchange::new(1);
    let receipt = node.log(&exchange).await;
    let path = |rest: &str| format!("/v1/receipts/{}{rest}", exchange.id());
    for _ in 0..2 {
        assert_eq!(
            node.send(Method::DELETE, &path("/content"), &[])
                .await
                .status,
            204
        );
    }
    assert_eq!(
        node.get(&path("/content")).await.error(),
        (410, "erased".into())
    );
    assert_eq!(
        node.get(&path("/bundle?disclose=answer")).await.error(),
        (410, "erased".into())
    );
    assert_eq!(node.get(&path("")).await.body, receipt.as_bytes());
    assert_eq!(node.get(&path("/bundle")).await.status, 200);
    node.stop().await;
    node.assert_nowhere(&[exchange.n; 32]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_on_the_disk_is_encrypted() {
    let mut node = Node::start().await;
    for (n, streamed) in [(1, false), (2, true)] {
        let exchange = Exchange {
            streamed,
            ..Exchange::new(n)
        };
        node.log(&exchange).await;
        assert_eq!(
            node.get(&format!("/v1/receipts/{}/content", exchange.id()))
                .await
                .status,
            200
        );
    }
    node.stop().await;
    node.assert_nowhere(b"MARKER");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_has_its_time() {
    let node = Node::start().await;
    for (n, audit, erasable) in [
        (1, Some(Audit::Given), false),
        (2, Some(Audit::Refused), true),
        (3, None, true),
    ] {
        let exchange = Exchange {
            audit,
            ..Exchange::new(n)
        };
        node.issue(&exchange).await;
        let path = format!("/v1/receipts/{}/content", exchange.id());
        let first = node.send(Method::DELETE, &path, &[]).await;
        if erasable {
            assert_eq!(first.status, 204, "{audit:?}");
            continue;
        }
        assert_eq!(first.error(), (409, "audit_deadline".into()));
        assert_eq!(node.get(&path).await.status, 200, "still there");
        let deadline = exchange.unix_ms / 1000 + 30 * DAY.as_secs();
        assert!(
            String::from_utf8(first.body)
                .unwrap()
                .contains(&deadline.to_string())
        );
        node.clock.0.jump_to_unix_ms((deadline - 1) * 1000);
        assert_eq!(node.send(Method::DELETE, &path, &[]).await.status, 409);
        node.clock.0.jump_to_unix_ms(deadline * 1000);
        assert_eq!(node.send(Method::DELETE, &path, &[]).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_passed_its_retention_is_not_shown() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    node.log(&exchange).await;
    let path = format!("/v1/receipts/{}", exchange.id());
    let until = exchange.unix_ms / 1000 + 183 * DAY.as_secs();
    node.clock.0.jump_to_unix_ms((until - 1) * 1000);
    assert_eq!(node.get(&format!("{path}/content")).await.status, 200);
    node.clock.0.jump_to_unix_ms(until * 1000);
    assert_eq!(
        node.get(&format!("{path}/content")).await.error(),
        (410, "erased".into())
    );
    assert_eq!(
        node.get(&path).await.status,
        200,
        "its segment is still there"
    );
    node.clock.0.advance(Duration::from_secs(1));
    let gone = async {
        while node.get(&path).await.status == 200 {
            tokio::task::yield_now().await;
        }
    };
    let clock = Arc::new(node.clock.clone());
    keep_retention(node.receipts.clone(), node.retention, clock, gone).await;
    assert_eq!(node.get(&path).await.error(), (410, "erased".into()));
    assert_eq!(
        node.send(Method::DELETE, &format!("{path}/content"), &[])
            .await
            .status,
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_is_said_not_to_be_kept() {
    let huge = Bytes::from(format!(
        r#"{{"model":"lab/m","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "x".repeat(70_000)
    ));
    let too_large = Exchange {
        forwarded: vec![huge.clone()],
        received: huge,
        ..Exchange::new(1)
    };
    let node = Node::start().await;
    let nothing = Options {
        retention: RetentionPolicy::new(false, 183, 30),
        ..Options::default()
    };
    let keeps_nothing = Node::start_with(nothing).await;
    for (node, exchange) in [(node, too_large), (keeps_nothing, Exchange::new(2))] {
        let receipt = node.issue(&exchange).await;
        assert!(!receipt.claims().retention.unwrap().stored);
        let path = format!("/v1/receipts/{}", exchange.id());
        assert_eq!(
            node.get(&format!("{path}/content")).await.error(),
            (410, "erased".into())
        );
        assert_eq!(
            node.get(&format!("{path}/bundle?disclose=all"))
                .await
                .error(),
            (410, "erased".into())
        );
        assert_eq!(node.get(&format!("{path}/bundle")).await.status, 200);
        assert_eq!(
            node.send(Method::DELETE, &format!("{path}/content"), &[])
                .await
                .status,
            204
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_receipts_has_to_find_memory() {
    let capacity = CapacityConfig {
        max_body_bytes: 1024 * 1024,
        max_waiting: 0,
        ..CapacityConfig::default()
    };
    let node = Node::start_with(Options {
        capacity,
        ..Options::default()
    })
    .await;
    let exchange = Exchange::new(1);
    node.issue(&exchange).await;
    let path = format!("/v1/receipts/{}/content", exchange.id());
    let taken = node.access.capacity().try_bytes(1000 * 1024).unwrap();
    let refused = node.get(&path).await;
    assert_eq!(refused.error(), (503, "overloaded".into()));
    assert_eq!(refused.header("retry-after"), "1");
    drop(taken);
    assert_eq!(node.get(&path).await.status, 200);
    while node.access.capacity().in_use().body_bytes > 0 {
        tokio::task::yield_now().await;
    }
}
