//! The log service of spec 02 (`specs/02-log.md`).
//!
//! A **log** is an append-only list of leaves with one sequencer, whose size and root it signs in checkpoints. Records
//! go into a [journal](LogConfig) with group commit; from there they are integrated into a tree of C2SP tiles, and a
//! checkpoint of it is signed, cosigned by witnesses, and published.
//!
//! Trust: tiles are trusted by nobody. The journal and the state database are trusted not to be rolled back, else the
//! log could sign two histories; witnesses would see it. Who reads the journal reads payloads and secrets.
//!
//! ```
//! use std::sync::Arc;
//!
//! use proofmark_log::{Durability, Log, LogConfig, Record, RecordKey};
//! use proofmark_tlog::{NoteKeyName, NoteSigner, TlogProof, leaf_hash, verify_tlog_proof};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let signer = NoteSigner::from_seed(NoteKeyName::parse("log.example/receipts")?, &[7; 32]);
//! let log = Log::open(LogConfig::new(dir, Arc::new(signer)))?;
//! let record = Record {
//!     key: RecordKey::from_bytes(*b"a key of 16 byte"),
//!     entry: "a leaf".into(),
//!     ..Record::default()
//! };
//! let appended = log.append(record, Durability::Durable).await?;
//! log.wait_integrated(appended.index).await?;
//! let proof = log.proof(appended.index).await?.ok_or("the leaf is pending")?;
//! verify_tlog_proof(&leaf_hash(b"a leaf"), &TlogProof::parse(proof.as_bytes())?, log.vkey(), &[])?;
//! log.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! It does not show that what a leaf commits to is true, and by itself not that a log shows everyone the same:
//! verification is in `proofmark-tlog` and `proofmark-verify`, and takes witnesses.

pub mod bench;
mod clock;
mod config;
mod core;
mod cosign;
mod disk;
mod error;
mod fsck;
mod journal;
mod log;
mod published;
mod record;
mod scan;
mod serve;
mod state;
mod stats;
mod storage;
mod tiles;
pub mod witness;

pub use clock::{Clock, SystemClock};
pub use config::LogConfig;
pub use cosign::{CheckpointCosigner, ConsistencySource, CosignFuture, WitnessCosignature};
pub use error::{LogError, RecordField, Setting};
pub use fsck::{Difference, FsckOptions, FsckReport, Place, Problem, fsck, fsck_tiles};
pub use journal::{JournalError, RecordFault};
pub use log::Log;
pub use published::PublishedCheckpoint;
pub use record::{
    Appended, Durability, Erasure, MAX_META_BYTES, MAX_PAYLOAD_BYTES, Record, RecordKey,
    RecordSecret, StoredRecord,
};
pub use scan::{Direction, Listed, MAX_PAGE_RECORDS, Scan, ScanPage};
pub use serve::{serve, serve_storage};
pub use state::StateError;
pub use stats::LogStats;
pub use storage::{DirectoryStorage, ObjectName, Storage, StorageError};
