//! The right edge of the log: the frontier and the tiles that are not full.

use bytes::Bytes;
use proofmark_tlog::{
    BundleId, Frontier, FrontierError, Hash, TILE_HEIGHT, TILE_WIDTH, TileId, TilePath,
    bundles_for_growth, encode_entries, frontier_from_tiles, leaf_hash, tiles_for_growth,
};

use crate::{
    error::LogError,
    storage::{ObjectName, Storage},
    tiles::read::{StorageReader, read_bundle, read_tile, tile_error},
};

/// What is needed to append leaves and write their tiles.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    frontier: Frontier,
    /// The hashes of the last tile of each level, fewer than 256.
    levels: Vec<Vec<Hash>>,
    /// The entries of the last bundle, fewer than 256.
    entries: Vec<Bytes>,
}

/// Tiles and bundles to be written.
pub(crate) type Objects = Vec<(ObjectName, Vec<u8>)>;

impl Edge {
    /// Size, root and peaks of the tree.
    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Reads the edge of the tree that `frontier` is of. The tiles are checked against it.
    pub(crate) fn load(frontier: &Frontier, storage: &dyn Storage) -> Result<Self, LogError> {
        let size = frontier.size();
        let mut levels = Vec::new();
        for level in 0u8.. {
            let nodes = size
                .checked_shr(u32::from(level) * TILE_HEIGHT)
                .unwrap_or(0);
            if nodes == 0 {
                break;
            }
            let tile = TileId::in_tree(level, nodes >> TILE_HEIGHT, size);
            levels.push(match tile {
                Some(tile) => read_tile(storage, tile)?,
                None => Vec::new(),
            });
        }
        let entries = match BundleId::in_tree(size >> TILE_HEIGHT, size) {
            Some(bundle) => read_bundle(storage, bundle)?,
            None => Vec::new(),
        };
        let edge = Self {
            frontier: frontier.clone(),
            levels,
            entries,
        };
        edge.check(storage)?;
        Ok(edge)
    }

    /// Tiles are not trusted: what was read must be what the frontier says.
    fn check(&self, storage: &dyn Storage) -> Result<(), LogError> {
        let size = self.frontier.size();
        let read = frontier_from_tiles(size, &mut StorageReader(storage)).map_err(tile_error)?;
        let top = u8::try_from(self.levels.len().saturating_sub(1)).unwrap_or(u8::MAX);
        if read != self.frontier
            && let Some(tile) = (0..=top).find_map(|level| TileId::in_tree(level, 0, size))
        {
            // Which of the tiles is wrong is for fsck to find out.
            return Err(LogError::Tile {
                path: TilePath::Hashes(tile),
            });
        }
        let hashes = self.levels.first().map(Vec::as_slice).unwrap_or_default();
        let leaves = self.entries.iter().map(|entry| leaf_hash(entry));
        if !leaves.eq(hashes.iter().copied())
            && let Some(bundle) = BundleId::in_tree(size >> TILE_HEIGHT, size)
        {
            return Err(LogError::Tile {
                path: TilePath::Entries(bundle),
            });
        }
        Ok(())
    }

    /// Appends leaves, given their hashes and entries, and returns the tiles and bundles that are new or wider.
    pub(crate) fn grow(
        &mut self,
        leaves: impl IntoIterator<Item = (Hash, Bytes)>,
    ) -> Result<Objects, LogError> {
        let mut objects = Objects::new();
        let mut changed = Vec::new();
        let old_size = self.frontier.size();
        for (hash, entry) in leaves {
            self.append(hash, entry, &mut objects, &mut changed)?;
        }
        let size = self.frontier.size();
        for (level, hashes) in (0u8..).zip(&self.levels) {
            let grown = changed.get(usize::from(level)).copied().unwrap_or_default();
            let tile = TileId::in_tree(
                level,
                (size >> (u32::from(level) * TILE_HEIGHT)) >> TILE_HEIGHT,
                size,
            );
            if let Some(tile) = tile.filter(|_| grown && !hashes.is_empty()) {
                objects.push((ObjectName::Tile(TilePath::Hashes(tile)), tile_bytes(hashes)));
            }
        }
        if size > old_size
            && let Some(bundle) = BundleId::in_tree(size >> TILE_HEIGHT, size)
        {
            objects.push(bundle_object(bundle, &self.entries)?);
        }
        Ok(objects)
    }

    fn append(
        &mut self,
        hash: Hash,
        entry: Bytes,
        objects: &mut Objects,
        changed: &mut Vec<bool>,
    ) -> Result<(), LogError> {
        let Self {
            frontier,
            levels,
            entries,
        } = self;
        let full = usize::from(TILE_WIDTH);
        let index = frontier.append_with(hash, |node, hash| {
            if node.level % TILE_HEIGHT != 0 {
                return;
            }
            let level = (node.level / TILE_HEIGHT) as usize;
            if levels.len() <= level {
                levels.resize_with(level + 1, Vec::new);
            }
            if changed.len() <= level {
                changed.resize(level + 1, false);
            }
            let hashes = &mut levels[level];
            hashes.push(*hash);
            changed[level] = true;
            if hashes.len() == full {
                let tile = TileId::new(level as u8, node.index >> TILE_HEIGHT, TILE_WIDTH);
                objects.extend(
                    tile.map(|tile| (ObjectName::Tile(TilePath::Hashes(tile)), tile_bytes(hashes))),
                );
                hashes.clear();
            }
        })?;
        entries.push(entry);
        if entries.len() == full {
            let bundle =
                BundleId::new(index >> TILE_HEIGHT, TILE_WIDTH).ok_or(FrontierError::Full)?;
            objects.push(bundle_object(bundle, entries)?);
            entries.clear();
        }
        Ok(())
    }
}

/// Places of tiles and bundles that became full between two sizes: there may be partial ones that they replace.
pub(crate) fn filled_between(old_size: u64, new_size: u64) -> Vec<TilePath> {
    let tiles = tiles_for_growth(old_size, new_size).map(TilePath::Hashes);
    let bundles = bundles_for_growth(old_size, new_size).map(TilePath::Entries);
    tiles.chain(bundles).filter(is_full).collect()
}

fn is_full(path: &TilePath) -> bool {
    match path {
        TilePath::Hashes(tile) => tile.is_full(),
        TilePath::Entries(bundle) => bundle.is_full(),
    }
}

fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn bundle_object(bundle: BundleId, entries: &[Bytes]) -> Result<(ObjectName, Vec<u8>), LogError> {
    let bytes = encode_entries(entries).map_err(|_| LogError::Tile {
        path: TilePath::Entries(bundle),
    })?;
    Ok((ObjectName::Tile(TilePath::Entries(bundle)), bytes))
}
