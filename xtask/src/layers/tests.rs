use super::purity::{effects, impure_packages};
use super::*;

const TABLE: &str = "\
# Architecture

| word | meaning |
|---|---|
| x | y |

| crate | layer | depends on | job |
|---|---|---|---|
| `receipt` | L0 | – | claims |
| `tlog` | L0 | `receipt` | trees |
| `verify` | L1 | `receipt`, `tlog` | report |
| `log` | L3 | `tlog` | sequencer |
| `testkit` | tooling | `log` | mock |
| `cli` | L4 | `log`, `testkit`, `verify` | edge |

| not | the | crate | table |
";

/// Metadata as cargo prints it, reduced to what is read: name -> (dependencies, development ones).
fn metadata(packages: &[(&str, &[&str], &[&str])]) -> String {
    let packages: Vec<serde_json::Value> = packages
        .iter()
        .map(|(name, normal, dev)| {
            let normal = normal
                .iter()
                .map(|to| serde_json::json!({"name": format!("proofmark-{to}"), "kind": null}));
            let dev = dev
                .iter()
                .map(|to| serde_json::json!({"name": format!("proofmark-{to}"), "kind": "dev"}));
            let foreign = serde_json::json!({"name": "thiserror", "kind": null});
            let dependencies: Vec<_> = normal.chain(dev).chain([foreign]).collect();
            serde_json::json!({
                "name": format!("proofmark-{name}"),
                "manifest_path": format!("/r/crates/{name}/Cargo.toml"),
                "dependencies": dependencies,
            })
        })
        .collect();
    serde_json::json!({"workspace_root": "/r", "packages": packages}).to_string()
}

const AS_IN_TABLE: [(&str, &[&str], &[&str]); 6] = [
    ("receipt", &[], &[]),
    ("tlog", &["receipt"], &["testkit"]),
    ("verify", &["receipt", "tlog"], &[]),
    ("log", &["tlog"], &["testkit", "verify"]),
    ("testkit", &["log"], &[]),
    ("cli", &["log", "testkit", "verify"], &[]),
];

fn problems_of(packages: &[(&str, &[&str], &[&str])]) -> Vec<String> {
    let rows = table::parse(TABLE).unwrap();
    compare(&rows, &members(&metadata(packages)).unwrap())
}

#[test]
fn a_workspace_that_agrees_with_the_table_has_no_problem() {
    assert_eq!(problems_of(&AS_IN_TABLE), Vec::<String>::new());
    let members = members(&metadata(&AS_IN_TABLE)).unwrap();
    assert_eq!(members[3].folder, "crates/log");
    assert_eq!(members[3].package, "proofmark-log");
}

#[test]
fn an_upward_arrow_is_found_even_when_the_table_says_it() {
    let table = TABLE.replace(
        "| `tlog` | L0 | `receipt` |",
        "| `tlog` | L0 | `receipt`, `log` |",
    );
    let mut packages = AS_IN_TABLE;
    packages[1] = ("tlog", &["receipt", "log"], &[]);
    let rows = table::parse(&table).unwrap();
    let problems = compare(&rows, &members(&metadata(&packages)).unwrap());
    assert_eq!(problems, ["tlog (L0) -> log (L3): an arrow that points up"]);
}

#[test]
fn an_arrow_to_a_later_line_of_the_same_layer_is_found() {
    let table = TABLE
        .replace("| `receipt` | L0 | – |", "| `receipt` | L0 | `tlog` |")
        .replace("| `tlog` | L0 | `receipt` |", "| `tlog` | L0 | – |");
    let mut packages = AS_IN_TABLE;
    packages[0] = ("receipt", &["tlog"], &[]);
    packages[1] = ("tlog", &[], &[]);
    let rows = table::parse(&table).unwrap();
    let problems = compare(&rows, &members(&metadata(&packages)).unwrap());
    assert_eq!(
        problems,
        ["receipt (L0) -> tlog (L0): an arrow to a later line of its own layer"]
    );
}

#[test]
fn an_arrow_that_the_table_lacks_and_one_that_it_invents_are_found() {
    let mut packages = AS_IN_TABLE;
    packages[3] = ("log", &["receipt"], &[]);
    assert_eq!(
        problems_of(&packages),
        [
            "the table says that log depends on tlog: it does not",
            "log depends on receipt: the table does not say so",
        ]
    );
}

#[test]
fn a_crate_that_the_table_lacks_and_one_that_it_invents_are_found() {
    let mut packages = AS_IN_TABLE.to_vec();
    packages.remove(5);
    packages.push(("gateway", &[], &[]));
    assert_eq!(
        problems_of(&packages),
        [
            "the table names cli, which is no workspace member",
            "gateway is missing in the table of docs/architecture.md",
        ]
    );
}

#[test]
fn tests_may_use_tooling_and_nothing_else_above_them() {
    let mut packages = AS_IN_TABLE;
    packages[0] = ("receipt", &[], &["testkit", "verify"]);
    assert_eq!(
        problems_of(&packages),
        ["receipt (L0) -> verify (L1) (in its tests): an arrow that points up"]
    );
}

#[test]
fn shipped_code_below_tooling_may_not_use_it() {
    let table = TABLE.replace(
        "| `log` | L3 | `tlog` |",
        "| `log` | L3 | `tlog`, `testkit` |",
    );
    let mut packages = AS_IN_TABLE;
    packages[3] = ("log", &["tlog", "testkit"], &[]);
    packages[4] = ("testkit", &[], &[]);
    let table = table.replace("| tooling | `log` |", "| tooling | – |");
    let rows = table::parse(&table).unwrap();
    let problems = compare(&rows, &members(&metadata(&packages)).unwrap());
    assert_eq!(
        problems,
        ["log (L3) -> testkit (tooling): an arrow that points up"]
    );
}

#[test]
fn a_table_out_of_order_or_with_two_lines_for_a_crate_is_found() {
    let table = TABLE.replace("| `cli` |", "| `log` | L3 | `tlog` | again |\n| `cli` |");
    let rows = table::parse(&table).unwrap();
    let problems = compare(&rows, &members(&metadata(&AS_IN_TABLE)).unwrap());
    assert!(problems.contains(&"log has two lines in the table".to_owned()));
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("log (L3) stands below testkit (tooling)"))
    );
}

#[test]
fn a_broken_table_is_an_error_and_not_an_empty_one() {
    for (from, to) in [
        ("| crate | layer |", "| krate | layer |"),
        ("| L1 |", "| L9 |"),
        ("| `verify` | L1 |", "| `verify` |"),
        ("| report |", "| |"),
    ] {
        assert!(table::parse(&TABLE.replace(from, to)).is_err(), "{to}");
    }
    assert!(table::parse("| crate | layer | depends on | job |\n|---|---|---|---|\n").is_err());
}

#[test]
fn impure_packages_are_found_however_deep() {
    let tree = "proofmark-receipt v0.1.0 (/r/crates/receipt)\nsha2 v0.11.0\ngetrandom v0.4.1\nrand v0.9.0\nrand v0.9.0 (*)\n";
    assert_eq!(
        impure_packages("receipt", tree),
        [
            "receipt has to stay pure, and depends on getrandom",
            "receipt has to stay pure, and depends on rand",
        ]
    );
    assert!(impure_packages("receipt", "sha2 v0.11.0\nrand_core v0.10.0\n").is_empty());
}

#[test]
fn effects_in_shipped_lines_are_found_and_those_of_tests_are_not() {
    let text = "// std::fs in a comment\nuse std::time::SystemTime;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    assert_eq!(
        effects("crates/receipt/src/lib.rs", text),
        ["crates/receipt/src/lib.rs:2: std::time in a pure crate"]
    );
}
