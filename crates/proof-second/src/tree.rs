//! Opened positions of a Merkle tree (§4.3).

use std::collections::BTreeMap;

use crate::transcript::key;
use crate::{Code, Input};

fn keyed(purpose: &str, message: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(&key(purpose), message).as_bytes()
}

/// Reads the leaves of these positions, ascending, and checks them against the root of a tree of 2^`height` leaves.
pub(crate) fn open<'p>(
    input: &mut Input<'p>,
    root: &[u8],
    positions: &[usize],
    height: u32,
    leaf_bytes: usize,
) -> Result<BTreeMap<usize, &'p [u8]>, Code> {
    let mut leaves = BTreeMap::new();
    let mut known = BTreeMap::new();
    for &position in positions {
        let leaf = input.bound(leaf_bytes)?;
        leaves.insert(position, leaf);
        known.insert(position, keyed("leaf", leaf));
    }
    for _ in 0..height {
        let mut all = known.clone();
        for position in known.keys() {
            let sibling = position ^ 1;
            if !known.contains_key(&sibling) {
                let digest = input.bound(32)?.try_into().map_err(|_| "proof.malformed")?;
                all.insert(sibling, digest);
            }
        }
        known = BTreeMap::new();
        for (position, left) in &all {
            if position % 2 == 0 {
                let right = all[&(position + 1)];
                let node = keyed("node", &[*left, right].concat());
                known.insert(position / 2, node);
            }
        }
    }
    if known[&0] == root {
        Ok(leaves)
    } else {
        Err("proof.opening.root")
    }
}
