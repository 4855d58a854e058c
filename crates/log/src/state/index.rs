//! The value that the index keeps for a key.

use crate::state::StateError;

/// Every how many records the offset of a record is kept for look-ups by index.
pub(crate) const PLACE_STRIDE: u64 = 64;

const FIXED_LEN: usize = 12;

/// Where the record of a key is: index (8 bytes, big-endian), offset in its segment (4 bytes), meta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) index: u64,
    pub(crate) offset: u32,
    pub(crate) meta: Vec<u8>,
}

impl IndexEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_LEN + self.meta.len());
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.meta);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let malformed = || StateError::Row { row: "keys" };
        let (index, rest) = bytes.split_first_chunk::<8>().ok_or_else(malformed)?;
        let (offset, meta) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
        Ok(Self {
            index: u64::from_be_bytes(*index),
            offset: u32::from_be_bytes(*offset),
            meta: meta.to_vec(),
        })
    }
}
