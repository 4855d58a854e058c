//! Who sees what.

use http::Method;
use proofmark_gateway::access::{ApiKey, KeyFile, Rights};

use crate::harness::Node;
use crate::issue::Exchange;

const PATHS: [&str; 4] = ["", "/bundle", "/bundle?disclose=all", "/content"];

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_its_keys_and_the_admins() {
    let node = Node::start().await;
    let (mine, my_key) = node.key("mine", Rights::USE);
    let (_, other_key) = node.key("other", Rights::USE);
    let (_, admin_key) = node.key("admin", Rights::ADMIN);
    let exchange = Exchange::new(1).of(mine.id.as_str());
    node.log(&exchange).await;
    let missing = Exchange::new(2).id();
    for rest in PATHS {
        let path = format!("/v1/receipts/{}{rest}", exchange.id());
        assert_eq!(node.get_as(&my_key, &path).await.status, 200, "{rest}");
        assert_eq!(node.get_as(&admin_key, &path).await.status, 200, "{rest}");
        let others = node.get_as(&other_key, &path).await;
        assert_eq!(others.error(), (404, "unknown_receipt".into()), "{rest}");
        let unknown = node
            .get_as(&other_key, &format!("/v1/receipts/{missing}{rest}"))
            .await;
        assert_eq!(others.body, unknown.body, "nobody learns whether it exists");
    }
    let content = format!("/v1/receipts/{}/content", exchange.id());
    assert_eq!(
        node.send_as(&other_key, Method::DELETE, &content)
            .await
            .error(),
        (404, "unknown_receipt".into())
    );
    assert_eq!(
        node.get_as(&my_key, &content).await.status,
        200,
        "nothing was erased"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_in_the_making_is_its_keys_too() {
    let node = Node::start().await;
    let (mine, my_key) = node.key("mine", Rights::USE);
    let (_, other_key) = node.key("other", Rights::USE);
    let id = Exchange::new(1).id();
    let _in_progress = node.pending.enter(id, Some(mine.id.as_str()));
    let path = format!("/v1/receipts/{id}");
    assert_eq!(node.get_as(&my_key, &path).await.status, 202);
    assert_eq!(
        node.get_as(&other_key, &path).await.error(),
        (404, "unknown_receipt".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_there_are_facts_and_no_receipts() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    node.log(&exchange).await;
    assert_eq!(
        node.get(&format!("/v1/receipts/{}", exchange.id()))
            .await
            .status,
        200,
        "no key is configured"
    );
    let (_, key) = node.key("app", Rights::USE);
    KeyFile::of(node.data.path()).revoke("app", 1).unwrap();
    node.clock.0.advance(std::time::Duration::from_secs(2));
    let wrong = ApiKey::from_bytes(&[9; 32]);
    let mut bodies = Vec::new();
    for rest in PATHS {
        let path = format!("/v1/receipts/{}{rest}", exchange.id());
        for refused in [
            node.get(&path).await,
            node.get_as(&wrong, &path).await,
            node.get_as(&key, &path).await,
        ] {
            assert_eq!(refused.error(), (401, "invalid_api_key".into()), "{rest}");
            bodies.push(refused.body);
        }
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "always the same answer"
    );
    assert_eq!(
        node.get("/v1/receipts").await.error(),
        (401, "invalid_api_key".into())
    );
    for public in [
        "/.well-known/proofmark",
        "/log/receipts/checkpoint",
        "/healthz",
        "/readyz",
        "/openapi.json",
    ] {
        assert_eq!(node.get(public).await.status, 200, "{public}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_from_before_the_first_key_are_the_admins() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    node.log(&exchange).await;
    let (_, key) = node.key("app", Rights::USE);
    let (_, admin) = node.key("admin", Rights::ALL);
    let path = format!("/v1/receipts/{}", exchange.id());
    assert_eq!(
        node.get_as(&key, &path).await.error(),
        (404, "unknown_receipt".into())
    );
    assert_eq!(node.get_as(&admin, &path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_reads_nothing_of_this_machine() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    node.log(&exchange).await;
    let path = format!("/v1/receipts/{}/content", exchange.id());
    let refused = node
        .send(Method::GET, &path, &[("origin", "https://evil.example")])
        .await;
    assert_eq!(refused.error(), (401, "invalid_api_key".into()));
    assert_eq!(
        node.send(Method::GET, &path, &[("origin", "http://localhost:3000")])
            .await
            .status,
        200
    );
}
