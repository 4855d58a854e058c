//! Believing somebody is explicit, and compares fingerprints.

use proofmark_keys::{KeyFile, KeyRole, OsEntropy};
use proofmark_tlog::CosignatureSigner;
use proofmark_verify::{
    LogKind, LogRoot, OperatorRoot, Roots, WitnessGroup, WitnessMember, format_operator_key,
};

use crate::support::Home;

fn roots(name: &str) -> (Roots, String) {
    let operator = KeyFile::generate(KeyRole::Operator, name, 0, &mut OsEntropy).unwrap();
    let log = KeyFile::generate(
        KeyRole::ReceiptsLog,
        &format!("{name}/receipts"),
        0,
        &mut OsEntropy,
    )
    .unwrap();
    let roots = Roots {
        operators: vec![OperatorRoot {
            name: name.into(),
            key: format_operator_key(operator.public()),
        }],
        logs: vec![LogRoot {
            vkey: log.note_signer().vkey().to_string(),
            operator: name.into(),
            kind: LogKind::Receipts,
            witnesses: None,
        }],
        replayers: Vec::new(),
        witness_groups: Vec::new(),
    };
    (roots, operator.kid().to_string())
}

fn stored(home: &Home) -> Roots {
    Roots::from_toml(&String::from_utf8(home.read(".config/proofmark/roots.toml")).unwrap())
        .unwrap()
}

#[test]
fn adding_needs_a_person_or_a_fingerprint() {
    let home = Home::new();
    let (lab, fingerprint) = roots("lab");
    home.write("lab.toml", lab.to_toml());
    let ended = home.expect(2, &["trust", "add", "lab.toml"]);
    assert!(
        ended.err.contains(&fingerprint[..8]) && ended.err.contains("--fingerprint"),
        "{}",
        ended.err
    );
    // Words on a pipe are nobody at a terminal.
    assert_eq!(
        home.run_with_input(&["trust", "add", "lab.toml"], b"yes\n")
            .code,
        2
    );
    assert!(!home.path(".config/proofmark/roots.toml").exists());

    let wrong = "0".repeat(64);
    let ended = home.expect(10, &["trust", "add", "lab.toml", "--fingerprint", &wrong]);
    assert!(ended.err.contains("another fingerprint"), "{}", ended.err);
    assert!(!home.path(".config/proofmark/roots.toml").exists());

    home.expect(
        0,
        &["trust", "add", "lab.toml", "--fingerprint", &fingerprint],
    );
    assert_eq!(stored(&home), lab);
    assert!(
        home.expect(0, &["trust", "add", "lab.toml", "--yes"])
            .out
            .contains("already")
    );
}

#[test]
fn list_show_remove() {
    let home = Home::new();
    assert!(home.expect(0, &["trust", "list"]).out.contains("nobody"));
    let ((lab, fingerprint), (other, _)) = (roots("lab"), roots("other"));
    home.write("lab.toml", lab.to_toml());
    home.write("other.toml", other.to_toml());
    home.expect(0, &["trust", "add", "lab.toml", "--yes"]);
    home.expect(0, &["trust", "add", "other.toml", "--yes"]);
    let json = home.expect(0, &["trust", "list", "--json"]).json();
    assert_eq!(json["operators"], serde_json::json!(["lab", "other"]));
    let json = home.expect(0, &["trust", "show", "lab", "--json"]).json();
    assert_eq!(json["operators"][0]["fingerprint"], fingerprint.as_str());
    assert_eq!(json["operators"].as_array().unwrap().len(), 1);
    home.expect(2, &["trust", "show", "nobody"]);
    home.expect(0, &["trust", "remove", "lab"]);
    assert_eq!(stored(&home), other);
    home.expect(2, &["trust", "remove", "lab"]);
}

#[test]
fn a_replayer_is_believed_for_replays_only() {
    let home = Home::new();
    let (auditor, fingerprint) = roots("audit-co");
    home.write("auditor.toml", auditor.to_toml());
    let ended = home.expect(
        0,
        &["trust", "add", "auditor.toml", "--yes", "--as-replayer"],
    );
    assert!(
        ended.out.contains("the replays of audit-co"),
        "{}",
        ended.out
    );
    let mine = stored(&home);
    assert_eq!(mine.replayers, auditor.operators);
    assert!(mine.operators.is_empty() && mine.logs.is_empty());
    let json = home
        .expect(0, &["trust", "show", "audit-co", "--json"])
        .json();
    assert_eq!(json["replayers"][0]["fingerprint"], fingerprint.as_str());
    assert!(home.expect(0, &["trust", "list"]).out.contains("replays"));
    home.expect(0, &["trust", "remove", "audit-co"]);
    assert!(stored(&home).is_empty());
}

#[test]
fn a_second_key_of_one_name_needs_another_name() {
    let home = Home::new();
    let ((lab, _), (impostor, _)) = (roots("lab"), roots("lab"));
    home.write("lab.toml", lab.to_toml());
    home.write("impostor.toml", impostor.to_toml());
    home.expect(0, &["trust", "add", "lab.toml", "--yes"]);
    let ended = home.expect(2, &["trust", "add", "impostor.toml", "--yes"]);
    assert!(ended.err.contains("--name"), "{}", ended.err);
    assert_eq!(stored(&home), lab, "nothing changed");
    home.expect(
        0,
        &["trust", "add", "impostor.toml", "--yes", "--name", "lab-2"],
    );
    let names: Vec<String> = stored(&home)
        .operators
        .into_iter()
        .map(|operator| operator.name)
        .collect();
    assert_eq!(names, ["lab", "lab-2"]);
}

#[test]
fn witnesses_can_be_added_later_and_are_never_exchanged() {
    let home = Home::new();
    let (lab, _) = roots("lab");
    let witness = KeyFile::generate(KeyRole::Witness, "w.example", 0, &mut OsEntropy).unwrap();
    let vkey = CosignatureSigner::from_seed(witness.name().clone(), witness.expose_seed())
        .vkey()
        .to_string();
    let watched = |group: &str| {
        let mut watched = lab.clone();
        watched.logs[0].witnesses = Some(group.into());
        let member = WitnessMember {
            vkey: vkey.clone(),
            operator: "w".into(),
        };
        watched.witness_groups = vec![WitnessGroup {
            name: group.into(),
            k: 1,
            tolerated_faulty: 0,
            members: vec![member],
        }];
        watched
    };
    home.write("lab.toml", lab.to_toml());
    home.write("watched.toml", watched("w").to_toml());
    home.write("other.toml", watched("other").to_toml());
    home.expect(
        0,
        &[
            "trust",
            "add",
            "watched.toml",
            "--yes",
            "--without-witnesses",
        ],
    );
    assert_eq!(stored(&home), lab);
    home.expect(0, &["trust", "add", "watched.toml", "--yes"]);
    assert_eq!(stored(&home), watched("w"));
    home.expect(2, &["trust", "add", "other.toml", "--yes"]);
    assert_eq!(stored(&home), watched("w"));
}

#[test]
fn sources_that_offer_no_roots_are_refused() {
    let home = Home::new();
    home.write("junk.toml", "x = 1");
    home.write("empty.toml", "");
    for source in ["junk.toml", "empty.toml", "missing.toml", "."] {
        let ended = home.run(&["trust", "add", source, "--yes"]);
        assert_eq!(ended.code, 2, "{source}: {}", ended.err);
    }
    // Nobody listens on port 1 of this machine.
    let ended = home.expect(12, &["trust", "add", "http://127.0.0.1:1", "--yes"]);
    assert!(ended.err.contains("did not answer"), "{}", ended.err);
}
