use proofmark_tlog::{Hash, leaf_hash, verify_inclusion};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;
use std::{format, string::ToString};

use super::{
    FieldTree, ReceiptSecret, Salts, ScopeKey, StreamChain, TEXT_PIECE_BYTES, commit_text,
    commit_tokens,
};
use crate::tests::seeded;
use crate::{Commitment, ReceiptId, Root};

fn id(last: u8) -> ReceiptId {
    ReceiptId::from_parts(1, [last; 10])
}

fn key() -> ScopeKey {
    ScopeKey::from_bytes([7; 32])
}

proptest! {
    #![proptest_config(seeded(256))]

    #[test]
    fn every_field_of_a_tree_has_its_path(count in 1_u64..70) {
        let commitments: Vec<Commitment> =
            (0..count).map(|i| key().commit(&i.to_string(), b"v")).collect();
        let mut tree = FieldTree::new();
        commitments.iter().for_each(|commitment| tree.push(*commitment));
        prop_assert_eq!(tree.len(), count);
        let root = Hash::from_bytes(tree.root().0);
        for (index, commitment) in (0..).zip(&commitments) {
            let leaf = leaf_hash(commitment.as_bytes());
            let path = tree.path(index).unwrap();
            prop_assert!(verify_inclusion(index, count, &leaf, &root, &path).is_ok());
            let other = (index + 1) % count;
            prop_assert_eq!(
                verify_inclusion(other, count, &leaf, &root, &path).is_ok(),
                count == 1
            );
        }
        prop_assert!(tree.path(count).is_none());
    }

    #[test]
    fn a_value_in_pieces_has_the_commitment_of_the_whole(
        pieces in vec(vec(any::<u8>(), 0..400), 0..8),
        name in "[a-z/0-9]{0,20}",
    ) {
        let whole = pieces.concat();
        let parts = pieces.iter().map(Vec::as_slice);
        let in_parts = key().commit_parts(&name, whole.len() as u64, parts);
        prop_assert_eq!(in_parts, key().commit(&name, &whole));
    }

    #[test]
    fn a_text_has_a_field_for_each_256_bytes(text in vec(any::<u8>(), 0..1_500)) {
        let mut tree = FieldTree::new();
        for (j, piece) in text.chunks(TEXT_PIECE_BYTES).enumerate() {
            tree.push(key().commit(&format!("text/{j}"), piece));
        }
        prop_assert_eq!(commit_text(&key(), &text).root(), tree.root());
    }

    #[test]
    fn two_openings_have_two_commitments(
        a in ("[a-b]{0,3}", vec(0_u8..2, 0..3)),
        b in ("[a-b]{0,3}", vec(0_u8..2, 0..3)),
    ) {
        let same = key().commit(&a.0, &a.1) == key().commit(&b.0, &b.1);
        prop_assert_eq!(same, a == b);
    }
}

/// A caller names members of a request as it likes, and knows the salts: with a length of two bytes, a name of 65,535
/// bytes could end where a salt, a length and a value of the caller's making begin.
#[test]
fn a_long_name_does_not_swallow_the_salt() {
    let value = [9; 8];
    let (short, forged_salt) = ("n".repeat(65_535), [b's'; 32]);
    let forged_length = 32 + 8 + value.len() as u64;
    let mut name = short.clone();
    name.push_str(core::str::from_utf8(&forged_salt).unwrap());
    name.push_str(core::str::from_utf8(&forged_length.to_be_bytes()).unwrap());
    let honest = key().commit(&name, &value);

    let salt = key().salt(&name);
    let length = (value.len() as u64).to_be_bytes();
    let forged_value = [salt.as_slice(), &length, &value].concat();
    assert_eq!(forged_value.len() as u64, forged_length);
    let parts = core::iter::once(forged_value.as_slice());
    let forged = super::commit_with_salt(&forged_salt, &short, forged_length, parts);
    assert_ne!(forged, honest);
}

#[test]
fn salts_differ_by_secret_id_scope_and_name() {
    let mut salts = BTreeSet::new();
    let mut count = 0;
    for secret in [[1; 32], [2; 32]] {
        for id in [id(1), id(2)] {
            let schedule = Salts::new(&ReceiptSecret::new(secret), &id);
            assert!(salts.insert(*schedule.content_key()));
            for scope in ["received", "forwarded", "output/0", "output/1", ""] {
                let key = schedule.scope(scope);
                assert!(salts.insert(*key.expose()));
                for name in ["raw", "fields/a", "text/0", ""] {
                    assert!(salts.insert(key.salt(name)));
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 80);
}

#[test]
fn nothing_has_the_empty_root() {
    assert_eq!(FieldTree::new().root(), Root::EMPTY);
    assert!(FieldTree::new().is_empty());
    assert!(FieldTree::new().path(0).is_none());
    assert_eq!(commit_text(&key(), b"").root(), Root::EMPTY);
    let tokens = commit_tokens(&key(), "in", &[]);
    assert_eq!((tokens.count, tokens.root), (0, Root::EMPTY));
}

#[test]
fn a_chain_depends_on_id_order_and_framing() {
    let chain = |id: &ReceiptId, events: &[&[u8]]| {
        let mut chain = StreamChain::new(id, key());
        events.iter().for_each(|event| chain.push(event));
        chain.claim()
    };
    let claim = chain(&id(1), &[b"a", b"b"]);
    assert_eq!(claim.events, 2);
    for other in [
        chain(&id(2), &[b"a", b"b"]),
        chain(&id(1), &[b"b", b"a"]),
        chain(&id(1), &[b"ab"]),
        chain(&id(1), &[b"a", b"b", b""]),
    ] {
        assert_ne!(other.head, claim.head);
    }
}

#[test]
fn secrets_are_not_printed() {
    let secret = ReceiptSecret::new([0xab; 32]);
    let salts = Salts::new(&secret, &id(1));
    let printed = format!("{secret:?} {salts:?} {:?}", salts.scope("received"));
    assert_eq!(
        printed,
        "ReceiptSecret(redacted) Salts(redacted) ScopeKey(redacted)"
    );
}
