//! Reading tiles and bundles back from storage, and proofs computed from them.

use std::ops::Range;

use bytes::Bytes;
use proofmark_tlog::{
    BundleId, Hash, TILE_HEIGHT, TILE_WIDTH, TileError, TileId, TilePath, TileReader,
    decode_entries,
};

use crate::{
    error::LogError,
    storage::{ObjectName, Storage},
};

/// Reads an object, or the full one at its place: partial ones are removed when the full one is there.
fn read_either(storage: &dyn Storage, path: TilePath, full: TilePath) -> Result<Vec<u8>, LogError> {
    if let Some(bytes) = storage.read(&ObjectName::Tile(path))? {
        return Ok(bytes);
    }
    if path != full
        && let Some(bytes) = storage.read(&ObjectName::Tile(full))?
    {
        return Ok(bytes);
    }
    Err(LogError::Tile { path })
}

/// A storage as the source of tiles for proofs.
pub(crate) struct StorageReader<'a>(pub(crate) &'a dyn Storage);

impl TileReader for StorageReader<'_> {
    type Error = LogError;

    fn read_tile(&mut self, tile: TileId) -> Result<Vec<u8>, LogError> {
        read_either(
            self.0,
            TilePath::Hashes(tile),
            TilePath::Hashes(tile.full()),
        )
    }
}

/// What a failed proof says to the caller.
pub(crate) fn tile_error(error: TileError<LogError>) -> LogError {
    match error {
        TileError::Read { source, .. } => source,
        TileError::Length { tile, .. } => LogError::Tile {
            path: TilePath::Hashes(tile),
        },
        TileError::Sizes { old, .. } => LogError::NoSuchLeaf { index: old },
        TileError::Index { index, .. } => LogError::NoSuchLeaf { index },
        // A later kind of error in tiles.
        _ => LogError::Unprovable,
    }
}

/// The hashes of a tile.
pub(crate) fn read_tile(storage: &dyn Storage, tile: TileId) -> Result<Vec<Hash>, LogError> {
    let bytes = StorageReader(storage).read_tile(tile)?;
    let used = bytes.get(..tile.byte_length()).ok_or(LogError::Tile {
        path: TilePath::Hashes(tile),
    })?;
    Ok(used
        .chunks_exact(Hash::LEN)
        .filter_map(Hash::from_slice)
        .collect())
}

/// The entries of a bundle.
pub(crate) fn read_bundle(storage: &dyn Storage, bundle: BundleId) -> Result<Vec<Bytes>, LogError> {
    let path = TilePath::Entries(bundle);
    let damaged = || LogError::Tile { path };
    let (bytes, width) = match storage.read(&ObjectName::Tile(path))? {
        Some(bytes) => (bytes, bundle.width()),
        None => (
            read_either(storage, path, TilePath::Entries(bundle.full()))?,
            TILE_WIDTH,
        ),
    };
    let mut entries = decode_entries(&bytes, width).map_err(|_| damaged())?;
    entries.truncate(usize::from(bundle.width()));
    Ok(entries.into_iter().map(Bytes::copy_from_slice).collect())
}

/// Hash of leaf `index` in a tree of `size` leaves.
pub(crate) fn leaf_hash_at(storage: &dyn Storage, index: u64, size: u64) -> Result<Hash, LogError> {
    let tile =
        TileId::in_tree(0, index >> TILE_HEIGHT, size).ok_or(LogError::NoSuchLeaf { index })?;
    let hashes = read_tile(storage, tile)?;
    let at = usize::try_from(index % u64::from(TILE_WIDTH)).unwrap_or(usize::MAX);
    hashes
        .get(at)
        .copied()
        .ok_or(LogError::NoSuchLeaf { index })
}

/// Inclusion proof of a leaf, verified against the root: tiles are not trusted.
pub(crate) fn inclusion_proof(
    storage: &dyn Storage,
    index: u64,
    size: u64,
    root: &Hash,
) -> Result<Vec<Hash>, LogError> {
    let leaf = leaf_hash_at(storage, index, size)?;
    let proof = proofmark_tlog::inclusion_proof(size, index, &mut StorageReader(storage))
        .map_err(tile_error)?;
    proofmark_tlog::verify_inclusion(index, size, &leaf, root, &proof)
        .map_err(|_| LogError::Unprovable)?;
    Ok(proof)
}

/// Consistency proof between two sizes.
pub(crate) fn consistency_proof(
    old_size: u64,
    size: u64,
    storage: &dyn Storage,
) -> Result<Vec<Hash>, LogError> {
    proofmark_tlog::consistency_proof(old_size, size, &mut StorageReader(storage))
        .map_err(tile_error)
}

/// Entries of leaves, which must lie in a tree of `size` leaves.
pub(crate) fn read_entries(
    storage: &dyn Storage,
    range: Range<u64>,
    size: u64,
) -> Result<Vec<Bytes>, LogError> {
    if range.end > size {
        return Err(LogError::NoSuchLeaf { index: size });
    }
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let bundle =
            BundleId::in_tree(at >> TILE_HEIGHT, size).ok_or(LogError::NoSuchLeaf { index: at })?;
        let covered = bundle.entries();
        let skip = usize::try_from(at - covered.start).unwrap_or(usize::MAX);
        let end = covered.end.min(range.end);
        let take = usize::try_from(end - at).unwrap_or(usize::MAX);
        out.extend(
            read_bundle(storage, bundle)?
                .into_iter()
                .skip(skip)
                .take(take),
        );
        at = end;
    }
    Ok(out)
}
