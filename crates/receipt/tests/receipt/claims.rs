//! The rules of §4.2 and §4.3, claim by claim.

use proofmark_receipt::{
    Audit, Claims, ErrorKind, PROFILE, Provenance, ReceiptError, SignedReceipt,
};

use crate::fixture::{self, node_key, stranger_key};
use crate::forge::{Entries, label};

fn chat() -> Claims {
    fixture::chat().claims().unwrap()
}

fn executed() -> Claims {
    fixture::executed().unwrap().1
}

/// Label of any position.
fn label_of(position: u8) -> i64 {
    match position {
        0 => 265,
        1 => 7,
        2 => 6,
        3 => 10,
        _ => label(position),
    }
}

#[test]
fn mandatory_claims_are_mandatory() {
    for (claims, mandatory) in [
        (chat(), &[0, 1, 2, 4, 6, 8, 10, 11, 12, 14, 16, 19, 22][..]),
        (executed(), &[0, 1, 2, 4, 6, 8, 13, 14, 16, 19, 22]),
    ] {
        let entries = Entries::of(&claims.encode()).unwrap();
        for position in 0..26 {
            if entries.value(label_of(position)).is_empty() {
                continue;
            }
            let without = entries.clone().without(label_of(position)).encode();
            let decoded = Claims::decode(&without);
            if mandatory.contains(&position) {
                // Without 10 the claims are neither relayed nor executed, and so without 13.
                let missing = if position == 13 { 10 } else { position };
                assert_eq!(
                    decoded,
                    Err(ReceiptError::ClaimMissing { position: missing })
                );
            } else {
                assert!(decoded.is_ok(), "{position}: {decoded:?}");
            }
        }
    }
}

#[test]
fn provenance_is_that_of_the_table() {
    for (claims, speaker) in [(chat(), 2), (executed(), 0)] {
        let entries = Entries::of(&claims.encode()).unwrap();
        for position in 4..26 {
            let value = entries.value(label(position));
            if value.is_empty() {
                continue;
            }
            let allowed: &[u8] = match position {
                11 => &[1],
                12 => &[2],
                15 | 17 => &[0, 2],
                18 | 21 | 25 => &[3],
                23 => &[1, 3],
                _ => &[0],
            };
            for by in 0..5_u8 {
                let edited = entries.clone().with(label(position), |e| {
                    e.array(2).uint(by.into()).raw(&value[2..]);
                });
                let decoded = Claims::decode(&edited.encode());
                if matches!(position, 15 | 17) && allowed.contains(&by) && by != speaker {
                    assert!(matches!(decoded, Err(ReceiptError::Inconsistent { .. })));
                } else if allowed.contains(&by) {
                    assert!(decoded.is_ok(), "{position} by {by}: {decoded:?}");
                } else {
                    let got = by.into();
                    assert_eq!(decoded, Err(ReceiptError::Provenance { position, got }));
                }
            }
        }
    }
}

#[test]
fn unknown_claims_are_kept_and_counted() {
    let base = Entries::of(&chat().encode()).unwrap();
    for position in 26..64 {
        let payload = base
            .clone()
            .with(label(position), |e| {
                e.array(2).uint(1).map(0);
            })
            .encode();
        let claims = Claims::decode(&payload).unwrap();
        assert_eq!(claims.unknown, [(position, vec![0x82, 0x01, 0xa0])]);
        assert_eq!(
            claims.unknown_critical(),
            (position < 48).then_some(position)
        );
        assert_ne!(claims.digest(), chat().digest());
        assert_eq!(claims.encode(), payload);
    }
    for other in [
        0,
        1,
        5,
        11,
        264,
        266,
        -1,
        -69_999,
        -70_000,
        -70_003,
        -70_064,
        i64::MIN,
    ] {
        let payload = base
            .clone()
            .with(other, |e| {
                e.array(2).uint(1).map(0);
            })
            .encode();
        assert_eq!(
            Claims::decode(&payload).unwrap_err().code(),
            "receipt.malformed",
            "{other}"
        );
    }
    for value in [
        &[0x00][..],
        &[0x81, 0x00],
        &[0x83, 0, 0, 0],
        &[0x82, 0x20, 0x00],
    ] {
        let payload = base
            .clone()
            .with(label(60), |e| {
                e.raw(value);
            })
            .encode();
        assert_eq!(
            Claims::decode(&payload).unwrap_err().code(),
            "receipt.malformed"
        );
    }
}

#[test]
fn another_profile_is_not_judged() {
    let entries = Entries::of(&chat().encode()).unwrap();
    for other in ["", "proofmark:receipt:draft-2", "proofmark:receipt:1"] {
        let payload = entries.clone().with(265, |e| {
            e.text(other);
        });
        let error = Claims::decode(&payload.encode()).unwrap_err();
        assert_eq!(error, ReceiptError::VersionUnknown { got: other.into() });
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(PROFILE, "proofmark:receipt:draft-1");
}

#[test]
fn values_are_those_of_the_table() {
    let entries = Entries::of(&chat().encode()).unwrap();
    let claim = |position: u8, by: u64, value: &[u8]| {
        let payload = entries.clone().with(label(position), |e| {
            e.array(2).uint(by).raw(value);
        });
        Claims::decode(&payload.encode())
    };
    // Outcome: status 8; HTTP status 1,000; without HTTP status; a member too many.
    for outcome in [
        &[0xa2, 0, 8, 1, 0x18, 200][..],
        &[0xa2, 0, 0, 1, 0x19, 0x03, 0xe8],
        &[0xa1, 0, 0],
        &[0xa3, 0, 0, 1, 0x18, 200, 3, 0],
    ] {
        assert_eq!(
            claim(16, 0, outcome).unwrap_err().code(),
            "receipt.malformed"
        );
    }
    assert!(claim(16, 0, &[0xa2, 0, 7, 1, 0x19, 0x03, 0xe7]).is_ok());
    // Audit 0 and 3; log value class 256; store 2; an empty list of attachments; a finish index of 33 bits.
    for (position, by, value) in [
        (23, 1, &[0x00][..]),
        (23, 1, &[0x03]),
        (22, 0, &[0x83, 0x60, 0x01, 0x19, 0x01, 0x00]),
        (25, 3, &[0xa2, 0, 2, 1, 0]),
        (9, 0, &[0x80]),
        (15, 2, &[0x81, 0x82, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 0xf6]),
        (19, 0, &[0xa2, 0, 0, 1, 0]),
        (17, 2, &[0xa1, 0, 0]),
        (21, 3, &[0x41, 0]),
    ] {
        assert_eq!(
            claim(position, by, value).unwrap_err().code(),
            "receipt.malformed",
            "{position}"
        );
    }
}

#[test]
fn a_nonce_has_8_to_64_bytes() {
    for len in [0, 7, 8, 64, 65] {
        let mut claims = chat();
        claims.nonce = Some(vec![1; len]);
        assert_eq!(
            Claims::decode(&claims.encode()).is_ok(),
            (8..=64).contains(&len),
            "{len}"
        );
    }
}

#[test]
fn nothing_is_signed_that_does_not_decode() {
    type Edit = fn(&mut Claims);
    let edits: [(&str, Edit); 9] = [
        ("receipt.signature.kid-mismatch", |c| {
            c.issuer.kid = stranger_key().kid();
        }),
        ("receipt.too-large", |c| {
            c.operation.name = "o".repeat(4_097);
        }),
        ("receipt.too-large", |c| {
            c.unknown = vec![(60, filler(66_000))];
        }),
        ("receipt.claim.inconsistent", |c| c.log.kind = 2),
        ("receipt.claim.provenance", |c| {
            c.audit = Some((Provenance::Observed, Audit::Given));
        }),
        ("receipt.malformed", |c| c.outcome.http_status = 1_000),
        ("receipt.malformed", |c| c.unknown = vec![(60, vec![0xff])]),
        ("receipt.malformed", |c| {
            c.unknown = vec![(64, vec![0x82, 0, 0])];
        }),
        ("receipt.malformed", |c| {
            c.unknown = vec![(61, vec![0x82, 0, 0]), (60, vec![0x82, 0, 0])];
        }),
    ];
    for (code, edit) in edits {
        let mut claims = chat();
        edit(&mut claims);
        let error = SignedReceipt::sign(claims, &node_key()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    // A claim that is known, handed in as one that is not.
    let mut claims = chat();
    claims.policy = None;
    claims.retention = None;
    claims.unknown = vec![(25, vec![0x82, 3, 0xa2, 0, 1, 1, 0])];
    let error = SignedReceipt::sign(claims, &node_key()).unwrap_err();
    assert_eq!(error.code(), "receipt.claim.inconsistent");
}

/// A claim of `len` bytes, `[0, bstr]`.
fn filler(len: usize) -> Vec<u8> {
    crate::forge::item(|e| {
        e.array(2).uint(0).bytes(&vec![0; len]);
    })
}

#[test]
fn a_receipt_has_at_most_64_kib() {
    let mut claims = chat();
    let mut with = |len| {
        claims.unknown = vec![(60, filler(len))];
        SignedReceipt::sign(claims.clone(), &node_key())
    };
    let overhead = with(60_000).unwrap().as_bytes().len() - 60_000;
    let largest = with(65_536 - overhead).unwrap();
    assert_eq!(largest.as_bytes().len(), 65_536);
    assert!(SignedReceipt::decode(largest.as_bytes()).is_ok());
    let error = with(65_537 - overhead).unwrap_err();
    assert!(matches!(
        error,
        ReceiptError::TooLarge {
            limit: 65_536,
            got: 65_537,
            ..
        }
    ));
}

/// A typical receipt stays small: the bundle's 16 KiB have to hold it with statement, proofs and cosignatures.
#[test]
fn a_receipt_is_small() {
    for exchange in [fixture::chat(), fixture::tools(), fixture::attachments()] {
        assert!(exchange.issue().unwrap().as_bytes().len() < 2_048);
    }
}
