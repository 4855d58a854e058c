//! The claims digest (§5.1): a tree of 64 fixed positions, so that one claim opens without parsing the others.

use alloc::vec::Vec;

use super::model::Claims;
use super::position;
use crate::digest::sha256;
use crate::{ClaimsDigest, ReceiptError};

const LEVELS: usize = 6;
const LEAVES: usize = position::COUNT as usize;

fn leaf(position: u8, value: &[u8]) -> [u8; 32] {
    sha256(&[b"proofmark/receipt/1/claim\n", &[position], value])
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

/// All levels of the tree, leaves first.
fn levels<'a>(values: impl Iterator<Item = (u8, &'a [u8])>) -> Vec<Vec<[u8; 32]>> {
    let mut leaves = alloc::vec![[0_u8; 32]; LEAVES];
    for (position, value) in values {
        if let Some(slot) = leaves.get_mut(usize::from(position)) {
            *slot = leaf(position, value);
        }
    }
    let mut empty = [0_u8; 32];
    let mut levels = alloc::vec![leaves];
    for _ in 0..LEVELS {
        let next_empty = node(&empty, &empty);
        let below = levels.last().map(Vec::as_slice).unwrap_or_default();
        let above = below
            .chunks_exact(2)
            .map(|pair| match pair {
                [l, r] if *l == empty && *r == empty => next_empty,
                [l, r] => node(l, r),
                _ => next_empty,
            })
            .collect();
        levels.push(above);
        empty = next_empty;
    }
    levels
}

impl Claims {
    /// Root over the claims: what evidence, log leaves and chains bind.
    pub fn digest(&self) -> ClaimsDigest {
        Self::digest_of(self.values().iter())
    }

    pub(crate) fn digest_of<'a>(values: impl Iterator<Item = (u8, &'a [u8])>) -> ClaimsDigest {
        let levels = levels(values);
        ClaimsDigest(
            levels
                .last()
                .and_then(|top| top.first())
                .copied()
                .unwrap_or_default(),
        )
    }

    /// Opens one claim: its canonical value and the six sibling hashes from leaf to root. `None` if it is absent.
    pub fn opening(&self, position: u8) -> Option<(Vec<u8>, [[u8; 32]; LEVELS])> {
        let values = self.values();
        let value = values.iter().find(|(p, _)| *p == position)?.1.to_vec();
        let levels = levels(values.iter());
        let mut path = [[0_u8; 32]; LEVELS];
        for (depth, (slot, level)) in path.iter_mut().zip(&levels).enumerate() {
            let index = usize::from(position) >> depth;
            *slot = level.get(index ^ 1).copied()?;
        }
        Some((value, path))
    }
}

/// The claims digest that an opening of one claim leads to; compare it with the digest that is signed or logged.
pub fn claims_digest_from_opening(
    position: u8,
    value: &[u8],
    path: &[[u8; 32]; LEVELS],
) -> Result<ClaimsDigest, ReceiptError> {
    if position >= position::COUNT {
        return Err(ReceiptError::Malformed {
            expected: "a position below 64",
            at: 0,
        });
    }
    let mut hash = leaf(position, value);
    for (depth, sibling) in path.iter().enumerate() {
        hash = if (usize::from(position) >> depth) & 1 == 0 {
            node(&hash, sibling)
        } else {
            node(sibling, &hash)
        };
    }
    Ok(ClaimsDigest(hash))
}
