//! API keys and the node key by the command line.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Home;

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
