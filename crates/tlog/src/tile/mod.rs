//! C2SP tlog-tiles: tile coordinates and paths, entry bundles, and proofs computed from tiles.

mod bundle;
mod id;
mod path;
mod reader;

pub use bundle::{BundleError, MAX_ENTRY_BYTES, decode_entries, encode_entries};
pub use id::{BundleId, TILE_HEIGHT, TILE_WIDTH, TileId, bundles_for_growth, tiles_for_growth};
pub use path::{TilePath, TilePathError};
pub use reader::{
    TileError, TileReader, consistency_proof, frontier_from_tiles, inclusion_proof, root_from_tiles,
};
