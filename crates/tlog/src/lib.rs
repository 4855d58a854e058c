//! Formats and arithmetic of transparency logs: specs/02-log.md (draft), on top of the C2SP documents that it names.
//!
//! A *log* is an append-only sequence of leaves under a Merkle tree whose size and root its operator signs, so that a small proof
//! shows that a leaf is in it, and witnesses can see that it only grows.
//!
//! A checkpoint, signed by the log and cosigned by a witness:
//!
//! ```text
//! example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
//! — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
//! ```
//!
//! What is here: RFC 6962 hashes, proofs and frontiers ([`verify_inclusion`], [`verify_consistency`], [`Frontier`]); tiles, entry
//! bundles and proofs from them ([`TileId`], [`inclusion_proof`]); signed notes and keys ([`open_note`], [`VerifierKey`],
//! [`NoteSigner`]); checkpoints ([`open_checkpoint`]), cosignatures ([`CosignatureSigner`]), offline proofs
//! ([`verify_tlog_proof`]), inclusion promises ([`open_promise`]), and the decision that a witness makes
//! ([`judge_add_checkpoint`]).
//!
//! What is not: storing and serving a log (`proofmark-log`), what leaves mean (`proofmark-receipt`), and how many witnesses are
//! enough (`proofmark-verify`). A proof shows that a leaf was logged, never that it is true.
//!
//! No function panics, reads a clock or does I/O; every length is bounded before it is allocated.
//!
//! ```
//! use proofmark_tlog::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = NoteSigner::from_seed(NoteKeyName::parse("log.example.com/receipts")?, &[1; 32]);
//! let witness = CosignatureSigner::from_seed(NoteKeyName::parse("witness.example.org")?, &[2; 32]);
//!
//! // The log appends two leaves and signs a checkpoint; a witness cosigns it.
//! let (first, second) = (leaf_hash(b"first"), leaf_hash(b"second"));
//! let mut frontier = Frontier::new();
//! frontier.append(first)?;
//! let index = frontier.append(second)?;
//! let checkpoint = Checkpoint { origin: Origin::of_key(log.name())?, size: frontier.size(), root: frontier.root() };
//! let mut signed = sign_checkpoint(&checkpoint, &log)?;
//! let time = CosignatureTime::from_unix_s(1_700_000_000).ok_or("time")?;
//! let cosignature = witness.cosign(&signed, time);
//! signed.add_cosignature(&cosignature, witness.vkey())?;
//!
//! // Somebody else verifies offline, with the keys that he trusts.
//! let text = TlogProof::new(index, vec![first], signed.note().clone())?.encode();
//! let proof = TlogProof::parse(text.as_bytes())?;
//! let included = verify_tlog_proof(&leaf_hash(b"second"), &proof, log.vkey(), &[witness.vkey().clone()])?;
//! assert_eq!((included.index(), included.cosignatures().len()), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! Deviations from C2SP: none in what is written; limits on what is read are in specs/02-log.md section 1.2.

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
