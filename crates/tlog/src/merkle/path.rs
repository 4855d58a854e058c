//! Which nodes a proof names: pure arithmetic on indexes and sizes.

use alloc::vec::Vec;

/// Largest tree size that this crate handles: 2^62.
///
/// Consistency proofs of larger trees can have more than the 63 hashes that tlog-witness allows.
pub const MAX_TREE_SIZE: u64 = 1 << 62;

/// Largest number of hashes in an inclusion or consistency proof for a tree of up to [`MAX_TREE_SIZE`] leaves.
pub const MAX_PROOF_HASHES: usize = 63;

/// Position of a complete subtree: the hash of leaves `index << level .. (index + 1) << level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height above the leaves; 0 is a leaf hash.
    pub level: u32,
    /// Position among the nodes of the same level, from the left.
    pub index: u64,
}

/// Number of bits needed to write `x`; 0 for 0.
pub(crate) fn bit_length(x: u64) -> u32 {
    u64::BITS.saturating_sub(x.leading_zeros())
}

/// `x >> by`, 0 when every bit is shifted out.
pub(crate) fn shift_right(x: u64, by: u32) -> u64 {
    x.checked_shr(by).unwrap_or(0)
}

/// The shape of the path from a leaf to the root of a tree.
///
/// `inner` levels lie below the point where the paths of this leaf and of the last leaf meet: there the sibling is on
/// either side. Above it the path runs along the right border: only left siblings exist, `border` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathShape {
    pub(crate) inner: u32,
    pub(crate) border: u32,
}

impl PathShape {
    /// Shape of the path of leaf `index` in a tree whose last leaf is `last`; `index <= last`.
    pub(crate) fn new(index: u64, last: u64) -> Self {
        let inner = bit_length(index ^ last);
        Self {
            inner,
            border: shift_right(index, inner).count_ones(),
        }
    }
}

/// Siblings of leaf `index` in a tree of `size` leaves, from the leaf's up (RFC 6962 section 2.1.1).
///
/// Only the node at the top of the inner part can be cut off by the right border of the tree.
/// `None` unless `index < size <= MAX_TREE_SIZE`.
pub(crate) fn inclusion_path(index: u64, size: u64) -> Option<Vec<NodeId>> {
    let last = size
        .checked_sub(1)
        .filter(|last| index <= *last && size <= MAX_TREE_SIZE)?;
    Some(path_above(0, index, last))
}

/// Nodes of the consistency proof between two sizes, in proof order (RFC 6962 section 2.1.2).
///
/// `None` unless `0 < old < new <= MAX_TREE_SIZE`.
pub(crate) fn consistency_path(old: u64, new: u64) -> Option<Vec<NodeId>> {
    let old_last = old.checked_sub(1)?;
    let new_last = new
        .checked_sub(1)
        .filter(|_| old < new && new <= MAX_TREE_SIZE)?;
    // The largest complete subtree that ends where the old tree ends.
    let level = old.trailing_zeros();
    let start = NodeId {
        level,
        index: shift_right(old_last, level),
    };
    let mut nodes = Vec::new();
    // An old tree that is itself complete is that subtree: the verifier knows its hash.
    if start.index != 0 {
        nodes.push(start);
    }
    nodes.extend(path_above(level, old_last, new_last));
    Some(nodes)
}

/// Siblings on the path from the node at `from_level` above leaf `index` to the root of the tree ending at `last`.
fn path_above(from_level: u32, index: u64, last: u64) -> Vec<NodeId> {
    let shape = PathShape::new(index, last);
    let inner = (from_level..shape.inner).map(|level| NodeId {
        level,
        index: shift_right(index, level) ^ 1,
    });
    let border = (shape.inner.max(from_level)..u64::BITS).filter_map(|level| {
        let at = shift_right(index, level);
        // An odd node has a left sibling; an even one on the border is carried up as it is.
        (at & 1 == 1).then_some(NodeId {
            level,
            index: at ^ 1,
        })
    });
    inner.chain(border).collect()
}
