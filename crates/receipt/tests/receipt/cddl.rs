//! `specs/01-receipt.cddl` takes every vector that is accepted, and says no where the shape is wrong.
//!
//! The checker does not know tags. The one tag of the formats is taken out on both sides: `#6.18(x)` becomes `x` in the
//! grammar, and the tag's byte goes wherever an item or a byte string starts with it and is an array of four.

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;
use ciborium::Value;

use crate::case::{self, Case, Expected, Format};

fn grammar() -> BasicContext {
    let text = ["01-receipt.cddl", "06-confidence.cddl"]
        .map(|name| format!("{}/../../specs/{name}", env!("CARGO_MANIFEST_DIR")))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .concat();
    let untagged: String = text
        .lines()
        .map(|line| match line.split_once("#6.18(") {
            Some((head, tail)) => format!("{head}{}\n", tail.strip_suffix(')').unwrap()),
            None => format!("{line}\n"),
        })
        .collect();
    BasicContext::new(flatten_from_str(&untagged).unwrap())
}

fn parse(bytes: &[u8]) -> Value {
    ciborium::from_reader(bytes).unwrap()
}

fn is_sign1(bytes: &[u8]) -> bool {
    let parsed: Result<Value, _> = ciborium::from_reader(bytes);
    matches!(parsed, Ok(Value::Tag(18, inner)) if inner.as_array().is_some_and(|parts| parts.len() == 4))
}

fn without_tags(value: Value) -> Value {
    match value {
        Value::Tag(18, inner) => without_tags(*inner),
        Value::Bytes(bytes) if is_sign1(&bytes) => Value::Bytes(bytes[1..].to_vec()),
        // A registry leaf inside of a snapshot stays as it is: the grammar takes any bytes there.
        Value::Array(items) => Value::Array(items.into_iter().map(without_tags).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key, without_tags(value)))
                .collect(),
        ),
        other => other,
    }
}

fn rule_of(case: &Case) -> Option<&'static str> {
    match case.format {
        Format::Bundle if case.bytes.first() == Some(&0xd2) => Some("receipt"),
        Format::LogLeaf => None,
        format => Some(format.name()),
    }
}

fn check(grammar: &BasicContext, rule: &str, bytes: &[u8]) -> Result<(), String> {
    let rule = grammar.rules.get(rule).expect("a rule of the grammar");
    validate_cbor(rule, &without_tags(parse(bytes)), grammar).map_err(|error| error.to_string())
}

#[test]
fn the_grammar_takes_what_is_accepted() {
    let grammar = grammar();
    for case in case::all().unwrap() {
        let Some(rule) = rule_of(&case).filter(|_| case.expected == Expected::Accepted) else {
            continue;
        };
        let result = check(&grammar, rule, &case.bytes);
        assert!(result.is_ok(), "{}: {result:?}", case.name);
    }
}

/// Audit statements: the payload and the data of the evidence, and not with a rate above 1.
#[test]
fn the_grammar_takes_audit_statements() {
    let grammar = grammar();
    let signed = crate::audit::signed();
    let payload = crate::forge::Envelope::of(signed.as_bytes())
        .unwrap()
        .payload;
    let data = proofmark_receipt::AuditEvidence {
        signed,
        key_statement: b"a statement".to_vec(),
    };
    assert_eq!(check(&grammar, "audit-statement", &payload), Ok(()));
    assert_eq!(check(&grammar, "audit-data", &data.encode()), Ok(()));
    let members = crate::forge::Entries::of(&payload).unwrap();
    let above = members.clone().with(6, |e| {
        e.uint(1_000_000_000_001);
    });
    assert!(check(&grammar, "audit-statement", &above.encode()).is_err());
    assert!(check(&grammar, "audit-statement", &members.without(11).encode()).is_err());
}

/// Proof evidence and weights statements: data and payload, and not without a proof or a member.
#[test]
fn the_grammar_takes_proofs() {
    let grammar = grammar();
    let signed = crate::proof::signed_weights();
    let payload = crate::forge::Envelope::of(signed.as_bytes())
        .unwrap()
        .payload;
    assert_eq!(check(&grammar, "weights-statement", &payload), Ok(()));
    let members = crate::forge::Entries::of(&payload).unwrap();
    assert!(check(&grammar, "weights-statement", &members.without(3).encode()).is_err());
    let mut evidence = crate::proof::evidence(2);
    assert_eq!(check(&grammar, "proof-data", &evidence.encode()), Ok(()));
    evidence.proofs.clear();
    assert!(check(&grammar, "proof-data", &evidence.encode()).is_err());
    evidence.proofs.push(vec![1]);
    evidence.weights = proofmark_receipt::ProofWeights::Public;
    assert_eq!(check(&grammar, "proof-data", &evidence.encode()), Ok(()));
}

/// Vectors whose fault is one of shape, which the grammar has to see.
const OF_SHAPE: [&str; 33] = [
    "malformed-statement-as-receipt",
    "malformed-unprotected-header",
    "malformed-typ",
    "malformed-content-type",
    "malformed-header",
    "malformed-label",
    "malformed-label-registered",
    "malformed-nonce",
    "malformed-claim",
    "malformed-float",
    "malformed-bundle-part",
    "malformed-bundle-empty-part",
    "too-large-text",
    "claim-missing-output",
    "claim-missing-execution",
    "claim-missing-asked",
    "claim-missing-profile",
    "claim-provenance-asked",
    "claim-provenance-provider",
    "claim-provenance-audit",
    "claim-provenance-unknown",
    "version-unknown-profile",
    "version-unknown-bundle",
    "signature-short",
    "algorithm-unsupported",
    "countersignature-unknown-suite",
    "disclosure-malformed-scope",
    "statement-malformed-version",
    "statement-malformed-keys",
    "statement-malformed-key",
    "statement-malformed-member",
    "version-unknown-statement",
    "revocation-malformed-since",
];

#[test]
fn the_grammar_refuses_other_shapes() {
    let grammar = grammar();
    let cases = case::all().unwrap();
    for name in OF_SHAPE {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let rule = rule_of(case).unwrap();
        assert!(check(&grammar, rule, &case.bytes).is_err(), "{name}");
    }
}
