//! Under construction.
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unreachable,
        clippy::todo,
        clippy::cast_possible_truncation
    )
)]

extern crate alloc;

mod checkpoint;
mod cosignature;
mod encoding;
mod kind;
mod merkle;
mod note;
mod promise;
mod proof;
mod tile;
mod witness;

pub use checkpoint::{
    Checkpoint, CheckpointError, Origin, RESERVED_ORIGIN_PREFIX, VerifiedCheckpoint,
    open_checkpoint, open_foreign_checkpoint, sign_checkpoint,
};
pub use cosignature::{
    CosignatureError, CosignatureSigner, CosignatureTime, MAX_TIMESTAMP_S, verify_cosignature,
};
pub use kind::ErrorKind;
pub use merkle::{
    EMPTY_ROOT, Frontier, FrontierError, Hash, MAX_PROOF_HASHES, MAX_TREE_SIZE, NodeId, ProofError,
    leaf_hash, node_hash, verify_consistency, verify_inclusion,
};
pub use note::{
    KeyId, KeyType, MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, Note, NoteError, NoteKeyName,
    NoteSignature, NoteSigner, OpenedNote, VerifiedSignature, VerifierKey, VerifierKeyError,
    open_note, parse_signature_lines,
};
pub use promise::{Promise, PromiseError, VerifiedPromise, open_promise, sign_promise};
pub use proof::{
    Cosigned, Included, MAX_EXTRA_BYTES, TlogProof, TlogProofError, verify_tlog_proof,
};
pub use tile::{
    BundleError, BundleId, MAX_ENTRY_BYTES, TILE_HEIGHT, TILE_WIDTH, TileError, TileId, TilePath,
    TilePathError, TileReader, bundles_for_growth, consistency_proof, decode_entries,
    encode_entries, frontier_from_tiles, inclusion_proof, root_from_tiles, tiles_for_growth,
};
pub use witness::{
    AcceptedCheckpoint, AddCheckpointRequest, Decision, MAX_REQUEST_BYTES, Refusal,
    SIZE_CONTENT_TYPE, WitnessRequestError, WitnessedState, judge_add_checkpoint,
};
