//! `verify` on files: exit codes and words.

use std::path::{Path, PathBuf};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use crate::support::Home;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/verify")
}

/// The command line that a case of the vectors is.
fn arguments_of(dir: &Path, case: &Value) -> Vec<String> {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let mut arguments = vec![
        "verify".into(),
        path("bundle.receipt"),
        "--roots".into(),
        path("roots.toml"),
    ];
    arguments.extend(["--at".into(), case["now"].to_string()]);
    arguments.extend(["--require".into(), case["require"].as_str().unwrap().into()]);
    for given in case["given"]
        .as_array()
        .unwrap()
        .iter()
        .map(|given| given.as_str().unwrap())
    {
        let (flag, value) = match given {
            "answer.json" => ("--answer", path(given)),
            "request.json" => ("--request", path(given)),
            "secret.bin" => ("--secret-file", path(given)),
            "registry-snapshot.cbor" => ("--snapshot", path(given)),
            "nonce.bin" => (
                "--nonce",
                Base64UrlUnpadded::encode_string(&std::fs::read(path(given)).unwrap()),
            ),
            other => panic!("{other} is not known to this test"),
        };
        arguments.extend([flag.to_owned(), value]);
    }
    arguments
}

/// The command decides as the verifier does, with files in place of values.
#[test]
fn every_vector_ends_as_it_must() {
    let home = Home::new();
    let mut cases = 0;
    for entry in std::fs::read_dir(vectors()).unwrap() {
        let dir = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(dir.join("case.json")) else {
            continue;
        };
        let case: Value = serde_json::from_str(&text).unwrap();
        let mut arguments = arguments_of(&dir, &case);
        arguments.push("--json".into());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = home.run(&arguments);
        let shown = ended.json();
        let name = dir.display();
        assert_eq!(
            i64::from(ended.code),
            case["exit_code"].as_i64().unwrap(),
            "{name}: {shown}"
        );
        assert_eq!(
            (&shown["code"], &shown["verdict"]),
            (&case["code"], &case["expect"]),
            "{name}"
        );
        assert_eq!(shown["grades"], case["grades"], "{name}");
        cases += 1;
    }
    assert!(cases >= 40, "{cases}");
}

fn shown(name: &str, more: &[&str]) -> String {
    let dir = vectors().join(name);
    let case: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("case.json")).unwrap()).unwrap();
    let mut arguments = arguments_of(&dir, &case);
    arguments.extend(more.iter().map(|flag| (*flag).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Home::new().run(&arguments).out
}

#[test]
fn reports_read_as_they_should() {
    for name in [
        "accepted-disclosed",
        "answer-mismatch",
        "stranger",
        "below-requirement",
        "log-unwitnessed",
    ] {
        insta::assert_snapshot!(format!("report-{name}"), shown(name, &[]));
    }
    insta::assert_snapshot!(
        "report-explained",
        shown("revocation-unknown", &["--explain"])
    );
}

#[test]
fn a_rejection_says_one_cause_first() {
    let home = Home::new();
    home.write("junk.receipt", "junk");
    insta::assert_snapshot!(home.expect(10, &["verify", "junk.receipt"]).out);
    let json = home
        .expect(10, &["verify", "junk.receipt", "--json"])
        .json();
    assert_eq!(
        (json["verdict"].as_str(), json["code"].as_str()),
        (Some("rejected"), Some("receipt.malformed"))
    );
    assert_eq!(json["exit_code"], 10);
    assert!(json["what_to_do"].is_string());
}

#[test]
fn without_roots_nobody_is_believed() {
    let home = Home::new();
    let bundle = vectors().join("accepted/bundle.receipt");
    let ended = home.expect(12, &["verify", bundle.to_str().unwrap()]);
    assert!(
        ended.out.contains("COULD NOT CHECK") && ended.out.contains("trust add"),
        "{}",
        ended.out
    );
}

#[test]
fn the_bundle_may_come_on_the_standard_input() {
    assert_eq!(
        Home::new().run_with_input(&["verify", "-"], b"junk").code,
        10
    );
}

#[test]
fn files_that_are_not_there_are_usage_errors() {
    let home = Home::new();
    home.write("junk.receipt", "junk");
    for arguments in [
        &["verify", "missing.receipt"][..],
        &["verify", "junk.receipt", "--roots", "missing.toml"],
        &["verify", "junk.receipt", "--data", "missing"],
        &["verify", "junk.receipt", "--answer", "missing"],
        &["verify", "junk.receipt", "--secret-file", "junk.receipt"],
        &["verify", "junk.receipt", "--snapshot", "junk.receipt"],
    ] {
        let ended = home.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
        assert!(ended.err.starts_with("error: "), "{}", ended.err);
    }
    let json = home
        .expect(2, &["verify", "missing.receipt", "--json"])
        .json();
    assert_eq!(json["exit_code"], 2);
    assert!(
        json["error"]["what"]
            .as_str()
            .unwrap()
            .contains("missing.receipt")
    );
}
