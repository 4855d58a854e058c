//! The Merkle tree over the positions of a code (specs/05-proof.md §4.3).

use proofmark_field::F;
use proofmark_proof::Digest;
use proofmark_proof::commitment::{leaf_key, missing_siblings, node_key};

/// A tree, and the code that it is over.
#[derive(Debug)]
pub(super) struct Tree {
    code: Vec<F>,
    width: usize,
    /// Digests by height: the leaves first.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    pub(super) fn new(code: Vec<F>, width: usize) -> Self {
        let (leaf, node) = (leaf_key(), node_key());
        let leaves = code
            .chunks_exact(width)
            .map(|lanes| *blake3::keyed_hash(&leaf, &bytes(lanes)).as_bytes())
            .collect();
        let mut levels: Vec<Vec<Digest>> = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below
                .chunks_exact(2)
                .map(|pair| *blake3::keyed_hash(&node, pair.as_flattened()).as_bytes())
                .collect();
            levels.push(above);
        }
        Self {
            code,
            width,
            levels,
        }
    }

    pub(super) fn root(&self) -> Digest {
        self.levels[self.levels.len() - 1][0]
    }

    /// The bytes that open leaves, ascending and distinct.
    pub(super) fn open(&self, leaves: &[u32]) -> Vec<u8> {
        let mut opening = Vec::new();
        for &leaf in leaves {
            opening.extend(bytes(
                &self.code[leaf as usize * self.width..][..self.width],
            ));
        }
        for (height, index) in missing_siblings(leaves, self.levels[0].len().ilog2()) {
            opening.extend(self.levels[height as usize][index as usize]);
        }
        opening
    }
}

fn bytes(values: &[F]) -> Vec<u8> {
    let words = values.iter().map(|value| value.canonical().to_le_bytes());
    words.flatten().collect()
}
