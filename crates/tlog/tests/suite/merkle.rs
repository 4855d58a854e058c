//! Hashes, inclusion and consistency proofs, frontiers.

use std::sync::{LazyLock, Mutex};

use proofmark_tlog::{
    EMPTY_ROOT, ErrorKind, Frontier, FrontierError, Hash, MAX_TREE_SIZE, NodeId, ProofError,
    leaf_hash, node_hash, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use crate::naive::{NaiveTree, entry, seeded};

/// Leaves and roots of the test data that Certificate Transparency implementations share (sizes 1 to 8).
const CT_LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const CT_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn roots_match_the_published_vectors() {
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), EMPTY_ROOT);
    for (leaf, root) in CT_LEAVES.iter().zip(CT_ROOTS) {
        frontier.append(leaf_hash(leaf)).unwrap();
        assert_eq!(
            format!("{:x}", frontier.root()),
            root,
            "size {}",
            frontier.size()
        );
    }
}

#[test]
fn proofs_match_the_published_vectors() {
    let hex = |text: &str| {
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        Hash::from_slice(&bytes).unwrap()
    };
    // Leaf 5 of 8, and sizes 6 to 8, of the same data.
    let inclusion = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    .map(hex);
    let consistency = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    .map(hex);
    let (old, new) = (hex(CT_ROOTS[5]), hex(CT_ROOTS[7]));
    assert_eq!(
        verify_inclusion(5, 8, &leaf_hash(CT_LEAVES[5]), &new, &inclusion[..0])
            .unwrap_err()
            .code(),
        "log.inclusion.malformed"
    );
    verify_inclusion(
        4,
        8,
        &leaf_hash(CT_LEAVES[4]),
        &new,
        &[leaf_hash(CT_LEAVES[5]), inclusion[1], inclusion[2]],
    )
    .unwrap();
    verify_inclusion(5, 8, &leaf_hash(CT_LEAVES[5]), &new, &inclusion).unwrap();
    verify_consistency(6, &old, 8, &new, &consistency).unwrap();
}

#[test]
fn every_proof_of_every_small_tree_is_the_one_of_the_definition_and_verifies() {
    let tree = NaiveTree::default();
    for size in 0..=300 {
        let root = tree.root(0, size);
        for index in 0..size {
            let leaf = leaf_hash(&entry(index));
            let proof = tree.inclusion(index, 0, size);
            assert_eq!(
                verify_inclusion(index, size, &leaf, &root, &proof),
                Ok(()),
                "{index} in {size}"
            );
        }
        for old in 0..=size {
            let proof = if old == 0 {
                Vec::new()
            } else {
                tree.consistency(old, size)
            };
            let old_root = tree.root(0, old);
            assert_eq!(
                verify_consistency(old, &old_root, size, &root, &proof),
                Ok(()),
                "{old} to {size}"
            );
        }
    }
}

#[test]
fn frontier_has_the_root_of_the_definition_and_emits_every_complete_node_once() {
    let tree = NaiveTree::default();
    let mut frontier = Frontier::new();
    let mut emitted = Vec::new();
    for index in 0..300 {
        let at = frontier.append_with(leaf_hash(&entry(index)), |node, hash| {
            emitted.push((node, *hash));
        });
        assert_eq!(at, Ok(index));
        assert_eq!(frontier.root(), tree.root(0, index + 1));
        let bytes = frontier.encode();
        assert_eq!(Frontier::decode(&bytes).as_ref(), Ok(&frontier));
        for end in 0..bytes.len() {
            assert!(Frontier::decode(&bytes[..end]).is_err());
        }
        assert!(Frontier::decode(&[&bytes[..], &[0; 32]].concat()).is_err());
    }
    let expected: usize = (0..9).map(|level| 300usize >> level).sum();
    assert_eq!(emitted.len(), expected);
    for (NodeId { level, index }, hash) in &emitted {
        assert_eq!(*hash, tree.root(index << level, (index + 1) << level));
    }
    emitted.sort();
    emitted.dedup_by_key(|(node, _)| *node);
    assert_eq!(emitted.len(), expected);
}

#[test]
fn frontier_ends_at_the_largest_size() {
    let peaks = vec![0u8; 32];
    let mut full = Frontier::decode(&[&MAX_TREE_SIZE.to_be_bytes()[..], &peaks].concat()).unwrap();
    let before = full.clone();
    assert_eq!(full.append(EMPTY_ROOT), Err(FrontierError::Full));
    assert_eq!(full, before);
    let too_large = [&(MAX_TREE_SIZE + 1).to_be_bytes()[..], &[0; 32]].concat();
    let error = Frontier::decode(&too_large).unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("log.frontier.malformed", ErrorKind::Malformed)
    );
}

#[test]
fn sizes_and_indexes_out_of_range_are_malformed() {
    let hash = leaf_hash(b"");
    for (index, size) in [
        (0, 0),
        (1, 1),
        (u64::MAX, u64::MAX),
        (0, MAX_TREE_SIZE + 1),
        (5, 4),
    ] {
        let error = verify_inclusion(index, size, &hash, &hash, &[]).unwrap_err();
        assert_eq!(error, ProofError::InclusionIndex { index, size });
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    for (old, new) in [(1, 0), (3, 2), (1, MAX_TREE_SIZE + 1), (u64::MAX, u64::MAX)] {
        let error = verify_consistency(old, &hash, new, &hash, &[]).unwrap_err();
        assert_eq!(error, ProofError::ConsistencySizes { old, new });
    }
    // Trivial proofs still bind the roots.
    let other = node_hash(&hash, &hash);
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 7, &other, &[]), Ok(()));
    assert_eq!(
        verify_consistency(0, &other, 7, &other, &[])
            .unwrap_err()
            .code(),
        "log.consistency.root-mismatch"
    );
    assert_eq!(
        verify_consistency(7, &hash, 7, &other, &[])
            .unwrap_err()
            .code(),
        "log.consistency.root-mismatch"
    );
    assert_eq!(
        verify_consistency(7, &hash, 7, &hash, &[other])
            .unwrap_err()
            .code(),
        "log.consistency.malformed"
    );
    assert_eq!(
        verify_consistency(0, &EMPTY_ROOT, 7, &other, &[other])
            .unwrap_err()
            .code(),
        "log.consistency.malformed"
    );
}

#[test]
fn proofs_of_another_length_are_malformed_before_they_are_wrong() {
    let tree = NaiveTree::default();
    let (root, old_root) = (tree.root(0, 11), tree.root(0, 6));
    let leaf = leaf_hash(&entry(6));
    let longer = |proof: Vec<Hash>| [&proof[..], &[root]].concat();
    let inclusion = tree.inclusion(6, 0, 11);
    for bad in [
        longer(inclusion.clone()),
        inclusion[1..].to_vec(),
        Vec::new(),
    ] {
        let error = verify_inclusion(6, 11, &leaf, &root, &bad).unwrap_err();
        assert_eq!(
            error,
            ProofError::InclusionLength {
                expected: inclusion.len(),
                got: bad.len()
            }
        );
    }
    let consistency = tree.consistency(6, 11);
    for bad in [
        longer(consistency.clone()),
        consistency[1..].to_vec(),
        Vec::new(),
    ] {
        let error = verify_consistency(6, &old_root, 11, &root, &bad).unwrap_err();
        assert_eq!(
            error,
            ProofError::ConsistencyLength {
                expected: consistency.len(),
                got: bad.len()
            }
        );
    }
}

#[test]
fn hash_text_has_one_spelling() {
    let hash = leaf_hash(b"text");
    let text = hash.to_string();
    assert_eq!(Hash::parse_base64(&text), Some(hash));
    assert_eq!(Hash::parse_base64(&text[..43]), None);
    assert_eq!(Hash::parse_base64(&format!("{text}=")), None);
    assert_eq!(Hash::parse_base64(&text.replace('=', "A")), None);
    assert_eq!(Hash::from_slice(&[0; 31]), None);
    assert_eq!(format!("{hash:?}"), format!("Hash({hash:x})"));
}

/// One tree for all cases: most of its hashes are needed again.
static TREE: LazyLock<Mutex<NaiveTree>> = LazyLock::new(Mutex::default);

/// A proof with one thing changed: a bit, a missing hash, an extra hash, two hashes exchanged.
fn mutate(proof: &[Hash], what: usize, at: usize, bit: usize) -> Option<Vec<Hash>> {
    let mut changed = proof.to_vec();
    match what {
        0 => {
            let hash = changed.get_mut(at % proof.len().max(1))?;
            let mut bytes = *hash.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            *hash = Hash::from_bytes(bytes);
        }
        1 => drop(proof.first().map(|_| changed.remove(at % proof.len()))?),
        2 => changed.insert(at % (proof.len() + 1), EMPTY_ROOT),
        _ => {
            let other = (at + 1) % proof.len().max(1);
            changed.swap(at.checked_rem(proof.len())?, other);
        }
    }
    (changed != proof).then_some(changed)
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn changed_inclusion_proofs_are_rejected(
        size in 1u64..5000, index in 0u64..5000, other in 0u64..5000, what in 0usize..4, at in 0usize..16, bit in 0usize..256,
    ) {
        let (index, other) = (index % size, other % size);
        let tree = TREE.lock().unwrap();
        let (root, leaf) = (tree.root(0, size), leaf_hash(&entry(index)));
        let proof = tree.inclusion(index, 0, size);
        prop_assert_eq!(verify_inclusion(index, size, &leaf, &root, &proof), Ok(()));
        if let Some(changed) = mutate(&proof, what, at, bit) {
            prop_assert!(verify_inclusion(index, size, &leaf, &root, &changed).is_err());
        }
        if other != index {
            prop_assert!(verify_inclusion(other, size, &leaf, &root, &proof).is_err());
            prop_assert!(verify_inclusion(index, size, &leaf_hash(&entry(other)), &root, &proof).is_err());
        }
        prop_assert!(verify_inclusion(index, size, &leaf, &leaf_hash(b"root"), &proof).is_err());
    }

    #[test]
    fn changed_consistency_proofs_are_rejected(
        new in 2u64..5000, old in 1u64..5000, what in 0usize..4, at in 0usize..16, bit in 0usize..256,
    ) {
        let old = 1 + old % (new - 1);
        let tree = TREE.lock().unwrap();
        let (old_root, new_root) = (tree.root(0, old), tree.root(0, new));
        let proof = tree.consistency(old, new);
        prop_assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()));
        if let Some(changed) = mutate(&proof, what, at, bit) {
            prop_assert!(verify_consistency(old, &old_root, new, &new_root, &changed).is_err());
        }
        let wrong = leaf_hash(b"root");
        prop_assert!(verify_consistency(old, &wrong, new, &new_root, &proof).is_err());
        prop_assert!(verify_consistency(old, &old_root, new, &wrong, &proof).is_err());
    }

    #[test]
    fn arbitrary_proofs_never_panic(
        a in any::<u64>(), b in any::<u64>(), hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = hashes.into_iter().map(Hash::from_bytes).collect();
        let hash = leaf_hash(b"");
        prop_assert!(verify_inclusion(a, b, &hash, &EMPTY_ROOT, &proof).is_err());
        prop_assert!(a == 0 || verify_consistency(a, &hash, b, &EMPTY_ROOT, &proof).is_err());
    }
}
