//! `vectors/receipt/` is what the generator writes, and every vector gets the verdict that it states.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proofmark_receipt::{Bundle, SignedReceipt};

use crate::case::{self, Case, Expected, Format};
use crate::fixture;
use crate::reader::{self, Keys};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/receipt")
}

/// Files of the cases that are committed, by path under `vectors/receipt`.
fn committed() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in std::fs::read_dir(root()).unwrap() {
        let folder = folder.unwrap();
        if !folder.file_type().unwrap().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let path = format!(
                "{}/{}",
                folder.file_name().to_str().unwrap(),
                file.file_name().to_str().unwrap()
            );
            files.insert(path, std::fs::read(file.path()).unwrap());
        }
    }
    files
}

fn keys() -> Keys {
    Keys {
        node: fixture::node_key().public(),
        operator: fixture::operator_key().public(),
    }
}

#[test]
fn committed_vectors_are_what_the_generator_writes() {
    let generated = case::files().unwrap();
    let committed = committed();
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&committed), names(&generated));
    for (path, bytes) in &generated {
        assert!(
            committed[path] == *bytes,
            "{path} is not what `cargo run -p proofmark-receipt --example vectors` writes"
        );
    }
}

#[test]
fn every_vector_gets_its_verdict() {
    for Case {
        name,
        format,
        bytes,
        expected,
        ..
    } in case::all().unwrap()
    {
        assert_eq!(reader::read(format, &bytes, &keys()), expected, "{name}");
    }
}

/// The codes of specs/01-receipt.md §12 that this crate gives or stands behind.
const CODES: [&str; 19] = [
    "receipt.malformed",
    "receipt.version-unknown",
    "receipt.too-large",
    "receipt.claim.missing",
    "receipt.claim.provenance",
    "receipt.claim.inconsistent",
    "receipt.claim.unknown-critical",
    "receipt.algorithm.unsupported",
    "receipt.signature.invalid",
    "receipt.signature.kid-mismatch",
    "receipt.statement.malformed",
    "receipt.statement.signature-invalid",
    "receipt.revocation.malformed",
    "receipt.disclosure.mismatch",
    "receipt.disclosure.malformed",
    "receipt.evidence.other-receipt",
    "receipt.evidence.digest-mismatch",
    "receipt.evidence.unknown-type",
    "receipt.countersignature.unsupported-suite",
];

#[test]
fn every_code_has_a_vector() {
    let covered: BTreeSet<&str> = case::all()
        .unwrap()
        .iter()
        .filter_map(|case| match case.expected {
            Expected::Accepted => None,
            Expected::Rejected(code) | Expected::CouldNotCheck(code) => Some(code),
        })
        .collect();
    assert_eq!(covered, CODES.into_iter().collect());
    let spec = std::fs::read_to_string(root().join("../../specs/01-receipt.md")).unwrap();
    for code in CODES {
        assert!(
            spec.contains(&format!("| `{code}` |")),
            "{code} is not in the specification"
        );
    }
}

#[test]
fn what_is_accepted_is_encoded_as_it_stands() {
    for case in case::all().unwrap() {
        if case.expected != Expected::Accepted || case.format != Format::Bundle {
            continue;
        }
        let bundle = Bundle::decode(&case.bytes).unwrap();
        if bundle.receipt != case.bytes {
            assert_eq!(bundle.encode(), case.bytes, "{}", case.name);
        }
        let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
        assert_eq!(receipt.as_bytes(), bundle.receipt, "{}", case.name);
    }
}
