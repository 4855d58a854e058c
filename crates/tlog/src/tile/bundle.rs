//! Entry bundles: entries one after the other, each behind its length as a big-endian 16-bit number.

use alloc::vec::Vec;

use crate::{ErrorKind, tile::TILE_WIDTH};

/// Longest entry that a bundle can carry.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// Why entries could not be put into, or taken out of, a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// An entry is longer than [`MAX_ENTRY_BYTES`].
    #[error("entry {at} has {got} bytes, more than {MAX_ENTRY_BYTES}")]
    EntryTooLong {
        /// Position in the bundle.
        at: usize,
        /// Length of the entry.
        got: usize,
    },
    /// A bundle has 1 to 256 entries.
    #[error("{got} entries do not make a bundle of 1 to {TILE_WIDTH}")]
    Count {
        /// Number of entries asked for.
        got: usize,
    },
    /// The bytes end within an entry: the bundle has fewer entries than its name says.
    #[error("bundle ends within entry {at}")]
    Truncated {
        /// Position of the entry in the bundle.
        at: usize,
    },
    /// Bytes follow the last entry: the bundle has more entries than its name says.
    #[error("{got} bytes follow the last entry of the bundle")]
    TrailingBytes {
        /// Number of bytes left over.
        got: usize,
    },
}

impl BundleError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        "log.entries.malformed"
    }

    /// Every variant is about bytes that do not follow the format.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Malformed
    }
}

/// Encodes 1 to 256 entries as a bundle.
pub fn encode_entries<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, BundleError> {
    if entries.is_empty() || entries.len() > usize::from(TILE_WIDTH) {
        return Err(BundleError::Count { got: entries.len() });
    }
    let bytes = entries
        .iter()
        .map(|entry| entry.as_ref().len().saturating_add(2))
        .sum();
    let mut out = Vec::with_capacity(bytes);
    for (at, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong {
            at,
            got: entry.len(),
        })?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Ok(out)
}

/// Splits a bundle into exactly `width` entries (1 to 256).
///
/// The entries are untrusted until their leaf hashes were proven against a checkpoint.
pub fn decode_entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(BundleError::Count {
            got: usize::from(width),
        });
    }
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    for at in 0..usize::from(width) {
        let (length, tail) = rest
            .split_first_chunk::<2>()
            .ok_or(BundleError::Truncated { at })?;
        let (entry, tail) = tail
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or(BundleError::Truncated { at })?;
        entries.push(entry);
        rest = tail;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(BundleError::TrailingBytes { got: rest.len() })
    }
}
