//! Proofs and roots computed from tiles.
//!
//! Trust: none in tiles. What comes out is only as good as the tiles that went in, so a proof must be verified against
//! the root of a checkpoint, and a root compared with one, by the caller.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::{
    ErrorKind,
    merkle::{
        Frontier, Hash, MAX_TREE_SIZE, NodeId, consistency_path, fold_peaks, inclusion_path,
        node_hash, peak_nodes,
    },
    tile::{TILE_HEIGHT, TileId},
};

/// The bits of an item number that say where in its tile it is.
const TILE_MASK: u64 = (1 << TILE_HEIGHT) - 1;

/// Source of hash tiles: a directory, a cache, an HTTP mirror.
pub trait TileReader {
    /// Why a tile could not be read.
    type Error;

    /// Returns the bytes of a tile.
    ///
    /// In place of a partial tile a wider one of the same level and index may be returned: it starts with the same
    /// hashes, and logs delete partial tiles once the full one is there.
    fn read_tile(&mut self, tile: TileId) -> Result<Vec<u8>, Self::Error>;
}

impl<F, E> TileReader for F
where
    F: FnMut(TileId) -> Result<Vec<u8>, E>,
{
    type Error = E;

    fn read_tile(&mut self, tile: TileId) -> Result<Vec<u8>, E> {
        self(tile)
    }
}

/// Why tiles did not yield a proof or root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError<E> {
    /// The leaf does not lie in the tree, or the tree is too large. The caller's fault.
    #[error("leaf {index} does not lie in a tree of {size} leaves")]
    Index {
        /// Index asked for.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The old tree is larger than the new one, or the new one too large. The caller's fault.
    #[error("no consistency proof leads from size {old} to size {new}")]
    Sizes {
        /// Size of the old tree.
        old: u64,
        /// Size of the new tree.
        new: u64,
    },
    /// The tile could not be read.
    #[error("{tile} could not be read")]
    Read {
        /// Tile asked for.
        tile: TileId,
        /// What the reader said.
        source: E,
    },
    /// The tile is not a sequence of at least as many hashes as it should have, at most 256. Its server's fault.
    #[error("{tile} has {got} bytes, expected {expected}")]
    Length {
        /// Tile asked for.
        tile: TileId,
        /// Bytes of a tile of this width.
        expected: usize,
        /// Bytes read.
        got: usize,
    },
}

impl<E> TileError<E> {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Index { .. } => "log.inclusion.malformed",
            Self::Sizes { .. } => "log.consistency.malformed",
            Self::Read { .. } => "log.tile.unavailable",
            Self::Length { .. } => "log.tile.malformed",
        }
    }

    /// A tile that cannot be read leaves the question open; the other variants are about wrong input.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } => ErrorKind::Unavailable,
            Self::Index { .. } | Self::Sizes { .. } | Self::Length { .. } => ErrorKind::Malformed,
        }
    }
}

/// Inclusion proof of leaf `index` in the tree of `size` leaves, for [`crate::verify_inclusion`].
pub fn inclusion_proof<R: TileReader + ?Sized>(
    size: u64,
    index: u64,
    reader: &mut R,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    let path = inclusion_path(index, size).ok_or(TileError::Index { index, size })?;
    Nodes::new(size, reader).hashes(path)
}

/// Consistency proof between the trees of `old_size` and `new_size` leaves, for [`crate::verify_consistency`].
///
/// Empty for an empty old tree and for equal sizes.
pub fn consistency_proof<R: TileReader + ?Sized>(
    old_size: u64,
    new_size: u64,
    reader: &mut R,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    let sizes = TileError::Sizes {
        old: old_size,
        new: new_size,
    };
    if old_size > new_size || new_size > MAX_TREE_SIZE {
        return Err(sizes);
    }
    if old_size == 0 || old_size == new_size {
        return Ok(Vec::new());
    }
    let path = consistency_path(old_size, new_size).ok_or(sizes)?;
    Nodes::new(new_size, reader).hashes(path)
}

/// Root of the tree of `size` leaves.
pub fn root_from_tiles<R: TileReader + ?Sized>(
    size: u64,
    reader: &mut R,
) -> Result<Hash, TileError<R::Error>> {
    frontier_from_tiles(size, reader).map(|frontier| frontier.root())
}

/// Frontier of the tree of `size` leaves: compare its root with a checkpoint before appending to it.
pub fn frontier_from_tiles<R: TileReader + ?Sized>(
    size: u64,
    reader: &mut R,
) -> Result<Frontier, TileError<R::Error>> {
    let index = TileError::Index { index: size, size };
    if size > MAX_TREE_SIZE {
        return Err(index);
    }
    let peaks = Nodes::new(size, reader).hashes(peak_nodes(0, size))?;
    Frontier::from_peaks(size, peaks).ok_or(index)
}

/// Node hashes of one tree, each tile read once. A path crosses at most two tiles per level.
struct Nodes<'a, R: ?Sized> {
    size: u64,
    reader: &'a mut R,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl<'a, R: TileReader + ?Sized> Nodes<'a, R> {
    fn new(size: u64, reader: &'a mut R) -> Self {
        Self {
            size,
            reader,
            tiles: BTreeMap::new(),
        }
    }

    fn hashes(
        &mut self,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> Result<Vec<Hash>, TileError<R::Error>> {
        nodes.into_iter().map(|node| self.hash(node)).collect()
    }

    /// Hash of a node, which may be cut off by the right border of the tree.
    fn hash(&mut self, node: NodeId) -> Result<Hash, TileError<R::Error>> {
        let out = TileError::Index {
            index: node.index,
            size: self.size,
        };
        let Some(start) = node
            .index
            .checked_mul(1u64.checked_shl(node.level).unwrap_or(u64::MAX))
        else {
            return Err(out);
        };
        let Some(rest) = self.size.checked_sub(start).filter(|rest| *rest > 0) else {
            return Err(out);
        };
        if rest.checked_shr(node.level).unwrap_or(0) > 0 {
            return self.complete(node);
        }
        let peaks = peak_nodes(start, rest)
            .map(|peak| self.complete(peak))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(fold_peaks(&peaks))
    }

    /// Hash of a complete subtree, from the tile that holds its level or the nearest one below.
    fn complete(&mut self, node: NodeId) -> Result<Hash, TileError<R::Error>> {
        let out = TileError::Index {
            index: node.index,
            size: self.size,
        };
        let height = node.level % TILE_HEIGHT;
        // 2^height hashes of one tile: they start at a multiple of their number, so they never cross its end.
        let located = u8::try_from(node.level / TILE_HEIGHT)
            .ok()
            .zip(node.index.checked_shl(height));
        let Some((level, first)) = located else {
            return Err(out);
        };
        let tile_index = first >> TILE_HEIGHT;
        let offset = usize::try_from(first & TILE_MASK).unwrap_or(usize::MAX);
        let count = 1usize.checked_shl(height).unwrap_or(0);
        let size = self.size;
        let hashes = self.tile(level, tile_index)?;
        let subtree = offset
            .checked_add(count)
            .and_then(|end| hashes.get(offset..end));
        subtree.and_then(complete_root).ok_or(TileError::Index {
            index: node.index,
            size,
        })
    }

    /// The hashes of a tile that belong to this tree.
    fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], TileError<R::Error>> {
        use alloc::collections::btree_map::Entry;
        match self.tiles.entry((level, index)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let tile = TileId::in_tree(level, index, self.size).ok_or(TileError::Index {
                    index,
                    size: self.size,
                })?;
                let bytes = self
                    .reader
                    .read_tile(tile)
                    .map_err(|source| TileError::Read { tile, source })?;
                let expected = tile.byte_length();
                let whole = bytes.len().is_multiple_of(Hash::LEN)
                    && bytes.len() <= tile.full().byte_length();
                let used = bytes
                    .get(..expected)
                    .filter(|_| whole)
                    .ok_or(TileError::Length {
                        tile,
                        expected,
                        got: bytes.len(),
                    })?;
                Ok(entry.insert(
                    used.chunks_exact(Hash::LEN)
                        .filter_map(Hash::from_slice)
                        .collect(),
                ))
            }
        }
    }
}

/// Root over a power of two of hashes.
fn complete_root(hashes: &[Hash]) -> Option<Hash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node_hash(left, right)),
                _ => None,
            })
            .collect();
    }
    level.first().copied()
}
