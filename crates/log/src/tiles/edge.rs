//! The right edge of the log: the frontier and the tiles that are not full.

use bytes::Bytes;
use proofmark_tlog::{
    BundleId, Frontier, FrontierError, Hash, TILE_HEIGHT, TILE_WIDTH, TileId, TilePath,
    bundles_for_growth, decode_entries, encode_entries, leaf_hash, tiles_for_growth,
};

use crate::{error::LogError, storage::ObjectName};

/// What is needed to append leaves and write their tiles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

    /// Encodes as the frontier, the hashes of the last tile of each level from 1 up, and the last bundle. The counts
    /// follow from the size of the tree.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, LogError> {
        let mut out = self.frontier.encode();
        for hashes in self.levels.iter().skip(1) {
            out.extend(tile_bytes(hashes));
        }
        if let Some(bundle) = self.last_bundle() {
            out.extend(bundle_object(bundle, &self.entries)?.1);
        }
        Ok(out)
    }

    /// Decodes what [`Edge::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let size = u64::from_be_bytes(*bytes.first_chunk()?);
        let (frontier, mut rest) = bytes.split_at_checked(8 + 32 * size.count_ones() as usize)?;
        let frontier = Frontier::decode(frontier).ok()?;
        let mut levels = Vec::new();
        for level in 0u32.. {
            let nodes = size.checked_shr(level * TILE_HEIGHT).unwrap_or(0);
            if nodes == 0 {
                break;
            }
            let count = if level == 0 {
                0
            } else {
                (nodes % u64::from(TILE_WIDTH)) as usize
            };
            let (hashes, tail) = rest.split_at_checked(count * Hash::LEN)?;
            levels.push(
                hashes
                    .chunks_exact(Hash::LEN)
                    .filter_map(Hash::from_slice)
                    .collect(),
            );
            rest = tail;
        }
        let width = (size % u64::from(TILE_WIDTH)) as u16;
        let entries: Vec<Bytes> = match width {
            0 if rest.is_empty() => Vec::new(),
            _ => decode_entries(rest, width)
                .ok()?
                .into_iter()
                .map(Bytes::copy_from_slice)
                .collect(),
        };
        if let Some(leaves) = levels.first_mut() {
            *leaves = entries.iter().map(|entry| leaf_hash(entry)).collect();
        }
        Some(Self {
            frontier,
            levels,
            entries,
        })
    }

    /// The tiles and the bundle that are not full.
    pub(crate) fn partials(&self) -> Result<Objects, LogError> {
        let mut objects = self.partial_tiles(|_| true);
        if let Some(bundle) = self.last_bundle() {
            objects.push(bundle_object(bundle, &self.entries)?);
        }
        Ok(objects)
    }

    fn partial_tiles(&self, wanted: impl Fn(usize) -> bool) -> Objects {
        let size = self.frontier.size();
        let mut objects = Objects::new();
        for (level, hashes) in (0u8..).zip(&self.levels) {
            let index = (size >> (u32::from(level) * TILE_HEIGHT)) >> TILE_HEIGHT;
            let tile = TileId::in_tree(level, index, size).filter(|_| !hashes.is_empty());
            if let Some(tile) = tile.filter(|_| wanted(usize::from(level))) {
                objects.push((ObjectName::Tile(TilePath::Hashes(tile)), tile_bytes(hashes)));
            }
        }
        objects
    }

    /// The bundle that is not full, if it has entries.
    fn last_bundle(&self) -> Option<BundleId> {
        BundleId::in_tree(self.frontier.size() >> TILE_HEIGHT, self.frontier.size())
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
        objects.extend(self.partial_tiles(|level| changed.get(level).copied().unwrap_or_default()));
        if self.frontier.size() > old_size
            && let Some(bundle) = self.last_bundle()
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

/// Whether a tile or bundle is full, and so never changes.
pub(crate) fn is_full(path: &TilePath) -> bool {
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
