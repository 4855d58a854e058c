//! Against trees built by the definition of RFC 6962 §2.1: the right proof is accepted, any other is not.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use proofmark_tlog::{Frontier, Hash, leaf_hash, node_hash, verify_consistency, verify_inclusion};

#[derive(Debug, Arbitrary)]
struct Case {
    leaves: Vec<u8>,
    index: u8,
    old: u8,
    /// A byte of the proof to change: (hash, byte, bits).
    flip: (u8, u8, u8),
    /// Hashes to take off the proof's end.
    shorter: u8,
}

/// MTH of RFC 6962 §2.1.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => proofmark_tlog::EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// The largest power of two below `n`, for n > 1.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// PATH of RFC 6962 §2.1.1.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, beside) = if index < left.len() {
        (path(index, left), root(right))
    } else {
        (path(index - left.len(), right), root(left))
    };
    below.push(beside);
    below
}

/// SUBPROOF of RFC 6962 §2.1.2.
fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut below, beside) = if old <= at {
        (subproof(old, left, whole), root(right))
    } else {
        (subproof(old - at, right, false), root(left))
    };
    below.push(beside);
    below
}

/// The proof with one byte changed or its end cut off; `None` if that changes nothing.
fn wrong(proof: &[Hash], case: &Case) -> Option<Vec<Hash>> {
    let mut wrong = proof.to_vec();
    wrong.truncate(proof.len().saturating_sub(usize::from(case.shorter % 4)));
    let (at, byte, bits) = case.flip;
    let count = wrong.len().max(1);
    if let Some(hash) = wrong.get_mut(usize::from(at) % count) {
        let mut bytes = *hash.as_bytes();
        bytes[usize::from(byte) % 32] ^= bits;
        *hash = Hash::from_bytes(bytes);
    }
    (wrong != proof).then_some(wrong)
}

fuzz_target!(|case: Case| {
    let leaves: Vec<Hash> = case
        .leaves
        .iter()
        .take(200)
        .map(|byte| leaf_hash(&[*byte]))
        .collect();
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append(*leaf).expect("far below the limit");
    }
    let whole = root(&leaves);
    assert_eq!(frontier.root(), whole);
    if leaves.is_empty() {
        return;
    }
    let size = leaves.len() as u64;

    let index = usize::from(case.index) % leaves.len();
    let proof = path(index, &leaves);
    verify_inclusion(index as u64, size, &leaves[index], &whole, &proof).expect("the right proof");
    if let Some(wrong) = wrong(&proof, &case) {
        assert!(verify_inclusion(index as u64, size, &leaves[index], &whole, &wrong).is_err());
    }

    let old = usize::from(case.old) % leaves.len() + 1;
    let old_root = root(&leaves[..old]);
    let proof = subproof(old, &leaves, true);
    verify_consistency(old as u64, &old_root, size, &whole, &proof).expect("the right proof");
    if let Some(wrong) = wrong(&proof, &case) {
        assert!(verify_consistency(old as u64, &old_root, size, &whole, &wrong).is_err());
    }
});
