//! Entries against leaf hashes, tiles against the tiles above, and the root.

use std::sync::atomic::Ordering;

use proofmark_tlog::{
    BundleId, Checkpoint, Hash, TILE_HEIGHT, TILE_WIDTH, TileId, TilePath, VerifierKey,
    decode_entries, leaf_hash, node_hash, open_checkpoint, root_from_tiles,
};

use crate::{
    fsck::{Check, Place, Problem},
    storage::ObjectName,
};

/// Tiles that one piece of work covers.
const CHUNK: u64 = 256;

impl Check<'_> {
    /// Checks the tree of `size` leaves up to its root, which `place` claims.
    pub(super) fn tree(&self, size: u64, root: &Hash, place: Place) {
        let bundles = size.div_ceil(u64::from(TILE_WIDTH));
        self.parallel(bundles.div_ceil(CHUNK), |chunk| {
            for index in chunk * CHUNK..((chunk + 1) * CHUNK).min(bundles) {
                self.leaves(index, size);
            }
        });
        for level in 1u8.. {
            let tiles = (size >> (u32::from(level) * TILE_HEIGHT)).div_ceil(u64::from(TILE_WIDTH));
            if tiles == 0 {
                break;
            }
            self.parallel(tiles.div_ceil(CHUNK), |chunk| {
                for index in chunk * CHUNK..((chunk + 1) * CHUNK).min(tiles) {
                    self.nodes(level, index, size);
                }
            });
        }
        self.root(size, root, place);
    }

    /// Checks a claimed root against the tiles on the right edge of the tree of that size.
    pub(super) fn root(&self, size: u64, root: &Hash, place: Place) {
        let mut reader = |tile: TileId| self.tile_bytes(tile).ok_or(());
        match root_from_tiles(size, &mut reader) {
            Ok(expected) if expected != *root => {
                self.differs(
                    place,
                    Problem::Root {
                        expected,
                        got: *root,
                    },
                );
            }
            Ok(_) => {}
            // What could not be read was reported when its level was checked, or is reported as the place's now.
            Err(_) => self.differs(place, Problem::Missing),
        }
    }

    /// Checks that the state's checkpoint is signed and of the state's tree.
    pub(super) fn state_checkpoint(
        &self,
        bytes: &[u8],
        vkey: Option<&VerifierKey>,
        size: u64,
        root: &Hash,
    ) {
        let place = Place::State("checkpoint");
        let Some(vkey) = vkey else {
            return;
        };
        let checkpoint: Checkpoint = match open_checkpoint(bytes, vkey) {
            Ok(opened) => opened.checkpoint().clone(),
            Err(error) => return self.differs(place, Problem::Signature { code: error.code() }),
        };
        if checkpoint.size != size {
            self.differs(
                place,
                Problem::Size {
                    expected: size,
                    got: checkpoint.size,
                },
            );
        } else if checkpoint.root != *root {
            self.differs(
                place,
                Problem::Root {
                    expected: *root,
                    got: checkpoint.root,
                },
            );
        }
    }

    /// The bytes of a tile, cut to its width, from its file or from the full one at its place.
    fn tile_bytes(&self, tile: TileId) -> Option<Vec<u8>> {
        let mut bytes = self
            .either(TilePath::Hashes(tile), TilePath::Hashes(tile.full()))?
            .0;
        (bytes.len() >= tile.byte_length()).then(|| {
            bytes.truncate(tile.byte_length());
            bytes
        })
    }

    /// An object or the full one at its place, and whether it is the full one.
    fn either(&self, path: TilePath, full: TilePath) -> Option<(Vec<u8>, bool)> {
        if let Some(bytes) = self.read(ObjectName::Tile(path)).ok()? {
            return Some((bytes, path == full));
        }
        if path == full {
            return None;
        }
        self.read(ObjectName::Tile(full))
            .ok()?
            .map(|bytes| (bytes, true))
    }

    /// The hashes of a tile; what is wrong with it is reported.
    fn hashes(&self, tile: TileId) -> Option<Vec<Hash>> {
        let path = TilePath::Hashes(tile);
        let Some((bytes, full)) = self.either(path, TilePath::Hashes(tile.full())) else {
            self.differs(Place::Tile { path, item: None }, Problem::Missing);
            return None;
        };
        let expected = if full {
            tile.full().byte_length()
        } else {
            tile.byte_length()
        };
        if bytes.len() != expected {
            self.differs(Place::Tile { path, item: None }, Problem::Malformed);
            return None;
        }
        let hashes = bytes.chunks_exact(Hash::LEN).filter_map(Hash::from_slice);
        Some(hashes.take(usize::from(tile.width())).collect())
    }

    /// Checks a bundle against its level 0 tile.
    fn leaves(&self, index: u64, size: u64) {
        let (Some(bundle), Some(tile)) = (
            BundleId::in_tree(index, size),
            TileId::in_tree(0, index, size),
        ) else {
            return;
        };
        let path = TilePath::Entries(bundle);
        let hashes = self.hashes(tile);
        let Some((bytes, full)) = self.either(path, TilePath::Entries(bundle.full())) else {
            return self.differs(Place::Tile { path, item: None }, Problem::Missing);
        };
        let width = if full { TILE_WIDTH } else { bundle.width() };
        let Ok(entries) = decode_entries(&bytes, width) else {
            return self.differs(Place::Tile { path, item: None }, Problem::Malformed);
        };
        let hashes = hashes.unwrap_or_default();
        for (item, (entry, got)) in (0u16..).zip(entries.iter().zip(hashes)) {
            let expected = leaf_hash(entry);
            if expected != got {
                let place = Place::Tile {
                    path: TilePath::Hashes(tile),
                    item: Some(item),
                };
                self.differs(place, Problem::LeafHash { expected, got });
            }
        }
        self.leaves
            .fetch_add(u64::from(bundle.width()), Ordering::Relaxed);
    }

    /// Checks a tile above level 0 against the tiles below it.
    fn nodes(&self, level: u8, index: u64, size: u64) {
        let Some(tile) = TileId::in_tree(level, index, size) else {
            return;
        };
        let Some(hashes) = self.hashes(tile) else {
            return;
        };
        for (item, got) in (0u16..).zip(hashes) {
            let below = TileId::new(
                level - 1,
                index * u64::from(TILE_WIDTH) + u64::from(item),
                TILE_WIDTH,
            );
            // A tile that is not there was reported when its own level was checked.
            let Some(bytes) = below.and_then(|below| self.tile_bytes(below)) else {
                continue;
            };
            let expected = tile_root(&bytes);
            if expected != Some(got) {
                let place = Place::Tile {
                    path: TilePath::Hashes(tile),
                    item: Some(item),
                };
                let expected = expected.unwrap_or(got);
                self.differs(place, Problem::NodeHash { expected, got });
            }
        }
    }
}

/// Root of a full tile.
fn tile_root(bytes: &[u8]) -> Option<Hash> {
    let mut hashes: Vec<Hash> = bytes
        .chunks_exact(Hash::LEN)
        .filter_map(Hash::from_slice)
        .collect();
    while hashes.len() > 1 {
        hashes = hashes
            .chunks_exact(2)
            .map(|pair| node_hash(&pair[0], &pair[1]))
            .collect();
    }
    hashes.pop()
}
