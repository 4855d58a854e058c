//! `config`, `doctor`, and what `serve` refuses before it opens anything.

use crate::support::{Home, exists, finish, redacted};

#[test]
fn show_says_where_each_value_comes_from() {
    let home = Home::new();
    home.write(
        "proofmark.toml",
        "name = \"lab-1\"\n[limits]\nmax_requests = 9\n[[upstream]]\nname = \"a\"\nbase_url = \"https://a.example/v1\"\napi_key_env = \"A_KEY\"\n",
    );
    let mut command = home.command(&["config", "show", "--origin", "--listen", "127.0.0.1:7"]);
    let ended = crate::support::finish(command.env("PROOFMARK_STORE_RETENTION_DAYS", "90"), &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    insta::assert_snapshot!(redacted(&ended.out, &home));
    let json = home.expect(0, &["config", "show", "--json"]).json();
    let setting = json["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["key"] == "name")
        .unwrap();
    assert_eq!(
        (setting["value"].as_str(), setting["origin"].as_str()),
        (Some("lab-1"), Some("file proofmark.toml"))
    );
}

#[test]
fn a_misspelt_key_is_an_error_with_a_remedy() {
    let home = Home::new();
    home.write("proofmark.toml", "lisen = \"127.0.0.1:1\"\n");
    insta::assert_snapshot!(home.expect(2, &["config", "check"]).err);
    home.expect(2, &["serve", "--upstream", "a=http://127.0.0.1:1/v1"]);
}

#[test]
fn secrets_have_to_be_where_the_configuration_says() {
    let home = Home::new();
    home.write(
        "proofmark.toml",
        "[[upstream]]\nname = \"a\"\nbase_url = \"https://a/v1\"\napi_key_env = \"A_KEY\"\n",
    );
    let ended = home.expect(2, &["config", "check"]);
    assert!(
        ended.err.contains("A_KEY") && ended.err.contains("config.secret-unavailable"),
        "{}",
        ended.err
    );
    let secret = "hunter2-hunter2";
    let ended =
        crate::support::finish(home.command(&["config", "check"]).env("A_KEY", secret), &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let ended = crate::support::finish(
        home.command(&["config", "show", "--json"])
            .env("A_KEY", secret),
        &[],
    );
    assert!(!ended.out.contains(secret) && !ended.err.contains(secret));
}

#[test]
fn serve_with_nothing_to_serve_says_how_to_add_an_upstream() {
    let home = Home::new();
    let ended = finish(
        home.command(&["serve"])
            .env("PROOFMARK_ENGINE_BUNDLED", "off"),
        &[],
    );
    assert_eq!(ended.code, 2, "{}", ended.out);
    insta::assert_snapshot!(ended.err);
    assert!(!exists(&home.path("proofmark-data")), "nothing is made");
}

#[test]
fn serve_refuses_to_listen_beyond_loopback_without_a_key() {
    let home = Home::new();
    let arguments = [
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--upstream",
        "a=http://127.0.0.1:1/v1",
    ];
    let ended = home.expect(2, &arguments);
    insta::assert_snapshot!(ended.err);
    assert!(!exists(&home.path("proofmark-data")));
}

#[test]
fn doctor_of_an_empty_home() {
    let home = Home::new();
    let ended = home.expect(0, &["doctor"]);
    assert!(ended.out.contains("you believe nobody"), "{}", ended.out);
    assert!(ended.out.contains("is not there yet"));
    let json = home.expect(0, &["doctor", "--json"]).json();
    assert!(
        json.as_array()
            .unwrap()
            .iter()
            .all(|finding| finding["state"] != "bad"),
        "{json}"
    );
    home.write("proofmark.toml", "nonsense = 1");
    assert!(home.expect(1, &["doctor"]).out.contains('✘'));
}

#[test]
fn the_key_of_an_upstream_of_a_flag_is_in_the_environment() {
    use std::os::unix::ffi::OsStrExt as _;

    let home = Home::new();
    let flag = "mine=https://api.provider.example/v1";
    let mut command = home.command(&["config", "show", "--upstream", flag]);
    command
        .env("MINE_API_KEY", "sk-1")
        .env("NOT_UNICODE", std::ffi::OsStr::from_bytes(b"\xff"));
    let ended = finish(&mut command, &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.contains("api_key_env = \"MINE_API_KEY\""),
        "{}",
        ended.out
    );
    assert!(!ended.out.contains("sk-1"), "{}", ended.out);
}
