//! What is encoded decodes to itself, and what decodes is encoded to itself: one encoding for one value.

use proofmark_receipt::{
    Bundle, Claims, ReceiptLeaf, RegistryLeaf, SignedKeyStatement, SignedOperatorStatement,
    SignedReceipt, SignedRevocation, Snapshot, to_json,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary;
use crate::case::{self, Format};
use crate::fixture::{node_key, operator_key};
use crate::seeded::seeded;

/// Re-encodes whatever `bytes` decode to, in every format.
fn check_canonical(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(claims) = Claims::decode(bytes) {
        prop_assert_eq!(claims.encode(), bytes);
    }
    if let Ok(bundle) = Bundle::decode(bytes) {
        prop_assert!(bundle.receipt == bytes || bundle.encode() == bytes);
    }
    if let Ok(snapshot) = Snapshot::decode(bytes) {
        prop_assert_eq!(snapshot.encode(), bytes);
    }
    if let Ok(leaf) = RegistryLeaf::decode(bytes) {
        prop_assert_eq!(leaf.encode(), bytes);
    }
    if let Ok(leaf) = ReceiptLeaf::decode(bytes) {
        prop_assert_eq!(leaf.encode().to_vec(), bytes);
    }
    if let Ok(receipt) = SignedReceipt::decode(bytes) {
        prop_assert_eq!(receipt.as_bytes(), bytes);
        let _ = to_json(&receipt);
    }
    let payload = |bytes: &[u8]| crate::forge::Envelope::of(bytes).unwrap().payload;
    if let Ok(signed) = SignedKeyStatement::decode(bytes) {
        let again = SignedKeyStatement::sign(signed.unverified().clone(), &operator_key());
        prop_assert_eq!(payload(again.unwrap().as_bytes()), payload(bytes));
    }
    if let Ok(signed) = SignedRevocation::decode(bytes) {
        let again = SignedRevocation::sign(*signed.unverified(), &operator_key());
        prop_assert_eq!(payload(again.unwrap().as_bytes()), payload(bytes));
    }
    if let Ok(signed) = SignedOperatorStatement::decode(bytes)
        && signed.unverified().key == operator_key().public()
    {
        let again = SignedOperatorStatement::sign(signed.unverified().clone(), &operator_key());
        prop_assert_eq!(payload(again.unwrap().as_bytes()), payload(bytes));
    }
    Ok(())
}

proptest! {
    #![proptest_config(seeded(256))]

    #[test]
    fn claims_survive(claims in arbitrary::claims()) {
        let payload = claims.encode();
        prop_assert_eq!(&Claims::decode(&payload).unwrap(), &claims);
        let receipt = SignedReceipt::sign(claims.clone(), &node_key()).unwrap();
        let decoded = SignedReceipt::decode(receipt.as_bytes()).unwrap();
        prop_assert_eq!(&decoded, &receipt);
        prop_assert_eq!(decoded.claims(), &claims);
        prop_assert_eq!(decoded.digest(), claims.digest());
        prop_assert!(decoded.verify_signature(&node_key().public()).is_ok());
    }

    #[test]
    fn key_statements_survive(statement in arbitrary::key_statement()) {
        let signed = SignedKeyStatement::sign(statement.clone(), &operator_key()).unwrap();
        let decoded = SignedKeyStatement::decode(signed.as_bytes()).unwrap();
        prop_assert_eq!(decoded.verify(&operator_key().public()).unwrap(), &statement);
        prop_assert_eq!(decoded.digest(), signed.digest());
        let leaf = RegistryLeaf::key_statement(&signed);
        prop_assert_eq!(RegistryLeaf::decode(&leaf.encode()).unwrap(), leaf);
    }

    #[test]
    fn revocations_survive(revocation in arbitrary::revocation()) {
        let signed = SignedRevocation::sign(revocation, &operator_key()).unwrap();
        let decoded = SignedRevocation::decode(signed.as_bytes()).unwrap();
        prop_assert_eq!(decoded.verify(&operator_key().public()).unwrap(), &revocation);
    }

    #[test]
    fn operator_statements_survive(statement in arbitrary::operator_statement()) {
        let signed = SignedOperatorStatement::sign(statement.clone(), &operator_key()).unwrap();
        let decoded = SignedOperatorStatement::decode(signed.as_bytes()).unwrap();
        prop_assert_eq!(decoded.verify(&operator_key().public()).unwrap(), &statement);
    }

    #[test]
    fn bundles_survive(bundle in arbitrary::bundle()) {
        let bytes = bundle.encode();
        prop_assert_eq!(&Bundle::decode(&bytes).unwrap(), &bundle);
        for len in 0..bytes.len() {
            prop_assert!(Bundle::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn snapshots_survive(snapshot in arbitrary::snapshot()) {
        prop_assert_eq!(&Snapshot::decode(&snapshot.encode()).unwrap(), &snapshot);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        check_canonical(&bytes)?;
    }

    #[test]
    fn ids_survive(id in arbitrary::id()) {
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(id.as_bytes()[6] >> 4, 7);
    }
}

proptest! {
    #![proptest_config(seeded(4_096))]

    /// A vector with one byte changed, removed or added still has one encoding at most.
    #[test]
    fn what_decodes_is_canonical(
        case in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        edit in 0..3,
    ) {
        let vectors = vectors();
        let mut bytes = vectors[case.index(vectors.len())].clone();
        let at = at.index(bytes.len());
        match edit {
            0 => bytes[at] = byte,
            1 => { bytes.remove(at); }
            _ => bytes.insert(at, byte),
        }
        check_canonical(&bytes)?;
    }
}

/// The small vectors, and the payloads in them, which are easier to damage without a break of the envelope.
fn vectors() -> &'static [Vec<u8>] {
    static VECTORS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    VECTORS.get_or_init(|| {
        let mut all = Vec::new();
        for case in case::all().unwrap() {
            if case.bytes.len() > 8_192 {
                continue;
            }
            if case.format == Format::Bundle
                && let Ok(bundle) = Bundle::decode(&case.bytes)
                && let Ok(envelope) = crate::forge::Envelope::of(&bundle.receipt)
            {
                all.push(envelope.payload);
            }
            all.push(case.bytes);
        }
        all
    })
}
