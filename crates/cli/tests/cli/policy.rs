//! `policy` and `verify --policy` on the documentation's examples and on receipts of the vectors.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Ended, Home};

fn repository(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    path.to_str().unwrap().to_owned()
}

/// A case of the vectors with its roots and time.
fn case(command: &[&str], name: &str, more: &[&str]) -> Ended {
    let home = Home::new();
    let dir = repository(&format!("vectors/verify/{name}"));
    let text = std::fs::read_to_string(format!("{dir}/case.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    let (bundle, roots, now) = (
        format!("{dir}/bundle.receipt"),
        format!("{dir}/roots.toml"),
        case["now"].to_string(),
    );
    let mut arguments = command.to_vec();
    arguments.extend([bundle.as_str(), "--roots", &roots, "--at", &now]);
    arguments.extend(more);
    home.run(&arguments)
}

#[test]
fn examples_are_checked_in_every_form() {
    let home = Home::new();
    for name in ["bank", "market", "agent"] {
        let file = repository(&format!("docs/policies/{name}.policy"));
        let text = home.expect(0, &["policy", "check", &file]).out;
        let digest = home.expect(0, &["policy", "check", &file, "--json"]).json()["digest"].clone();
        for form in ["json", "toml"] {
            let written = home
                .expect(0, &["policy", "check", &file, "--form", form])
                .out;
            let again = format!("again.{form}");
            home.write(&again, written);
            assert_eq!(home.expect(0, &["policy", "check", &again]).out, text);
            assert_eq!(
                home.expect(0, &["policy", "check", &again, "--json"])
                    .json()["digest"],
                digest
            );
        }
    }
}

#[test]
fn a_mistake_is_shown_where_it_stands() {
    let home = Home::new();
    home.write(
        "p.policy",
        "policy \"a\" version 1 {\n  for model * { require loged }\n}\n",
    );
    let ended = home.expect(2, &["policy", "check", "p.policy"]);
    assert!(ended.err.contains("line 2, column 25"), "{}", ended.err);
    assert!(
        ended.err.contains("for model * { require loged }") && ended.err.contains("^ here"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("policy.malformed"), "{}", ended.err);
}

#[test]
fn verify_decides_by_a_policy_as_well() {
    let home = Home::new();
    let logged = home.write(
        "logged.policy",
        "policy \"a\" version 1 { for model * { require logged } }",
    );
    let witnessed = home.write(
        "w.policy",
        "policy \"a\" version 1 { for model * { require witnessed and replayed } }",
    );
    let (logged, witnessed) = (logged.to_str().unwrap(), witnessed.to_str().unwrap());
    assert_eq!(case(&["verify"], "accepted", &["--policy", logged]).code, 0);
    let ended = case(&["verify"], "accepted", &["--policy", witnessed]);
    assert_eq!(ended.code, 11, "{}", ended.out);
    assert!(
        ended.out.contains("DENIED") && ended.out.contains("does not reach replayed"),
        "{}",
        ended.out
    );
    // A rejection stays one, whatever the policy asks for, and vetoes it.
    let ended = case(
        &["verify"],
        "signature-invalid",
        &["--policy", logged, "--json"],
    );
    assert_eq!(ended.code, 10, "{}", ended.out);
    assert_eq!(ended.json()["policy"]["decision"]["outcome"], "vetoed");
    // A policy does not make up for what is required, nor the other way round.
    assert_eq!(
        case(
            &["verify"],
            "accepted",
            &["--policy", logged, "--require", "replayed"]
        )
        .code,
        11
    );
}

/// Nobody who is rooted stands behind it: nothing of the receipt counts.
#[test]
fn what_could_not_be_checked_satisfies_nothing() {
    let home = Home::new();
    let policy = home.write(
        "p.policy",
        "policy \"a\" version 1 { for model * { require relayed } }",
    );
    let policy = policy.to_str().unwrap();
    for name in ["stranger", "no-statement"] {
        let ended = case(&["policy", "explain", policy], name, &["--json"]);
        assert_eq!(
            (ended.code, &ended.json()["decision"]["outcome"]),
            (12, &"undecided".into()),
            "{name}"
        );
    }
    assert_eq!(
        case(&["policy", "explain", policy], "accepted", &[]).code,
        0
    );
}

#[test]
fn explanations_say_what_would_satisfy() {
    let home = Home::new();
    let policy = home.write("p.policy", "policy \"a\" version 1 {\n  accept { table }\n  threats T11 require covered\n  for model * { require logged when value >= $5 { require proven or replayed } }\n}");
    let policy = policy.to_str().unwrap();
    let ended = case(
        &["policy", "explain", policy],
        "accepted",
        &["--threats", "--value", "$4"],
    );
    assert!(
        ended.out.contains("T01 model-swap") && ended.out.contains("that the answer is true"),
        "{}",
        ended.out
    );
    let ended = case(&["policy", "explain", policy], "accepted", &[]);
    assert_eq!(ended.code, 11, "{}", ended.out);
    let nothing = home.expect(11, &["policy", "explain", policy, "--json"]);
    assert_eq!(nothing.json()["decision"]["outcome"], "denied");
}

#[test]
fn the_shipped_table_can_be_made_ones_own() {
    let home = Home::new();
    let table = home.expect(0, &["policy", "assumptions"]).out;
    home.write("mine.toml", &table);
    let policy = home.write(
        "p.policy",
        "policy \"a\" version 1 { for model * { require logged } }",
    );
    let policy = policy.to_str().unwrap();
    home.expect(
        11,
        &["policy", "explain", policy, "--assumptions", "mine.toml"],
    );
    home.write(
        "bad.toml",
        table.replace("source = \"advisory\"", "source = \"\""),
    );
    let ended = home.expect(
        2,
        &["policy", "explain", policy, "--assumptions", "bad.toml"],
    );
    assert!(
        ended.err.contains("confidence.table.malformed"),
        "{}",
        ended.err
    );
}

/// The numbers that everybody can check with a table of logarithms.
#[test]
fn audits_are_planned() {
    let home = Home::new();
    let ended = home.expect(0, &["audit", "plan", "--rate", "1%", "--confidence", "99%"]);
    let first = |text: &str| {
        ended
            .out
            .lines()
            .find(|line| line.contains(text))
            .unwrap()
            .to_owned()
    };
    assert!(
        first("ends at its first finding")
            .trim()
            .starts_with("459 "),
        "{}",
        ended.out
    );
    assert!(
        first("goes on after findings").trim().starts_with("498 "),
        "{}",
        ended.out
    );
    let plan = home.expect(
        0,
        &[
            "audit",
            "plan",
            "--rate",
            "0.1%",
            "--confidence",
            "95%",
            "--population",
            "1000",
            "--cost",
            "$0.02",
            "--value-cap",
            "$2_000",
            "--json",
        ],
    );
    let plan = plan.json();
    assert_eq!(plan["ends_at_first_finding"]["audits"], 2_995);
    assert_eq!(plan["ends_at_first_finding"]["cost"], "$59.9");
    assert_eq!(
        plan["drawn_at_once"], 950,
        "to find one bad receipt among 1,000"
    );
    assert!(
        plan["value_at_most"]
            .as_str()
            .unwrap()
            .starts_with("$5991.")
    );
    let weak = home.expect(
        0,
        &[
            "audit",
            "plan",
            "--rate",
            "1%",
            "--detector-power",
            "0.95",
            "--json",
        ],
    );
    assert_eq!(weak.json()["ends_at_first_finding"]["audits"], 483);
    for arguments in [["--rate", "0%"], ["--rate", "200%"]] {
        home.expect(2, &[&["audit", "plan"][..], &arguments].concat());
    }
    home.expect(
        2,
        &["audit", "plan", "--rate", "1%", "--confidence", "100%"],
    );
}
