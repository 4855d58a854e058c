//! Listings and their pages.

use proofmark_gateway::access::{ApiKey, Rights};
use serde_json::Value;

use crate::harness::{NOW_MS, Node};
use crate::issue::Exchange;

async fn ids(node: &Node, key: &ApiKey, query: &str) -> (Vec<u8>, Value) {
    let answered = node.get_as(key, &format!("/v1/receipts?{query}")).await;
    assert_eq!(
        answered.status,
        200,
        "{query}: {}",
        String::from_utf8_lossy(&answered.body)
    );
    let page = answered.json();
    let ids = page["data"].as_array().unwrap().iter().map(|line| {
        let n = (0..50).find(|n| line["id"] == Exchange::new(*n).id().to_string());
        n.unwrap()
    });
    (ids.collect(), page.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_newest_first_and_lose_nothing() {
    let node = Node::start().await;
    let (mine, key) = node.key("mine", Rights::USE);
    let (others, other_key) = node.key("other", Rights::USE);
    let (_, admin) = node.key("admin", Rights::ADMIN);
    for n in 0..30 {
        let owner = if n % 3 == 0 { &others } else { &mine };
        node.log(&Exchange::new(n).of(owner.id.as_str())).await;
    }
    let my_own: Vec<u8> = (0..30).rev().filter(|n| n % 3 != 0).collect();
    let (all, page) = ids(&node, &key, "limit=100").await;
    assert_eq!((&all, &page["has_more"]), (&my_own, &Value::Bool(false)));
    assert_eq!(ids(&node, &other_key, "limit=100").await.0.len(), 10);
    assert_eq!(
        ids(&node, &admin, "limit=100").await.0,
        (0..30).rev().collect::<Vec<u8>>()
    );
    assert_eq!(
        ids(&node, &key, "").await.0,
        my_own[..20],
        "20 if nothing is said"
    );

    let (mut walked, mut query) = (Vec::new(), "limit=7".to_owned());
    loop {
        let (page_ids, page) = ids(&node, &key, &query).await;
        assert!(page_ids.len() <= 7);
        walked.extend(page_ids);
        if page["has_more"] == false {
            break;
        }
        query = format!("limit=7&after={}", page["last_id"].as_str().unwrap());
    }
    assert_eq!(walked, my_own);

    let id = |n| Exchange::new(n).id();
    assert_eq!(
        ids(&node, &key, &format!("after={}&limit=2", id(10)))
            .await
            .0,
        [8, 7]
    );
    assert_eq!(
        ids(&node, &key, &format!("before={}", id(25))).await.0,
        [29, 28, 26]
    );
    assert_eq!(
        ids(
            &node,
            &key,
            &format!("before=chatcmpl-{}&after={}", id(10), id(14))
        )
        .await
        .0,
        [13, 11]
    );
    let times = format!("since_ms={}&until_ms={}", NOW_MS + 10, NOW_MS + 14);
    assert_eq!(ids(&node, &key, &times).await.0, [13, 11, 10]);
    assert!(
        ids(&node, &key, &format!("after={}&before={}", id(3), id(9)))
            .await
            .0
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_says_what_was_asked_and_how_it_ended() {
    let node = Node::start().await;
    let exchange = Exchange::new(1);
    node.log(&exchange).await;
    let page = node.get("/v1/receipts?model=lab%2Fm").await.json();
    let line = serde_json::json!({
        "entry": 0,
        "id": exchange.id().to_string(),
        "created_ms": exchange.unix_ms,
        "model": "lab/m",
        "operation": "chat.completions",
        "outcome": "completed",
        "logged": true,
    });
    assert_eq!(
        page,
        serde_json::json!({ "object": "list", "data": [line], "has_more": false, "last_id": exchange.id().to_string() })
    );
    let none = node.get("/v1/receipts?model=other").await.json();
    assert_eq!(
        none,
        serde_json::json!({ "object": "list", "data": [], "has_more": false, "last_id": null })
    );
    for query in [
        "limit=0",
        "limit=1000",
        "after=x",
        "since_ms=yesterday",
        "order=asc",
        "limit=1&limit=2",
    ] {
        assert_eq!(
            node.get(&format!("/v1/receipts?{query}")).await.error(),
            (400, "invalid_value".into()),
            "{query}"
        );
    }
}
