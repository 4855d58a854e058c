//! The bytes of one journal record.
//!
//! ```text
//!   0  magic "pmjrec1\n"                     8
//!   8  index of the leaf                     8   big-endian, as all numbers
//!  16  group: number of the write            8
//!  24  appended at, Unix ms                  8
//!  32  key                                  16
//!  48  payload length                        4
//!  52  entry length                          2
//!  54  meta length                           1
//!  55  flags: 1 last of its group, 2 secret  1
//!  56  digest of entry, meta, payload       16
//!  72  digest of the nonce of the segment
//!      and of the 72 bytes before            8
//!  80  secret                               32   all 40 bytes zero when there is none, or when it was erased
//! 112  digest of key and secret              8
//! 120  entry, meta, payload, zeros up to a multiple of 8
//! ```
//!
//! Digests are truncated SHA-256: they find damage. The nonce keeps bytes that a caller chose (a payload) from being
//! taken for a record when recovery looks for records behind a torn one. The secret has a digest of its own, so that
//! overwriting it with zeros leaves the record valid.

use bytes::Bytes;
use proofmark_tlog::MAX_ENTRY_BYTES;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::record::{
    MAX_META_BYTES, MAX_PAYLOAD_BYTES, Record, RecordKey, RecordSecret, StoredRecord,
};

pub(crate) const MAGIC: &[u8; 8] = b"pmjrec1\n";
/// Records start at multiples of this.
pub(crate) const ALIGN: usize = 8;
/// Everything before the secret slot.
pub(crate) const HEADER_LEN: usize = 80;
pub(crate) const SECRET_SLOT_LEN: usize = 40;
/// Where the entry starts.
pub(crate) const BODY_START: usize = HEADER_LEN + SECRET_SLOT_LEN;
const HEADER_DIGEST_START: usize = 72;

const FLAG_LAST: u8 = 1;
const FLAG_SECRET: u8 = 2;

/// What makes bytes not a valid record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// The file ends within the record.
    #[error("the file ends within the record")]
    Truncated,
    /// The record does not start with its magic.
    #[error("no record starts here")]
    Magic,
    /// The header was altered.
    #[error("the header does not match its digest")]
    HeaderDigest,
    /// A flag that this version does not know, or a length that no record has.
    #[error("the header has impossible values")]
    Header,
    /// The record is of another place in the log.
    #[error("the record has index {got}, expected {expected}")]
    Index {
        /// Index that the record before it calls for.
        expected: u64,
        /// Index in the header.
        got: u64,
    },
    /// The group does not follow that of the record before.
    #[error("the record has group {got}, expected {expected}")]
    Group {
        /// Group that the record before it calls for.
        expected: u64,
        /// Group in the header.
        got: u64,
    },
    /// Entry, meta or payload were altered.
    #[error("entry, meta or payload do not match their digest")]
    BodyDigest,
    /// The bytes after the payload are not zero.
    #[error("the padding is not zero")]
    Padding,
    /// The secret was altered, or an erasure was interrupted; erase it again to finish.
    #[error("the secret does not match its digest")]
    Secret,
}

/// A nonce of a segment.
pub(crate) type Nonce = [u8; 16];

/// A decoded header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) index: u64,
    pub(crate) group: u64,
    pub(crate) appended_ms: u64,
    pub(crate) key: RecordKey,
    pub(crate) last_of_group: bool,
    has_secret: bool,
    entry_len: usize,
    meta_len: usize,
    payload_len: usize,
    body_digest: [u8; 16],
}

impl RecordHeader {
    /// Decodes the first [`HEADER_LEN`] bytes of a record.
    pub(crate) fn decode(bytes: &[u8], nonce: &Nonce) -> Result<Self, RecordFault> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(RecordFault::Truncated)?;
        if bytes[..8] != *MAGIC {
            return Err(RecordFault::Magic);
        }
        if header_digest(nonce, &bytes[..HEADER_DIGEST_START]) != bytes[HEADER_DIGEST_START..] {
            return Err(RecordFault::HeaderDigest);
        }
        let flags = bytes[55];
        let header = Self {
            index: u64::from_be_bytes(array(&bytes[8..])),
            group: u64::from_be_bytes(array(&bytes[16..])),
            appended_ms: u64::from_be_bytes(array(&bytes[24..])),
            key: RecordKey::from_bytes(array(&bytes[32..])),
            last_of_group: flags & FLAG_LAST != 0,
            has_secret: flags & FLAG_SECRET != 0,
            entry_len: usize::from(u16::from_be_bytes(array(&bytes[52..]))),
            meta_len: usize::from(bytes[54]),
            payload_len: u32::from_be_bytes(array(&bytes[48..])) as usize,
            body_digest: array(&bytes[56..]),
        };
        if flags & !(FLAG_LAST | FLAG_SECRET) != 0 || header.payload_len > MAX_PAYLOAD_BYTES {
            return Err(RecordFault::Header);
        }
        Ok(header)
    }

    /// Length of the whole record.
    pub(crate) fn record_len(&self) -> usize {
        record_len(self.entry_len, self.meta_len, self.payload_len)
    }

    /// Checks all of a record but its secret; `bytes` starts with the header that this is.
    pub(crate) fn check_body(&self, bytes: &[u8]) -> Result<(), RecordFault> {
        let end = BODY_START + self.entry_len + self.meta_len + self.payload_len;
        let (Some(body), Some(padding)) = (
            bytes.get(BODY_START..end),
            bytes.get(end..self.record_len()),
        ) else {
            return Err(RecordFault::Truncated);
        };
        if body_digest(&[body]) != self.body_digest {
            return Err(RecordFault::BodyDigest);
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err(RecordFault::Padding);
        }
        Ok(())
    }

    /// The entry, of a record whose body was checked.
    pub(crate) fn entry<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
            .get(BODY_START..BODY_START + self.entry_len)
            .unwrap_or_default()
    }

    /// The meta bytes, of a record whose body was checked.
    pub(crate) fn meta<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = BODY_START + self.entry_len;
        bytes.get(start..start + self.meta_len).unwrap_or_default()
    }

    /// Decodes the secret slot: the secret, and whether there was one that was erased.
    pub(crate) fn secret(&self, bytes: &[u8]) -> Result<(Option<RecordSecret>, bool), RecordFault> {
        let slot = bytes
            .get(HEADER_LEN..BODY_START)
            .ok_or(RecordFault::Truncated)?;
        let zero = slot.iter().all(|byte| *byte == 0);
        if !self.has_secret {
            return if zero {
                Ok((None, false))
            } else {
                Err(RecordFault::Secret)
            };
        }
        if zero {
            return Ok((None, true));
        }
        let secret = Zeroizing::new(array::<32>(slot));
        if secret_digest(&self.key, &secret) != slot[32..] {
            return Err(RecordFault::Secret);
        }
        Ok((Some(RecordSecret::from_bytes(*secret)), false))
    }

    /// Whether the record was appended with a secret.
    pub(crate) fn has_secret(&self) -> bool {
        self.has_secret
    }

    /// Takes a checked record apart.
    pub(crate) fn to_stored(self, bytes: &[u8]) -> Result<StoredRecord, RecordFault> {
        let (secret, secret_erased) = self.secret(bytes)?;
        let start = BODY_START + self.entry_len + self.meta_len;
        let payload = bytes
            .get(start..start + self.payload_len)
            .unwrap_or_default();
        Ok(StoredRecord {
            index: self.index,
            key: self.key,
            entry: Bytes::copy_from_slice(self.entry(bytes)),
            meta: Bytes::copy_from_slice(self.meta(bytes)),
            secret,
            secret_erased,
            payload: Bytes::copy_from_slice(payload),
            appended_at_ms: self.appended_ms,
        })
    }
}

/// A record encoded but for its place in the log, which [`RecordImage::seal`] fills in. Wiped when dropped.
pub(crate) struct RecordImage(Zeroizing<Vec<u8>>);

impl RecordImage {
    /// Encodes a record whose lengths were checked.
    pub(crate) fn encode(record: &Record) -> Self {
        debug_assert!(record.entry.len() <= MAX_ENTRY_BYTES && record.meta.len() <= MAX_META_BYTES);
        let len = record_len(record.entry.len(), record.meta.len(), record.payload.len());
        // The capacity is exact: growing would leave copies of the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 24]);
        bytes.extend_from_slice(record.key.as_bytes());
        bytes.extend_from_slice(&(record.payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(record.entry.len() as u16).to_be_bytes());
        bytes.push(record.meta.len() as u8);
        bytes.push(if record.secret.is_some() {
            FLAG_SECRET
        } else {
            0
        });
        bytes.extend_from_slice(&body_digest(&[
            &record.entry,
            &record.meta,
            &record.payload,
        ]));
        bytes.extend_from_slice(&[0; 8]);
        match &record.secret {
            Some(secret) => {
                bytes.extend_from_slice(secret.expose());
                bytes.extend_from_slice(&secret_digest(&record.key, secret.expose()));
            }
            None => bytes.extend_from_slice(&[0; SECRET_SLOT_LEN]),
        }
        bytes.extend_from_slice(&record.entry);
        bytes.extend_from_slice(&record.meta);
        bytes.extend_from_slice(&record.payload);
        bytes.resize(len, 0);
        Self(bytes)
    }

    /// Gives the record its place.
    pub(crate) fn seal(
        &mut self,
        index: u64,
        group: u64,
        last: bool,
        appended_ms: u64,
        nonce: &Nonce,
    ) {
        let bytes = &mut self.0;
        bytes[8..16].copy_from_slice(&index.to_be_bytes());
        bytes[16..24].copy_from_slice(&group.to_be_bytes());
        bytes[24..32].copy_from_slice(&appended_ms.to_be_bytes());
        bytes[55] = (bytes[55] & FLAG_SECRET) | if last { FLAG_LAST } else { 0 };
        let digest = header_digest(nonce, &bytes[..HEADER_DIGEST_START]);
        bytes[HEADER_DIGEST_START..HEADER_LEN].copy_from_slice(&digest);
    }

    /// The encoded bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Length of a record with fields of these lengths.
pub(crate) fn record_len(entry: usize, meta: usize, payload: usize) -> usize {
    (BODY_START + entry + meta + payload).next_multiple_of(ALIGN)
}

fn body_digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    array(&sha.finalize())
}

fn header_digest(nonce: &Nonce, header: &[u8]) -> [u8; 8] {
    let mut sha = Sha256::new();
    sha.update(nonce);
    sha.update(header);
    array(&sha.finalize())
}

fn secret_digest(key: &RecordKey, secret: &[u8; 32]) -> [u8; 8] {
    let mut sha = Sha256::new();
    sha.update(b"proofmark/log/1/journal/secret\n");
    sha.update(key.as_bytes());
    sha.update(secret);
    array(&sha.finalize())
}

/// The first `N` bytes of a slice that has them; zeros behind the end of one that does not.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (out, byte) in out.iter_mut().zip(bytes) {
        *out = *byte;
    }
    out
}

#[cfg(test)]
mod tests;
