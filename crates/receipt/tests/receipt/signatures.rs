//! Nothing that was changed after it was signed is accepted, and nothing is accepted for what it was not signed as.

use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use ed25519_dalek::{Signer as _, Verifier as _};
use proofmark_receipt::{
    PublicKey, ReceiptError, SignedAudit, SignedKeyStatement, SignedObject,
    SignedOperatorStatement, SignedReceipt, SignedReplay, SignedRevocation, SignedWeights,
    SigningKey, Suite, Typ,
};

use crate::fixture::{self, NODE_SEED, OPERATOR_SEED, node_key, operator_key, stranger_key};
use crate::forge;

fn opens_receipt(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    SignedReceipt::decode(bytes)?
        .verify_signature(&key.public())
        .map(|_| ())
}

fn opens_key_statement(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    SignedKeyStatement::decode(bytes)?
        .verify(&key.public())
        .map(|_| ())
}

fn opens_revocation(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    SignedRevocation::decode(bytes)?
        .verify(&key.public())
        .map(|_| ())
}

fn opens_operator_statement(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    SignedOperatorStatement::decode(bytes)?
        .verify(&key.public())
        .map(|_| ())
}

fn opens_replay(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    SignedReplay::decode(bytes)?
        .verify(&key.public())
        .map(|_| ())
}

fn opens_trace(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    let object = SignedObject::decode(Typ::Trace, bytes, 1024)?;
    object.verify(&key.public()).map(|_| ())
}

fn opens_move(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    let object = SignedObject::decode(Typ::Dispute, bytes, 1024)?;
    object.verify(&key.public()).map(|_| ())
}

fn opens_audit(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    SignedAudit::decode(bytes)?
        .verify(&key.public())
        .map(|_| ())
}

fn opens_weights(bytes: &[u8], key: &SigningKey) -> Result<(), ReceiptError> {
    SignedWeights::decode(bytes)?
        .verify(&key.public())
        .map(|_| ())
}

type Open = fn(&[u8], &SigningKey) -> Result<(), ReceiptError>;

fn signed_object(typ: Typ) -> Vec<u8> {
    let signed = SignedObject::sign(typ, vec![0xa0], &node_key());
    signed.as_bytes().to_vec()
}

/// Every kind of signed object: its type, its bytes, its key, and how it is opened.
fn objects() -> Vec<(Typ, Vec<u8>, SigningKey, Open)> {
    let statement = fixture::signed_key_statement().unwrap();
    let revocation = fixture::signed_revocation().unwrap();
    let operator = fixture::signed_operator_statement().unwrap();
    let receipt = fixture::chat().issue().unwrap();
    vec![
        (
            Typ::Receipt,
            receipt.as_bytes().to_vec(),
            node_key(),
            opens_receipt,
        ),
        (
            Typ::KeyStatement,
            statement.as_bytes().to_vec(),
            operator_key(),
            opens_key_statement,
        ),
        (
            Typ::Revocation,
            revocation.as_bytes().to_vec(),
            operator_key(),
            opens_revocation,
        ),
        (
            Typ::Operator,
            operator.as_bytes().to_vec(),
            operator_key(),
            opens_operator_statement,
        ),
        (
            Typ::Replay,
            crate::replay::signed_replay().as_bytes().to_vec(),
            node_key(),
            opens_replay,
        ),
        (
            Typ::Trace,
            signed_object(Typ::Trace),
            node_key(),
            opens_trace,
        ),
        (
            Typ::Dispute,
            signed_object(Typ::Dispute),
            node_key(),
            opens_move,
        ),
        (
            Typ::Audit,
            crate::audit::signed().as_bytes().to_vec(),
            node_key(),
            opens_audit,
        ),
        (
            Typ::Weights,
            crate::proof::signed_weights().as_bytes().to_vec(),
            node_key(),
            opens_weights,
        ),
    ]
}

#[test]
fn every_single_bit_counts() {
    for (typ, bytes, key, open) in objects() {
        assert_eq!(open(&bytes, &key), Ok(()), "{typ:?}");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(
                    open(&flipped, &key).is_err(),
                    "{typ:?}, bit {bit} of byte {at}"
                );
            }
        }
    }
}

#[test]
fn every_byte_counts() {
    for (typ, bytes, key, open) in objects() {
        for at in 0..bytes.len() {
            assert!(open(&bytes[..at], &key).is_err(), "{typ:?} cut at {at}");
            let mut longer = bytes.clone();
            longer.insert(at, 0);
            assert!(open(&longer, &key).is_err(), "{typ:?}, a byte at {at}");
        }
        assert!(open(&[bytes.as_slice(), &[0]].concat(), &key).is_err());
    }
}

#[test]
fn no_object_passes_for_another() {
    let objects = objects();
    for (typ, bytes, key, _) in &objects {
        for (other, _, _, open) in &objects {
            assert_eq!(
                open(bytes, key).is_ok(),
                typ == other,
                "{typ:?} as {other:?}"
            );
        }
    }
}

/// The payload of each kind, signed under the type of every other by the right key: the signature is good, the type is
/// not that of the payload.
#[test]
fn no_payload_passes_under_another_type() {
    let typs = [
        forge::RECEIPT_TYP,
        forge::KEY_STATEMENT_TYP,
        forge::REVOCATION_TYP,
        forge::OPERATOR_TYP,
        crate::replay::REPLAY_TYP,
        "application/proofmark-trace+cose",
        "application/proofmark-dispute+cose",
        crate::audit::AUDIT_TYP,
        crate::proof::WEIGHTS_TYP,
    ];
    for ((typ, bytes, key, open), own) in objects().into_iter().zip(typs) {
        assert_eq!(typ.media_type(), own);
        let payload = forge::Envelope::of(&bytes).unwrap().payload;
        let seed = if key.kid() == node_key().kid() {
            NODE_SEED
        } else {
            OPERATOR_SEED
        };
        for other in typs {
            let signed = forge::sign(&forge::protected(other, -19, &key), &payload, &seed);
            assert_eq!(
                open(&signed, &key).is_ok(),
                other == own,
                "{typ:?} under {other}"
            );
        }
    }
}

#[test]
fn another_key_opens_nothing() {
    for (typ, bytes, _, open) in objects() {
        let error = open(&bytes, &stranger_key()).unwrap_err();
        let expected = match typ {
            Typ::Receipt | Typ::Trace | Typ::Dispute => "receipt.signature.kid-mismatch",
            Typ::KeyStatement | Typ::Operator => "receipt.statement.signature-invalid",
            Typ::Revocation => "receipt.revocation.malformed",
            Typ::Replay => "receipt.replay.signature-invalid",
            Typ::Audit => "receipt.audit.signature-invalid",
            Typ::Weights => "receipt.weights.signature-invalid",
        };
        assert_eq!(error.code(), expected, "{typ:?}");
    }
}

/// A good signature by a stranger over claims that name the node as their issuer: the stranger's key must not open it.
#[test]
fn who_signs_is_who_the_claims_name() {
    let payload = fixture::chat().claims().unwrap().encode();
    let header = forge::protected(forge::RECEIPT_TYP, -19, &stranger_key());
    let bytes = forge::sign(&header, &payload, &fixture::STRANGER_SEED);
    for key in [node_key(), stranger_key()] {
        assert_eq!(opens_receipt(&bytes, &key), Err(ReceiptError::KidMismatch));
    }
    assert_eq!(
        SignedReceipt::decode(&bytes),
        Err(ReceiptError::KidMismatch)
    );
}

/// The envelope as another implementation of COSE reads and writes it.
#[test]
fn coset_reads_and_writes_the_same_envelope() {
    for (typ, bytes, key, _) in objects() {
        let sign1 = CoseSign1::from_tagged_slice(&bytes).unwrap();
        assert!(sign1.unprotected.is_empty());
        let header = &sign1.protected.header;
        assert_eq!(header.key_id, key.kid().as_bytes());
        let public =
            ed25519_dalek::VerifyingKey::from_bytes(key.public().as_bytes().try_into().unwrap())
                .unwrap();
        sign1
            .verify_signature(&[], |signature, message| {
                public.verify(message, &signature.try_into().unwrap())
            })
            .unwrap();

        let mut builder = HeaderBuilder::new().key_id(key.kid().as_bytes().to_vec());
        if typ == Typ::Receipt {
            builder = builder.content_type("application/eat+cwt".into());
        }
        let mut header = builder
            .value(16, ciborium::Value::Text(typ.media_type().into()))
            .build();
        header.alg = Some(coset::Algorithm::Assigned(iana::Algorithm::Ed25519));
        let seed = if key.kid() == node_key().kid() {
            NODE_SEED
        } else {
            OPERATOR_SEED
        };
        let signer = ed25519_dalek::SigningKey::from_bytes(&seed);
        let again = CoseSign1Builder::new()
            .protected(header)
            .payload(sign1.payload.clone().unwrap())
            .create_signature(&[], |message| signer.sign(message).to_bytes().to_vec())
            .build();
        assert_eq!(again.to_tagged_vec().unwrap(), bytes, "{typ:?}");
    }
}

/// Keys of small order verify anything: a lax verifier takes the all-zero signature scalar with R = A for any message.
#[test]
fn keys_of_small_order_sign_nothing() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let key = PublicKey::new(Suite::Ed25519, &identity).unwrap();
    let mut claims = fixture::chat().claims().unwrap();
    claims.issuer.kid = key.kid();
    let header = forge::item(|e| {
        e.map(4).int(1).int(-19).int(3).text("application/eat+cwt");
        e.int(4)
            .bytes(key.kid().as_bytes())
            .int(16)
            .text(forge::RECEIPT_TYP);
    });
    let forged = forge::Envelope {
        protected: header,
        unprotected: vec![0xa0],
        payload: claims.encode(),
        signature: [identity, [0; 32]].concat(),
    };
    let receipt = SignedReceipt::decode(&forged.encode()).unwrap();
    assert_eq!(
        receipt.verify_signature(&key),
        Err(ReceiptError::SignatureInvalid)
    );
}

/// S and S + L verify the same equation; only the smaller one is a signature.
#[test]
fn a_signature_has_one_encoding() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = fixture::chat().issue().unwrap().as_bytes().to_vec();
    let scalar_at = bytes.len() - 32;
    let mut carry = 0_u16;
    for (byte, order) in bytes[scalar_at..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(
        opens_receipt(&bytes, &node_key()),
        Err(ReceiptError::SignatureInvalid)
    );
}

#[test]
fn suites_without_code_are_not_checked() {
    for suite in [Suite::P256, Suite::Secp256k1, Suite::MlDsa65] {
        let key = PublicKey::new(suite, &vec![2; suite.key_bytes()]).unwrap();
        let mut claims = fixture::chat().claims().unwrap();
        claims.issuer.kid = key.kid();
        let header = forge::item(|e| {
            e.map(4).int(1).int(-19).int(3).text("application/eat+cwt");
            e.int(4)
                .bytes(key.kid().as_bytes())
                .int(16)
                .text(forge::RECEIPT_TYP);
        });
        let bytes = forge::sign(&header, &claims.encode(), &NODE_SEED);
        let error = SignedReceipt::decode(&bytes)
            .unwrap()
            .verify_signature(&key)
            .unwrap_err();
        assert_eq!(
            error,
            ReceiptError::AlgorithmUnsupported {
                alg: suite.cose_alg()
            }
        );
        assert_eq!(error.code(), "receipt.algorithm.unsupported");
        assert_eq!(Suite::from_id(u64::from(suite.id())), Some(suite));
    }
    assert_eq!(Suite::from_id(0), None);
    assert_eq!(Suite::from_id(5), None);
}

#[test]
fn a_public_key_has_the_length_of_its_suite() {
    for suite in [
        Suite::Ed25519,
        Suite::P256,
        Suite::Secp256k1,
        Suite::MlDsa65,
    ] {
        for len in [0, suite.key_bytes() - 1, suite.key_bytes() + 1] {
            assert!(PublicKey::new(suite, &vec![2; len]).is_err());
        }
    }
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", SigningKey::from_seed(&NODE_SEED));
    assert_eq!(
        printed,
        format!("SigningKey(kid {}, secret redacted)", node_key().kid())
    );
}
