//! `openapi.json` and the routes say the same.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use proofmark_gateway::GatewayError;
use proofmark_gateway::endpoints::routes;
use proofmark_openai::Operation;
use serde_json::Value;

use crate::harness::Node;
use crate::issue::Exchange;

const DESCRIPTION: &str = include_str!("../../openapi.json");
const SPEC: &str = include_str!("../../../../specs/03-http.md");
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

fn description() -> Value {
    serde_json::from_str(DESCRIPTION).unwrap()
}

/// Path and methods, upper case and sorted.
fn described() -> BTreeMap<String, Vec<String>> {
    let description = description();
    let paths = description["paths"].as_object().unwrap();
    let methods = |item: &Value| {
        let mut methods: Vec<String> = item
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        methods.sort();
        methods
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

fn routed() -> BTreeMap<String, Vec<String>> {
    let upper = |methods: Vec<&str>| {
        let mut methods: Vec<String> = methods.into_iter().map(str::to_uppercase).collect();
        methods.sort();
        methods
    };
    let own = routes()
        .into_iter()
        .map(|(path, methods)| (path, upper(methods)));
    // Those that do not go through the router.
    let operations = Operation::ALL
        .map(|operation| (format!("/v1{}", operation.path()), vec!["POST".to_owned()]));
    let models =
        ["/v1/models", "/v1/models/{id}"].map(|path| (path.to_owned(), vec!["GET".to_owned()]));
    own.chain(operations).chain(models).collect()
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    assert_eq!(described(), routed());
}

#[test]
fn every_path_of_the_spec_is_described() {
    let described = described();
    let lines = SPEC.lines().filter(|line| line.starts_with("| `"));
    let mut seen = 0;
    for line in lines {
        for named in line.split('`').skip(1).step_by(2) {
            let Some((method, path)) = named.split_once(' ') else {
                continue;
            };
            let (path, found) = (
                path.split('?').next().unwrap(),
                METHODS.contains(&method.to_lowercase().as_str()),
            );
            if !found || !path.starts_with('/') {
                continue;
            }
            seen += 1;
            let is_there = match path.strip_suffix('…') {
                Some(prefix) => described.keys().any(|path| path.starts_with(prefix)),
                None => described
                    .get(path)
                    .is_some_and(|methods| methods.contains(&method.to_owned())),
            };
            assert!(is_there, "{method} {path}");
        }
    }
    assert!(seen >= 15, "{seen} paths found in the spec");
}

/// Every object in the description.
fn walk<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| walk(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn it_is_an_openapi_description_of_version_3_1() {
    let description = description();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."));
    for member in ["title", "version"] {
        assert!(description["info"][member].is_string());
    }
    let mut operation_ids = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let named: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(METHODS.contains(&method.as_str()), "{at}");
            assert!(
                operation_ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{at}"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(!responses.is_empty(), "{at}");
            for (status, response) in responses {
                assert!(status == "default" || status.parse::<u16>().is_ok(), "{at}");
                let response = resolve(&description, response);
                assert!(response["description"].is_string(), "{at} {status}");
            }
            let parameters = operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let parameters: Vec<&Value> = parameters
                .iter()
                .map(|parameter| resolve(&description, parameter))
                .collect();
            let in_path = parameters
                .iter()
                .filter(|parameter| parameter["in"] == "path");
            let in_path: BTreeSet<&str> = in_path
                .map(|parameter| {
                    assert_eq!(parameter["required"], true, "{at}");
                    parameter["name"].as_str().unwrap()
                })
                .collect();
            assert_eq!(in_path, named, "{at}");
        }
    }
    let mut dangling = Vec::new();
    walk(&description, &mut |object| {
        if let Some(reference) = object.get("$ref") {
            let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
            if description.pointer(pointer).is_none() {
                dangling.push(pointer.to_owned());
            }
        }
    });
    assert!(dangling.is_empty(), "{dangling:?}");
}

fn resolve<'v>(description: &'v Value, value: &'v Value) -> &'v Value {
    match value["$ref"].as_str() {
        Some(reference) => description
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap(),
        None => value,
    }
}

#[test]
fn every_component_is_used_and_every_code_is_listed() {
    let description = description();
    for (kind, components) in description["components"].as_object().unwrap() {
        if kind == "securitySchemes" {
            continue;
        }
        for name in components.as_object().unwrap().keys() {
            let reference = format!("\"#/components/{kind}/{name}\"");
            assert!(
                DESCRIPTION.contains(&reference),
                "{kind} {name} is not used"
            );
        }
    }
    let codes = description["components"]["schemas"]["ErrorCode"]["enum"]
        .as_array()
        .unwrap();
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(codes, GatewayError::CODES);
    for code in codes {
        let told = DESCRIPTION.matches(&format!("`{code}`")).count();
        assert!(
            told > 0 || code == "not_found",
            "{code} is told at no answer"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_and_its_paths_answer_with_their_methods_only() {
    let node = Node::start().await;
    assert_eq!(node.get("/openapi.json").await.json(), description());
    let id = Exchange::new(1).id().to_string();
    for (path, methods) in routes() {
        let path = path.replace("{id}", &id).replace("{path}", "0/000.p/1");
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let answered = node
                .send(Method::from_bytes(method.as_bytes()).unwrap(), &path, &[])
                .await;
            let is_refused = answered.status == 405;
            assert_eq!(is_refused, !methods.contains(&method), "{method} {path}");
            let is_own = !path.starts_with("/log/");
            if is_refused && is_own {
                assert_eq!(answered.error().1, "method_not_allowed");
            }
            if is_refused {
                let allow: BTreeSet<&str> =
                    answered.header("allow").split(',').map(str::trim).collect();
                let expected = methods.iter().copied().chain(["HEAD"]).collect();
                assert_eq!(allow, expected, "{path}");
            }
        }
        let head = node.send(Method::HEAD, &path, &[]).await;
        assert!(head.status != 405 && head.body.is_empty(), "{path}");
    }
    for nowhere in [
        "/",
        "/v1",
        "/v1/receipts/",
        "/v1/receipts/a/b",
        "/metrics/",
        "/.well-known/other",
        "/favicon.ico",
    ] {
        assert_eq!(
            node.get(nowhere).await.error(),
            (404, "not_found".into()),
            "{nowhere}"
        );
    }
}
