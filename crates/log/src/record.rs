//! What goes into the log and what comes back out of its journal.

use std::fmt;

use bytes::Bytes;
use proofmark_tlog::{MAX_ENTRY_BYTES, leaf_hash};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{LogError, RecordField};

/// Longest `meta` of a record, in bytes.
pub const MAX_META_BYTES: usize = 255;

/// Longest payload that the journal format carries, in bytes. [`crate::LogConfig::max_payload_bytes`] may be lower.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

/// The name under which a record is found again, such as a receipt id. All zero means that the record has none.
///
/// Keys that sort by time (UUID version 7) make listings come in the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordKey([u8; 16]);

impl RecordKey {
    /// No key: the record has an index only, and appending it twice makes two leaves.
    pub const NONE: Self = Self([0; 16]);
    /// The first key in the order of keys.
    pub const MIN: Self = Self::NONE;
    /// The last key in the order of keys.
    pub const MAX: Self = Self([0xff; 16]);

    /// Takes 16 bytes as a key.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is [`RecordKey::NONE`].
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl From<[u8; 16]> for RecordKey {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::LowerHex for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey({self:x})")
    }
}

/// The 32 bytes that open what a record commits to. Wiped when dropped; `Debug` shows nothing of it.
///
/// Trust: who has it can open the commitments and decrypt the payload of its record.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecordSecret([u8; 32]);

impl RecordSecret {
    /// Takes 32 bytes as a secret. The caller wipes its own copy.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RecordSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordSecret(..)")
    }
}

/// A record to append.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Its name; [`RecordKey::NONE`] for none.
    pub key: RecordKey,
    /// The leaf, public: at most [`MAX_ENTRY_BYTES`] bytes.
    pub entry: Bytes,
    /// Bytes for filters of listings, kept beside the key: at most [`MAX_META_BYTES`].
    pub meta: Bytes,
    /// The secret, which [`crate::Log::erase_secret`] can erase.
    pub secret: Option<RecordSecret>,
    /// Opaque bytes, kept until their journal segment is dropped.
    pub payload: Bytes,
}

impl Record {
    /// Refuses a record with a field that is longer than the log takes.
    pub(crate) fn check(&self, max_payload_bytes: usize) -> Result<(), LogError> {
        let too_long = |field, limit, bytes: &Bytes| {
            if bytes.len() > limit {
                return Err(LogError::TooLong {
                    field,
                    limit,
                    got: bytes.len(),
                });
            }
            Ok(())
        };
        too_long(RecordField::Entry, MAX_ENTRY_BYTES, &self.entry)?;
        too_long(RecordField::Meta, MAX_META_BYTES, &self.meta)?;
        too_long(RecordField::Payload, max_payload_bytes, &self.payload)
    }

    /// Hash of the leaf.
    pub(crate) fn leaf_hash(&self) -> proofmark_tlog::Hash {
        leaf_hash(&self.entry)
    }
}

/// What [`crate::Log::append`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// The record is on stable storage.
    #[default]
    Durable,
    /// The record has an index and is in the queue of the journal. A crash can lose it.
    Enqueued,
}

/// Answer to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Appended {
    /// Index of the leaf.
    pub index: u64,
    /// The key was in the log already: no leaf was added, and `index` is that of the first record with this key.
    pub duplicate: bool,
}

/// A record as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Index of the leaf.
    pub index: u64,
    /// Its name; [`RecordKey::NONE`] for none.
    pub key: RecordKey,
    /// The leaf.
    pub entry: Bytes,
    /// Bytes for filters of listings.
    pub meta: Bytes,
    /// The secret, unless the record never had one or it was erased.
    pub secret: Option<RecordSecret>,
    /// Whether the record had a secret that was erased.
    pub secret_erased: bool,
    /// Opaque bytes.
    pub payload: Bytes,
    /// When the record was appended, Unix milliseconds; never less than that of the record before.
    pub appended_at_ms: u64,
}

/// What [`crate::Log::erase_secret`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Erasure {
    /// The secret is gone from the journal, now or since an earlier call.
    Erased,
    /// The record never had a secret.
    NoSecret,
    /// The journal segment of the record was dropped, and the secret with it.
    Dropped,
    /// No record has this key.
    Unknown,
}
