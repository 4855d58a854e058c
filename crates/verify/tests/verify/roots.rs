//! Roots files: what is refused, and what merging and removing do.

use crate::world::World;
use proofmark_verify::{Requirement, Roots, RootsError};

#[test]
fn a_roots_file_reads_back_as_it_was_written() {
    let roots = World::new(1).roots();
    assert_eq!(Roots::from_toml(&roots.to_toml()).unwrap(), roots);
    assert_eq!(Roots::from_toml("").unwrap(), Roots::default());
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let broken = |change: &dyn Fn(&mut Roots)| {
        let mut roots = World::new(1).roots();
        change(&mut roots);
        Roots::from_toml(&roots.to_toml()).unwrap_err()
    };
    let error = broken(&|roots| roots.operators[0].key = "ed25519:AAAA".into());
    assert!(matches!(error, RootsError::OperatorKey { .. }), "{error}");
    let error = broken(&|roots| {
        roots.operators[0].key = roots.operators[0].key.replace("ed25519:", "rsa:");
    });
    assert!(matches!(error, RootsError::OperatorKey { .. }), "{error}");
    let error = broken(&|roots| roots.logs[0].vkey.push('x'));
    assert!(matches!(error, RootsError::Vkey { .. }), "{error}");
    let error =
        broken(&|roots| roots.logs[0].vkey = roots.witness_groups[0].members[0].vkey.clone());
    assert!(
        matches!(error, RootsError::Vkey { .. }),
        "a witness's key is no log's: {error}"
    );
    let error =
        broken(&|roots| roots.witness_groups[0].members[0].vkey = roots.logs[0].vkey.clone());
    assert!(
        matches!(error, RootsError::Vkey { .. }),
        "a log's key is no witness's: {error}"
    );
    // At the prompt where fingerprints are compared, a name must not be able to write over them.
    for name in [
        "",
        "lab\u{1b}[1A",
        "lab\nlab",
        "lab\u{202e}",
        &"x".repeat(257),
    ] {
        let rename = |roots: &mut Roots| {
            roots
                .logs
                .iter_mut()
                .for_each(|log| log.operator = name.into());
            roots.operators[0].name = name.into();
        };
        assert!(
            matches!(broken(&rename), RootsError::Name { .. }),
            "{name:?}"
        );
        let witness = |roots: &mut Roots| roots.witness_groups[0].members[0].operator = name.into();
        assert!(
            matches!(broken(&witness), RootsError::Name { .. }),
            "{name:?}"
        );
    }
    let error = broken(&|roots| roots.operators.push(roots.operators[0].clone()));
    assert!(
        matches!(
            error,
            RootsError::Duplicate {
                what: "operator",
                ..
            }
        ),
        "{error}"
    );
    let error = broken(&|roots| roots.logs.push(roots.logs[0].clone()));
    assert!(
        matches!(error, RootsError::Duplicate { what: "log", .. }),
        "{error}"
    );
    let error = broken(&|roots| roots.logs[0].operator = "nobody".into());
    assert!(
        matches!(
            error,
            RootsError::Missing {
                what: "operator",
                ..
            }
        ),
        "{error}"
    );
    let error = broken(&|roots| roots.witness_groups.clear());
    assert!(
        matches!(
            error,
            RootsError::Missing {
                what: "witness group",
                ..
            }
        ),
        "{error}"
    );
    for k in [0, 5] {
        let error = broken(&|roots| roots.witness_groups[0].k = k);
        assert!(matches!(error, RootsError::Quorum { .. }), "{error}");
    }
    for text in ["[[operator]]\nname = \"x\"", "surprise = 1", "not toml"] {
        assert!(
            matches!(Roots::from_toml(text), Err(RootsError::Toml(_))),
            "{text}"
        );
    }
}

#[test]
fn merging_adds_what_is_new_and_refuses_what_contradicts() {
    let (first, second) = (World::new(1).roots(), World::new(50).roots());
    let mut roots = first.clone();
    roots.merge(&first).unwrap();
    assert_eq!(roots, first, "the same again adds nothing");

    let error = roots.merge(&second).unwrap_err();
    assert!(
        matches!(
            error,
            RootsError::Duplicate {
                what: "operator",
                ..
            }
        ),
        "another key under a known name: {error}"
    );
    assert_eq!(roots, first, "a refused merge changes nothing");

    let mut renamed = second;
    renamed.operators[0].name = "other".into();
    for log in &mut renamed.logs {
        log.operator = "other".into();
        log.witnesses = None;
    }
    renamed.witness_groups.clear();
    roots.merge(&renamed).unwrap();
    assert_eq!((roots.operators.len(), roots.logs.len()), (2, 4));

    assert!(roots.remove_operator("other"));
    assert!(!roots.remove_operator("other"));
    assert_eq!(roots, first);
}

#[test]
fn requirements_are_sets_of_known_names() {
    let requirement: Requirement = " logged, signed,logged,".parse().unwrap();
    assert_eq!(requirement.to_string(), "signed,logged");
    assert!("".parse::<Requirement>().unwrap().is_empty());
    let error = "logged,perfect".parse::<Requirement>().unwrap_err();
    assert_eq!(error.name, "perfect");
}
