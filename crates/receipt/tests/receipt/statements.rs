//! Statements by the operator key, registry leaves, evidence, bounds of a bundle.

use proofmark_receipt::{
    Bundle, Evidence, ReceiptError, RegistryKind, RegistryLeaf, SignedKeyStatement,
    SignedOperatorStatement,
};

use crate::accepted::pending;
use crate::fixture::{self, operator_key, stranger_key};
use crate::forge::{self, Entries, Envelope};

#[test]
fn an_operator_signs_its_own_statement() {
    let mut statement = fixture::signed_operator_statement()
        .unwrap()
        .unverified()
        .clone();
    statement.key = stranger_key().public();
    let error = SignedOperatorStatement::sign(statement.clone(), &operator_key()).unwrap_err();
    assert_eq!(error, ReceiptError::StatementSignatureInvalid);
    assert!(SignedOperatorStatement::sign(statement, &stranger_key()).is_ok());
}

#[test]
fn every_member_of_a_statement_counts() {
    let signed = fixture::signed_key_statement().unwrap();
    let members = Entries::of(&Envelope::of(signed.as_bytes()).unwrap().payload).unwrap();
    let optional = [3, 6];
    for (key, _) in members.0.clone() {
        let without = members.clone().without(key).encode();
        let decoded =
            SignedKeyStatement::decode(&forge::statement(forge::KEY_STATEMENT_TYP, &without));
        if optional.contains(&key) {
            assert!(decoded.is_ok(), "{key}");
        } else {
            assert_eq!(
                decoded.unwrap_err().code(),
                "receipt.statement.malformed",
                "{key}"
            );
        }
    }
    let more = members.with(13, |e| {
        e.uint(0);
    });
    let more = forge::statement(forge::KEY_STATEMENT_TYP, &more.encode());
    assert_eq!(
        SignedKeyStatement::decode(&more).unwrap_err().code(),
        "receipt.statement.malformed"
    );
}

#[test]
fn statements_that_would_not_decode_are_not_signed() {
    let statement = || fixture::key_statement().unwrap();
    let mut without_keys = statement();
    without_keys.keys.clear();
    let mut long_name = statement();
    long_name.node = "n".repeat(4_097);
    let mut long = statement();
    long.hpke_key = Some(vec![0; 16_384]);
    for (statement, code) in [
        (without_keys, "receipt.statement.malformed"),
        (long_name, "receipt.too-large"),
        (long, "receipt.too-large"),
    ] {
        let error = SignedKeyStatement::sign(statement, &operator_key()).unwrap_err();
        assert_eq!(error.code(), code);
    }
}

#[test]
fn the_digest_is_over_all_signed_bytes() {
    let signed = fixture::signed_key_statement().unwrap();
    let mut edited = signed.as_bytes().to_vec();
    *edited.last_mut().unwrap() ^= 1;
    let other = SignedKeyStatement::decode(&edited).unwrap();
    assert_eq!(other.unverified(), signed.unverified());
    assert_ne!(other.digest(), signed.digest());
}

#[test]
fn registry_leaves_of_later_kinds_are_kept() {
    let leaf = RegistryLeaf {
        kind: RegistryKind::Other("model".into()),
        statement: vec![1, 2],
    };
    assert_eq!(RegistryLeaf::decode(&leaf.encode()).unwrap(), leaf);
    let revocation = RegistryLeaf::revocation(&fixture::signed_revocation().unwrap());
    let decoded = RegistryLeaf::decode(&revocation.encode()).unwrap();
    assert_eq!(decoded.kind, RegistryKind::Revocation);
    let operator = RegistryLeaf::operator(&fixture::signed_operator_statement().unwrap());
    let decoded = RegistryLeaf::decode(&operator.encode()).unwrap();
    assert_eq!(decoded.kind, RegistryKind::Operator);
}

#[test]
fn evidence_is_bound_to_one_receipt() {
    let receipt = fixture::chat().issue().unwrap();
    let other = fixture::stream().issue().unwrap();
    let evidence = pending(&receipt);
    let (id, digest) = (receipt.claims().id, receipt.digest());
    assert_eq!(evidence.check(&id, &digest), Ok(()));
    assert_eq!(
        evidence.check(&other.claims().id, &digest),
        Err(ReceiptError::EvidenceOtherReceipt)
    );
    assert_eq!(
        evidence.check(&id, &other.digest()),
        Err(ReceiptError::EvidenceOtherReceipt)
    );
    let exchanged = Evidence {
        data: Some(b"another".to_vec()),
        ..evidence.clone()
    };
    assert_eq!(
        exchanged.check(&id, &digest).unwrap_err().code(),
        "receipt.evidence.digest-mismatch"
    );
    let elsewhere = Evidence {
        data: None,
        ..evidence
    };
    assert_eq!(elsewhere.check(&id, &digest), Ok(()));
}

#[test]
fn a_bundle_is_bounded() {
    let bundle = Bundle {
        promise: Some(vec![0; 32 * 1024 * 1024]),
        ..Bundle::of(vec![1])
    };
    let error = Bundle::decode(&bundle.encode()).unwrap_err();
    assert_eq!(error.code(), "receipt.too-large");
}

/// Three bytes make a named value of many: what a bundle may open in all is bounded, not only each array.
#[test]
fn many_small_values_are_bounded() {
    let field = [0x82, 0x60, 0x40];
    let disclosure = forge::item(|e| {
        e.array(4)
            .uint(0)
            .text("attachments")
            .bytes(&[0; 32])
            .array(60_000);
        (0..60_000).for_each(|_| {
            e.raw(&field);
        });
    });
    let with = |count: usize| {
        let bytes = forge::item(|e| {
            e.array(2).text("proofmark:bundle:draft-1").map(2);
            e.uint(0).bytes(&[]).uint(8).array(count);
            (0..count).for_each(|_| {
                e.raw(&disclosure);
            });
        });
        Bundle::decode(&bytes)
    };
    assert!(with(1).is_ok());
    assert_eq!(with(2).unwrap_err().code(), "receipt.too-large");
}
