//! Merkle trees over the positions of a code, and openings of many leaves at once (specs/05-proof.md §4.3).

use alloc::vec::Vec;

use crate::Rejection;
use crate::reader::{Digest, Reader};

/// Key of the hash of leaves.
const LEAF_SEPARATOR: &[u8] = b"proofmark/proof/1/leaf\n";

/// Key of the hash of inner nodes.
const NODE_SEPARATOR: &[u8] = b"proofmark/proof/1/node\n";

/// The key with which a leaf is hashed.
#[must_use]
pub fn leaf_key() -> Digest {
    *blake3::hash(LEAF_SEPARATOR).as_bytes()
}

/// The key with which two children are hashed.
#[must_use]
pub fn node_key() -> Digest {
    *blake3::hash(NODE_SEPARATOR).as_bytes()
}

/// What an opening of leaves (ascending, distinct) of a tree of 2^`log2_length` leaves has to say besides them: the nodes,
/// as (height, index), in the order of a proof. Height 0 are the leaves.
#[must_use]
pub fn missing_siblings(leaves: &[u32], log2_length: u32) -> Vec<(u32, u32)> {
    let mut known = leaves.to_vec();
    let mut missing = Vec::new();
    for height in 0..log2_length {
        let mut nodes = known.iter().copied().peekable();
        let mut parents = Vec::with_capacity(known.len());
        while let Some(node) = nodes.next() {
            if nodes.next_if_eq(&(node ^ 1)).is_none() {
                missing.push((height, node ^ 1));
            }
            parents.push(node >> 1);
        }
        known = parents;
    }
    missing
}

/// Reads the opening of `leaves` (ascending, distinct) of a tree, and holds it against the root. Returns the leaves' bytes.
///
/// # Errors
/// `proof.malformed` if bytes are missing; `proof.opening.root`.
pub(super) fn receive<'a>(
    reader: &mut Reader<'a>,
    root: &Digest,
    leaves: &[u32],
    log2_length: u32,
    leaf_bytes: usize,
) -> Result<Vec<&'a [u8]>, Rejection> {
    let (leaf, node) = (leaf_key(), node_key());
    let mut values = Vec::with_capacity(leaves.len());
    let mut known = Vec::with_capacity(leaves.len());
    for &index in leaves {
        let bytes = reader.bytes(leaf_bytes)?;
        values.push(bytes);
        known.push((index, *blake3::keyed_hash(&leaf, bytes).as_bytes()));
    }
    for _ in 0..log2_length {
        let mut nodes = known.iter().copied().peekable();
        let mut parents = Vec::with_capacity(known.len());
        while let Some((index, digest)) = nodes.next() {
            let sibling = match nodes.next_if(|(next, _)| *next == index ^ 1) {
                Some((_, digest)) => digest,
                None => reader.digest()?,
            };
            let (left, right) = if index & 1 == 0 {
                (digest, sibling)
            } else {
                (sibling, digest)
            };
            let mut hasher = blake3::Hasher::new_keyed(&node);
            hasher.update(&left);
            hasher.update(&right);
            parents.push((index >> 1, *hasher.finalize().as_bytes()));
        }
        known = parents;
    }
    match known.as_slice() {
        [(0, digest)] if digest == root => Ok(values),
        _ => Err(Rejection::failed(
            "proof.opening.root",
            "an opened position is not the one that the root commits to",
        )),
    }
}
