//! The right edge of a growing tree: all that is needed to append leaves and to know the root.

use alloc::vec::Vec;

use crate::{
    ErrorKind,
    merkle::{
        EMPTY_ROOT, Hash, MAX_TREE_SIZE, node_hash,
        path::{NodeId, shift_right},
    },
};

/// Why a frontier could not be decoded or extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The tree has [`MAX_TREE_SIZE`] leaves; the log is at its end.
    #[error("the tree is full: {MAX_TREE_SIZE} leaves")]
    Full,
    /// Encoded bytes are not a size followed by one hash for each of its one bits.
    #[error("frontier is {got} bytes, expected {expected}")]
    Length {
        /// Bytes that the size calls for (at least 8).
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// The encoded size is larger than [`MAX_TREE_SIZE`].
    #[error("frontier size {size} is larger than {MAX_TREE_SIZE}")]
    Size {
        /// Size found.
        size: u64,
    },
}

impl FrontierError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full => "log.tree.full",
            Self::Length { .. } | Self::Size { .. } => "log.frontier.malformed",
        }
    }

    /// Whether the bytes could not be read or the append was refused.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Full => ErrorKind::Rejected,
            Self::Length { .. } | Self::Size { .. } => ErrorKind::Malformed,
        }
    }
}

/// The compact range `[0, size)` of a tree: the roots of its complete subtrees, the largest (leftmost) first.
///
/// Trust: whoever supplies an encoded frontier decides about the root; keep it where the checkpoint state is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One hash per one bit of `size`, the highest bit first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    pub const fn new() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
        }
    }

    /// Builds a frontier from the complete subtrees of a tree, the largest first.
    pub(crate) fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let fits = size <= MAX_TREE_SIZE && peaks.len() == peak_count(size);
        fits.then_some(Self { size, peaks })
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree; [`EMPTY_ROOT`] without leaves.
    pub fn root(&self) -> Hash {
        fold_peaks(&self.peaks)
    }

    /// Appends a leaf hash and returns its index.
    pub fn append(&mut self, leaf: Hash) -> Result<u64, FrontierError> {
        self.append_with(leaf, |_, _| {})
    }

    /// Appends a leaf hash, calls `emit` for each node that it completes (the leaf first, then upward), returns its index.
    ///
    /// A node is emitted once in the life of a tree, and its hash never changes: nodes at levels divisible by
    /// [`crate::TILE_HEIGHT`] are the contents of tiles.
    pub fn append_with(
        &mut self,
        leaf: Hash,
        mut emit: impl FnMut(NodeId, &Hash),
    ) -> Result<u64, FrontierError> {
        let index = self.size;
        let next = index
            .checked_add(1)
            .filter(|next| *next <= MAX_TREE_SIZE)
            .ok_or(FrontierError::Full)?;
        let mut node = NodeId { level: 0, index };
        let mut hash = leaf;
        emit(node, &hash);
        // An odd node is a right child; its left sibling is the last peak.
        while node.index & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            node = NodeId {
                level: node.level.saturating_add(1),
                index: shift_right(node.index, 1),
            };
            emit(node, &hash);
        }
        self.peaks.push(hash);
        self.size = next;
        Ok(index)
    }

    /// Encodes as the size (8 bytes, big-endian) and the peaks (32 bytes each, the largest first).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(encoded_length(self.size));
        out.extend_from_slice(&self.size.to_be_bytes());
        for peak in &self.peaks {
            out.extend_from_slice(peak.as_bytes());
        }
        out
    }

    /// Decodes what [`Frontier::encode`] wrote. Every other byte string is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrontierError> {
        let Some((size, hashes)) = bytes.split_first_chunk::<8>() else {
            return Err(FrontierError::Length {
                expected: 8,
                got: bytes.len(),
            });
        };
        let size = u64::from_be_bytes(*size);
        if size > MAX_TREE_SIZE {
            return Err(FrontierError::Size { size });
        }
        let expected = encoded_length(size);
        if bytes.len() != expected {
            return Err(FrontierError::Length {
                expected,
                got: bytes.len(),
            });
        }
        let peaks = hashes
            .chunks_exact(Hash::LEN)
            .filter_map(Hash::from_slice)
            .collect();
        Ok(Self { size, peaks })
    }
}

/// Number of complete subtrees of a tree.
fn peak_count(size: u64) -> usize {
    usize::try_from(size.count_ones()).unwrap_or(usize::MAX)
}

fn encoded_length(size: u64) -> usize {
    peak_count(size).saturating_mul(Hash::LEN).saturating_add(8)
}

/// The complete subtrees of the leaves `start .. start + count`, the largest first.
///
/// `start` must be a multiple of the smallest power of two that is at least `count`, as it is for 0.
pub(crate) fn peak_nodes(start: u64, count: u64) -> impl Iterator<Item = NodeId> {
    (0..u64::BITS).rev().filter_map(move |level| {
        let above = shift_right(count, level);
        // The subtree of this size follows the larger ones, whose leaves are `count` without its lower bits.
        (above & 1 == 1).then(|| NodeId {
            level,
            index: shift_right(start, level).saturating_add(above ^ 1),
        })
    })
}

/// Root over complete subtrees, the largest first; [`EMPTY_ROOT`] without any.
pub(crate) fn fold_peaks(peaks: &[Hash]) -> Hash {
    let mut peaks = peaks.iter().rev();
    let Some(last) = peaks.next() else {
        return EMPTY_ROOT;
    };
    peaks.fold(*last, |right, left| node_hash(left, &right))
}
