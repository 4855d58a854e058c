//! Coordinates of hash tiles and entry bundles, and which of them a growing tree touches.

use core::ops::Range;

use crate::merkle::MAX_TREE_SIZE;

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u32 = 8;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Highest tile level that a tree of [`MAX_TREE_SIZE`] leaves has (tlog-tiles allows paths up to 63).
const MAX_LEVEL: u8 = 7;

/// A hash tile: `width` hashes of tree level `level * 8`, starting with number `index * 256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

/// An entry bundle: `width` entries, starting with entry `index * 256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    index: u64,
    width: u16,
}

impl TileId {
    /// A tile that some tree of at most [`MAX_TREE_SIZE`] leaves has; `None` for other coordinates.
    ///
    /// `width` is 1 to 256, 256 being the full tile.
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        let end = tile_end(index, width)?;
        (end <= nodes_at(MAX_TREE_SIZE, level)).then_some(Self {
            level,
            index,
            width,
        })
    }

    /// The tile as a tree of `size` leaves has it, full or partial; `None` if the tree has no hash in it.
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let width = width_in(index, nodes_at(size.min(MAX_TREE_SIZE), level))?;
        Self::new(level, index, width)
    }

    /// Tile level: 0 holds leaf hashes, each higher one the roots of full tiles of the level below.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Position among the tiles of the same level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes: 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile is full and so never changes.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile at the same place, which starts with the hashes of this one.
    pub const fn full(&self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..*self
        }
    }

    /// Length of the tile in bytes.
    pub fn byte_length(&self) -> usize {
        usize::from(self.width).saturating_mul(crate::Hash::LEN)
    }
}

impl BundleId {
    /// A bundle that some tree of at most [`MAX_TREE_SIZE`] leaves has; `None` for other coordinates.
    pub fn new(index: u64, width: u16) -> Option<Self> {
        (tile_end(index, width)? <= MAX_TREE_SIZE).then_some(Self { index, width })
    }

    /// The bundle as a tree of `size` leaves has it, full or partial; `None` if the tree has no entry in it.
    pub fn in_tree(index: u64, size: u64) -> Option<Self> {
        Self::new(index, width_in(index, size.min(MAX_TREE_SIZE))?)
    }

    /// Position among the bundles.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Number of entries: 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the bundle is full and so never changes.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full bundle at the same place, which starts with the entries of this one.
    pub const fn full(&self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..*self
        }
    }

    /// Log indexes of the entries.
    pub fn entries(&self) -> Range<u64> {
        let start = self.index.saturating_mul(u64::from(TILE_WIDTH));
        start..start.saturating_add(u64::from(self.width))
    }
}

/// Hash tiles that are new or wider in a tree of `new_size` leaves than in its first `old_size` leaves, bottom up.
///
/// Each tile is named as the new tree has it. Nothing for `old_size >= new_size`.
pub fn tiles_for_growth(old_size: u64, new_size: u64) -> impl Iterator<Item = TileId> {
    let new_size = new_size.min(MAX_TREE_SIZE);
    (0..=MAX_LEVEL).flat_map(move |level| {
        grown(nodes_at(old_size, level), nodes_at(new_size, level))
            .filter_map(move |index| TileId::in_tree(level, index, new_size))
    })
}

/// Entry bundles that are new or wider in a log of `new_size` entries than in its first `old_size` entries.
pub fn bundles_for_growth(old_size: u64, new_size: u64) -> impl Iterator<Item = BundleId> {
    let new_size = new_size.min(MAX_TREE_SIZE);
    grown(old_size, new_size).filter_map(move |index| BundleId::in_tree(index, new_size))
}

/// Tiles that hold any of the items `old .. new`.
fn grown(old: u64, new: u64) -> Range<u64> {
    if old >= new {
        return 0..0;
    }
    tile_of(old)..tile_of(new.saturating_sub(1)).saturating_add(1)
}

/// Number of complete subtrees of height `8 * level` in a tree.
fn nodes_at(size: u64, level: u8) -> u64 {
    u32::from(level)
        .checked_mul(TILE_HEIGHT)
        .and_then(|by| size.checked_shr(by))
        .unwrap_or(0)
}

/// The tile that holds item number `item` of its level.
const fn tile_of(item: u64) -> u64 {
    item >> TILE_HEIGHT
}

/// Width of tile `index` when its level has `items` items.
fn width_in(index: u64, items: u64) -> Option<u16> {
    let start = index.checked_mul(u64::from(TILE_WIDTH))?;
    let rest = items.checked_sub(start).filter(|rest| *rest > 0)?;
    u16::try_from(rest.min(u64::from(TILE_WIDTH))).ok()
}

/// Number of the first item after a tile, if the width is one that a tile can have.
fn tile_end(index: u64, width: u16) -> Option<u64> {
    if !(1..=TILE_WIDTH).contains(&width) {
        return None;
    }
    index
        .checked_mul(u64::from(TILE_WIDTH))?
        .checked_add(u64::from(width))
}
