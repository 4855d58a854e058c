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

fn leaves<'a>(values: impl Iterator<Item = (u8, &'a [u8])>) -> [[u8; 32]; LEAVES] {
    let mut leaves = [[0_u8; 32]; LEAVES];
    for (position, value) in values {
        if let Some(slot) = leaves.get_mut(usize::from(position)) {
            *slot = leaf(position, value);
        }
    }
    leaves
}

/// Writes the level above `level` over its left half; `empty` is the root of a subtree without claims. Returns that root of the
/// level above.
fn ascend(level: &mut [[u8; 32]], empty: &[u8; 32]) -> [u8; 32] {
    let above = node(empty, empty);
    for at in 0..level.len() / 2 {
        let left = at.saturating_mul(2);
        let hash = match level.get(left..left.saturating_add(2)) {
            Some([l, r]) if l != empty || r != empty => node(l, r),
            _ => above,
        };
        if let Some(slot) = level.get_mut(at) {
            *slot = hash;
        }
    }
    above
}

/// Climbs from the leaves to the root, which is returned; `visit` sees each level on the way.
fn climb<'a>(
    values: impl Iterator<Item = (u8, &'a [u8])>,
    mut visit: impl FnMut(&[[u8; 32]]),
) -> [u8; 32] {
    let mut hashes = leaves(values);
    let mut level = hashes.as_mut_slice();
    let mut empty = [0_u8; 32];
    for _ in 0..LEVELS {
        visit(level);
        empty = ascend(level, &empty);
        let width = level.len() / 2;
        level = level.get_mut(..width).unwrap_or_default();
    }
    let [root, ..] = hashes;
    root
}

impl Claims {
    /// Root over the claims: what evidence, log leaves and chains bind.
    pub fn digest(&self) -> ClaimsDigest {
        Self::digest_of(self.values().iter())
    }

    pub(crate) fn digest_of<'a>(values: impl Iterator<Item = (u8, &'a [u8])>) -> ClaimsDigest {
        ClaimsDigest(climb(values, |_| ()))
    }

    /// Opens one claim: its canonical value and the six sibling hashes from leaf to root. `None` if it is absent.
    pub fn opening(&self, position: u8) -> Option<(Vec<u8>, [[u8; 32]; LEVELS])> {
        let values = self.values();
        let value = values.iter().find(|(p, _)| *p == position)?.1.to_vec();
        let mut path = [[0_u8; 32]; LEVELS];
        let (mut slots, mut index) = (path.iter_mut(), usize::from(position));
        climb(values.iter(), |level| {
            if let (Some(slot), Some(sibling)) = (slots.next(), level.get(index ^ 1)) {
                *slot = *sibling;
            }
            index /= 2;
        });
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
