//! The Merkle tree over the positions of a code (specs/05-proof.md §4.3).

use proofmark_kernels::field::{Code, DigestWords, Rows, Words, hash_pairs};
use proofmark_proof::Digest;
use proofmark_proof::commitment::{leaf_key, missing_siblings, node_key};

use crate::Machine;

/// A tree, and the code that it is over if its words are kept.
#[derive(Debug)]
pub(super) struct Tree {
    /// Canonical words, [positions, lanes].
    words: Option<Words>,
    lanes: usize,
    /// Digests by height: the leaves first.
    levels: Vec<Vec<DigestWords>>,
}

impl Tree {
    /// Encodes the lanes of [2^log2_message, lanes]; `code` is (log2_message, log2_inverse_rate).
    pub(super) fn new(
        machine: Machine<'_>,
        rows: Rows<'_>,
        lanes: usize,
        code: (u32, u32),
        keep: bool,
    ) -> Self {
        let Machine { pool, isa } = machine;
        let code = Code::new(code.0, code.1);
        let encoded = code.encode(pool, isa, rows, lanes, &to_words(&leaf_key()), keep);
        let key = to_words(&node_key());
        let mut levels = vec![encoded.leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let mut above = vec![[0; 8]; below.len() / 2];
            hash_pairs(pool, isa, &key, below, &mut above);
            levels.push(above);
        }
        Self {
            words: encoded.words,
            lanes,
            levels,
        }
    }

    pub(super) fn root(&self) -> Digest {
        let root = self.levels.last().and_then(|level| level.first());
        to_bytes(root.unwrap_or(&[0; 8]))
    }

    /// The words of leaves, [leaves, lanes], if they are kept.
    pub(super) fn words(&self, leaves: &[u32]) -> Option<Vec<u32>> {
        let words = self.words.as_ref()?.as_slice();
        let leaves = leaves.iter().map(|&leaf| leaf as usize * self.lanes);
        Some(
            leaves
                .flat_map(|at| &words[at..at + self.lanes])
                .copied()
                .collect(),
        )
    }

    /// The bytes that open leaves, ascending and distinct, whose words are given.
    pub(super) fn open(&self, leaves: &[u32], words: &[u32]) -> Vec<u8> {
        let height = self.levels.len().saturating_sub(1) as u32;
        let siblings = missing_siblings(leaves, height);
        let mut opening = Vec::with_capacity(4 * words.len() + 32 * siblings.len());
        for word in words {
            opening.extend(word.to_le_bytes());
        }
        for (height, index) in siblings {
            opening.extend(to_bytes(&self.levels[height as usize][index as usize]));
        }
        opening
    }
}

/// A digest's words.
pub(super) fn to_words(digest: &Digest) -> DigestWords {
    let (words, _) = digest.as_chunks();
    std::array::from_fn(|i| u32::from_le_bytes(words[i]))
}

fn to_bytes(words: &DigestWords) -> Digest {
    let mut digest = [0; 32];
    for (place, word) in digest.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    digest
}
