//! `/v1/models`.

use proofmark_gateway::UpstreamConfig;
use proofmark_testkit::{MockConfig, MockUpstream};
use serde_json::Value;

use super::harness::{house, house_with};

fn find<'l>(list: &'l Value, id: &str) -> Option<&'l Value> {
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["id"] == id)
}

#[tokio::test]
async fn one_upstreams_models_with_truth() {
    let house = house().await;
    let reply = house.get("/models").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (200, Some("application/json"))
    );
    let list = reply.json();
    assert_eq!(list["object"], "list");
    let entry = find(&list, "mock-1").unwrap();
    assert_eq!(entry["object"], "model");
    assert!(entry["owned_by"].is_string());
    assert_eq!(entry["proofmark"]["upstream"], "mock");
    assert_eq!(entry["proofmark"]["grades"], serde_json::json!(["relayed"]));
    assert_eq!(entry["proofmark"]["state"], "listed");
    assert_eq!(house.get("/models/mock-1").await.json(), *entry);
    let unknown = house.get("/models/nobody%2Fhome").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.code().as_str()),
        (404, "model_not_found")
    );
    assert_eq!(
        house.mock.counters().requests,
        1,
        "the list is kept for a while"
    );
    let wrong = house.post_bytes("/models", bytes::Bytes::new(), &[]).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.header("allow")),
        (405, Some("GET, HEAD"))
    );
}

#[tokio::test]
async fn several_upstreams_are_merged_under_names_that_lead_to_them() {
    let second = MockUpstream::start(MockConfig {
        models: vec!["fable".into()],
        ..MockConfig::default()
    })
    .await
    .unwrap();
    let second_url = second.base_url();
    let house = house_with(|config| {
        config.upstream[0].models = vec!["mock-1".into(), "secret-model".into()];
        config
            .upstream
            .push(UpstreamConfig::new("second", &second_url));
        let gone = UpstreamConfig {
            models: vec!["ghost".into()],
            ..UpstreamConfig::new("gone", "http://127.0.0.1:1/v1")
        };
        config.upstream.push(gone);
    })
    .await;
    let list = house.get("/models").await.json();
    assert_eq!(
        find(&list, "mock-1").unwrap()["proofmark"]["upstream"],
        "mock"
    );
    assert_eq!(
        find(&list, "second/mock-1").unwrap()["proofmark"]["upstream"],
        "second"
    );
    assert_eq!(
        find(&list, "fable").unwrap()["proofmark"]["upstream"],
        "second"
    );
    assert_eq!(
        find(&list, "secret-model").unwrap()["proofmark"]["state"],
        "configured"
    );
    assert_eq!(
        find(&list, "ghost").unwrap()["proofmark"]["state"],
        "unreachable"
    );
    assert!(
        find(&list, "mock-embed").is_some_and(|entry| entry["proofmark"]["upstream"] == "second"),
        "the first does not take it"
    );
    // Every listed name is routed to the upstream that it is listed for.
    for entry in list["data"].as_array().unwrap() {
        let path = format!(
            "/models/{}",
            entry["id"].as_str().unwrap().replace('/', "%2F")
        );
        assert_eq!(house.get(&path).await.json(), *entry);
    }
}
