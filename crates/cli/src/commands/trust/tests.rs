//! Comparing and renaming; the files themselves are tested with the real command.

use proofmark_keys::{KeyFile, KeyRole, OsEntropy};
use proofmark_verify::{
    LogKind, LogRoot, OperatorRoot, WitnessGroup, WitnessMember, format_operator_key,
};

use super::*;

fn key(role: KeyRole, name: &str) -> KeyFile {
    KeyFile::generate(role, name, 0, &mut OsEntropy).unwrap()
}

fn offered(name: &str) -> Roots {
    let operator = key(KeyRole::Operator, name);
    let log = key(KeyRole::ReceiptsLog, &format!("{name}/receipts"));
    Roots {
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
    }
}

#[test]
fn fingerprints_have_a_form() {
    let print = "0123456789abcdef".repeat(4);
    assert_eq!(parse_fingerprint(&print).unwrap(), print);
    assert_eq!(
        parse_fingerprint(&roots::group(&print.to_uppercase())).unwrap(),
        print
    );
    assert_eq!(parse_fingerprint(&print[..32]).unwrap(), print[..32]);
    for bad in [
        &print[..31],
        "g".repeat(64).as_str(),
        "",
        &format!("{print}0"),
    ] {
        assert!(parse_fingerprint(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_offered_operator_needs_its_fingerprint() {
    let (one, two) = (offered("one"), offered("two"));
    let print = |roots: &Roots| operator_fingerprint(&roots.operators[0]).unwrap();
    assert!(check_fingerprints(&one, &[print(&one)]).is_ok());
    assert!(check_fingerprints(&one, &[print(&one)[..40].to_owned()]).is_ok());
    assert_eq!(
        check_fingerprints(&one, &[print(&two)])
            .unwrap_err()
            .exit_code(),
        ExitStatus(10)
    );
    let mut both = one.clone();
    both.merge(&two).unwrap();
    assert!(check_fingerprints(&both, &[print(&one)]).is_err());
    assert!(check_fingerprints(&both, &[print(&one), print(&two)]).is_ok());
    assert!(check_fingerprints(&one, &[print(&one), print(&two)]).is_err());
}

#[test]
fn a_renamed_operator_keeps_its_logs_and_its_own_witnesses() {
    let mut roots = offered("lab");
    let member = |operator: &str| WitnessMember {
        vkey: String::new(),
        operator: operator.into(),
    };
    roots.witness_groups.push(WitnessGroup {
        name: "w".into(),
        k: 1,
        tolerated_faulty: 0,
        members: vec![member("lab"), member("other")],
    });
    rename(&mut roots, "lab-2").unwrap();
    assert_eq!(
        (
            roots.operators[0].name.as_str(),
            roots.logs[0].operator.as_str()
        ),
        ("lab-2", "lab-2")
    );
    let operators: Vec<&str> = roots.witness_groups[0]
        .members
        .iter()
        .map(|member| member.operator.as_str())
        .collect();
    assert_eq!(operators, ["lab-2", "other"]);
    let mut two = offered("a");
    two.merge(&offered("b")).unwrap();
    assert!(rename(&mut two, "c").is_err());
}
