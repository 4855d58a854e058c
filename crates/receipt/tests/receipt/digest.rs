//! The claims digest: every claim opens, at its own position only.

use proofmark_receipt::{Audit, LeafKind, ReceiptLeaf, claims_digest_from_opening};
use proptest::prelude::*;

use crate::arbitrary;
use crate::fixture;
use crate::seeded::seeded;

proptest! {
    #![proptest_config(seeded(64))]

    #[test]
    fn every_claim_opens_at_its_position_only(claims in arbitrary::claims(), flip in 0..8_u8) {
        let digest = claims.digest();
        let mut opened = 0;
        for position in 0..64 {
            let Some((value, path)) = claims.opening(position) else {
                continue;
            };
            opened += 1;
            let opens = |position, value: &[u8], path: &[[u8; 32]; 6]| {
                claims_digest_from_opening(position, value, path).is_ok_and(|d| d == digest)
            };
            prop_assert!(opens(position, &value, &path));
            for other in (0..64).filter(|other| *other != position) {
                prop_assert!(!opens(other, &value, &path));
            }
            let mut edited = value.clone();
            edited[0] ^= 1 << flip;
            prop_assert!(!opens(position, &edited, &path));
            edited[0] ^= 1 << flip;
            edited.push(0);
            prop_assert!(!opens(position, &edited, &path));
            for level in 0..6 {
                let mut edited = path;
                edited[level][31] ^= 1 << flip;
                prop_assert!(!opens(position, &value, &edited));
            }
            let mut reversed = path;
            reversed.reverse();
            prop_assert_eq!(opens(position, &value, &reversed), reversed == path);
        }
        prop_assert!(opened >= 11);
    }

    #[test]
    fn the_log_leaf_follows_from_the_claims(claims in arbitrary::claims()) {
        let leaf = ReceiptLeaf::of(&claims);
        prop_assert_eq!(leaf.claims, claims.digest());
        prop_assert_eq!(leaf.kind == LeafKind::Relayed, claims.log.kind == 1);
        prop_assert_eq!(leaf.value_class, claims.log.value_class);
        prop_assert_eq!(leaf.audit, claims.audit.map(|(_, audit)| audit));
        prop_assert_eq!(ReceiptLeaf::decode(&leaf.encode()).unwrap(), leaf);
    }
}

#[test]
fn there_are_64_positions() {
    let claims = fixture::chat().claims().unwrap();
    let (value, path) = claims.opening(0).unwrap();
    assert!(claims_digest_from_opening(64, &value, &path).is_err());
    assert!(claims_digest_from_opening(255, &value, &path).is_err());
    assert!(claims.opening(13).is_none());
    assert!(claims.opening(64).is_none());
}

/// An inner node is no leaf: the two hashes under it, shown as a value, lead elsewhere.
#[test]
fn an_inner_node_does_not_open_as_a_claim() {
    let claims = fixture::chat().claims().unwrap();
    let (value, path) = claims.opening(0).unwrap();
    let digest = claims_digest_from_opening(0, &value, &path).unwrap();
    assert_eq!(digest, claims.digest());
    // The siblings of a leaf are what a value would have to hash to.
    for position in 0..64 {
        for start in 1..6 {
            let pair = [path[start - 1].as_slice(), &path[start]].concat();
            let opened = claims_digest_from_opening(position, &pair, &path).unwrap();
            assert_ne!(opened, digest);
        }
    }
}

#[test]
fn leaves_of_other_shapes_are_malformed() {
    let leaf = ReceiptLeaf::of(&fixture::chat().claims().unwrap()).encode();
    assert_eq!(&leaf[..4], &[1, 1, 3, 1]);
    for (at, byte) in [(0, 0), (0, 2), (1, 0), (1, 3), (3, 3), (3, 255)] {
        let mut edited = leaf;
        edited[at] = byte;
        assert!(ReceiptLeaf::decode(&edited).is_err(), "{at}: {byte}");
    }
    for len in [0, 3, 4, 35] {
        assert!(ReceiptLeaf::decode(&leaf[..len]).is_err());
    }
    assert!(ReceiptLeaf::decode(&[leaf.as_slice(), &[0]].concat()).is_err());
    let mut refused = leaf;
    refused[3] = 2;
    assert_eq!(
        ReceiptLeaf::decode(&refused).unwrap().audit,
        Some(Audit::Refused)
    );
}
