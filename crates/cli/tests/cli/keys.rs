//! API keys and the node key by the command line.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::{Home, World};

#[test]
fn an_api_key_is_shown_once_and_kept_as_a_hash() {
    let home = Home::new();
    let arguments = [
        "key",
        "create",
        "--data",
        "d",
        "--name",
        "app",
        "--rpm",
        "5",
        "--budget",
        "2.5",
        "--expires",
        "30d",
    ];
    let ended = home.expect(0, &arguments);
    let key = ended.out.trim();
    assert!(key.starts_with("pm_") && key.len() == 46, "{}", ended.out);
    assert!(
        !String::from_utf8(home.read("d/api-keys.toml"))
            .unwrap()
            .contains(key)
    );
    let listed = home.expect(0, &["key", "list", "--data", "d"]).out;
    assert!(
        listed.contains("app") && listed.contains("5/min") && listed.contains("2.5 USD"),
        "{listed}"
    );
    assert!(!listed.contains(key));
    let json = home
        .expect(0, &["key", "list", "--data", "d", "--json"])
        .json();
    assert_eq!(
        (json[0]["rpm"].as_u64(), json[0]["budget_usd"].as_f64()),
        (Some(5), Some(2.5))
    );
    home.expect(2, &["key", "create", "--data", "d", "--name", "app"]);
    home.expect(0, &["key", "revoke", "--data", "d", "app"]);
    assert!(
        home.expect(0, &["key", "list", "--data", "d"])
            .out
            .contains("revoked")
    );
    home.expect(2, &["key", "revoke", "--data", "d", "nobody"]);
}

#[test]
fn an_api_key_can_go_into_a_private_file() {
    let home = Home::new();
    let ended = home.expect(
        0,
        &[
            "key", "create", "--data", "d", "--name", "app", "-o", "app.key",
        ],
    );
    assert_eq!(ended.out, "");
    let mode = std::fs::metadata(home.path("app.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    home.expect(
        2,
        &[
            "key", "create", "--data", "d", "--name", "other", "-o", "app.key",
        ],
    );
}

#[test]
fn node_keys_of_no_node() {
    let home = Home::new();
    let ended = home.expect(2, &["key", "node", "show"]);
    assert!(
        ended.err.contains("not the data directory of a node"),
        "{}",
        ended.err
    );
    home.expect(2, &["key", "node", "rotate"]);
    home.expect(2, &["key", "node", "revoke", "--reason", "ceased", "--yes"]);
}

#[test]
fn a_policy_of_a_key_withholds_or_flags_what_is_below_it() {
    let (world, home) = (World::new(), Home::new());
    let create = |name: &str, below: &str, clause: &str| {
        let file = format!("{name}.policy");
        home.write(
            &file,
            format!("policy \"{name}\" version 1 {{ below = {below} for model * {{ require {clause} }} }}"),
        );
        let arguments = [
            "key", "create", "--data", "data", "--name", name, "--policy", &file, "--json",
        ];
        let ended = home.expect(0, &arguments);
        let key = ended.json()["key"].as_str().unwrap().to_owned();
        (key, ended.err)
    };
    let (own, warned) = create("own-model", "withhold", "signed and answer and question");
    assert_eq!(warned, "");
    let (early, warned) = create("witnessed", "flag", "witnessed");
    assert!(warned.contains("no answer meets this policy"), "{warned}");
    let (never, _) = create("replayed", "withhold", "replayed");
    home.write(
        "wrong.policy",
        "policy \"a\" version 1 { for model * { require sined } }",
    );
    home.expect(
        2,
        &[
            "key",
            "create",
            "--data",
            "data",
            "--name",
            "w",
            "--policy",
            "wrong.policy",
        ],
    );
    let upstream = world.upstream_flag();
    home.write("node.toml", "[engine]\nbundled = \"serve\"\n");
    let node = home.serve(&[
        "serve",
        "--config",
        "node.toml",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
        "--upstream",
        &upstream,
    ]);
    let ask = |key: &str, model: &str| {
        let messages = [json!({"role": "user", "content": "Hello"})];
        let body = json!({"model": model, "messages": messages, "max_tokens": 4, "seed": 7});
        let bearer = format!("Bearer {key}");
        world.ask(
            &node.url(),
            &body.to_string(),
            &[("authorization", &bearer)],
        )
    };
    // The bundled model answers itself; what an upstream answered is nobody's execution.
    let got = ask(&own, "fable");
    assert_eq!(
        (got.status, got.header("x-proofmark-policy")),
        (http::StatusCode::OK, Some("satisfied"))
    );
    let got = ask(&own, "mock-1");
    assert_eq!(got.status, 403);
    assert_eq!(got.json()["error"]["code"], "below_policy");
    let got = ask(&early, "fable");
    assert_eq!(
        (got.status, got.header("x-proofmark-policy")),
        (http::StatusCode::OK, Some("below"))
    );
    assert_eq!(ask(&never, "fable").status, 403);
}
