//! Segment files: their names, their header, and reading records out of them one after the other.
//!
//! ```text
//!  0  "proofmark/log/1/journal\n"           24
//! 24  index of the first record              8   big-endian, as all numbers
//! 32  SHA-256 of the log's verifier key     32
//! 64  created at, Unix ms                    8
//! 72  time of the last record before it      8   Unix ms
//! 80  last group of the segments before      8
//! 88  nonce                                 16
//! 104 SHA-256 of the 104 bytes before       32
//! ```

use std::{io, path::Path, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    disk::{Disk, DiskFile, OpenMode},
    journal::{
        JournalError,
        record::{BODY_START, HEADER_LEN, Nonce, RecordFault, RecordHeader},
    },
};

const MAGIC: &[u8; 24] = b"proofmark/log/1/journal\n";
pub(crate) const SEGMENT_HEADER_LEN: usize = 136;
const DIGEST_START: usize = 104;
/// What is read at once when all records are read in order.
const READ_AHEAD: usize = 256 * 1024;
/// What is read at once when a few headers are.
const SHORT_READ_AHEAD: usize = 16 * 1024;

/// Which log a journal belongs to: SHA-256 of the text of its verifier key.
pub(crate) type JournalIdentity = [u8; 32];

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first: u64,
    pub(crate) identity: JournalIdentity,
    pub(crate) created_ms: u64,
    pub(crate) previous_ms: u64,
    pub(crate) last_group: u64,
    pub(crate) nonce: Nonce,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut out = [0; SEGMENT_HEADER_LEN];
        out[..24].copy_from_slice(MAGIC);
        out[24..32].copy_from_slice(&self.first.to_be_bytes());
        out[32..64].copy_from_slice(&self.identity);
        out[64..72].copy_from_slice(&self.created_ms.to_be_bytes());
        out[72..80].copy_from_slice(&self.previous_ms.to_be_bytes());
        out[80..88].copy_from_slice(&self.last_group.to_be_bytes());
        out[88..DIGEST_START].copy_from_slice(&self.nonce);
        let digest = Sha256::digest(&out[..DIGEST_START]);
        out[DIGEST_START..].copy_from_slice(&digest);
        out
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_LEN]) -> Option<Self> {
        let intact = bytes[..24] == *MAGIC
            && Sha256::digest(&bytes[..DIGEST_START])[..] == bytes[DIGEST_START..];
        let number = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |number| u64::from_be_bytes(*number))
        };
        intact.then_some(Self {
            first: number(24),
            identity: *bytes[32..].first_chunk()?,
            created_ms: number(64),
            previous_ms: number(72),
            last_group: number(80),
            nonce: *bytes[88..].first_chunk()?,
        })
    }

    /// Opens a segment and reads its header, which must be that of this log and name.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        mode: OpenMode,
        first: u64,
        identity: &JournalIdentity,
    ) -> Result<(Arc<dyn DiskFile>, Self), JournalError> {
        let io = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let file = disk.open(path, mode).map_err(io)?;
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        match file.read_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(JournalError::SegmentHeader {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(io(error)),
        }
        let header = Self::decode(&bytes)
            .filter(|header| header.first == first)
            .ok_or_else(|| JournalError::SegmentHeader {
                path: path.to_owned(),
            })?;
        if header.identity != *identity {
            return Err(JournalError::OtherLog {
                path: path.to_owned(),
            });
        }
        Ok((file, header))
    }
}

/// File name of the segment that starts with a record.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// Index of the first record of the segment with this name.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let first = name.strip_suffix(".seg")?.parse().ok()?;
    (segment_name(first) == name).then_some(first)
}

/// A part of a file that is kept in memory while the file is read in order.
#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn DiskFile>,
    len: u64,
    read_ahead: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// A window for reading on to the end of a file.
    pub(crate) fn new(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        Self::with_read_ahead(file, READ_AHEAD)
    }

    /// A window for reading a few records.
    pub(crate) fn short(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        Self::with_read_ahead(file, SHORT_READ_AHEAD)
    }

    fn with_read_ahead(file: Arc<dyn DiskFile>, read_ahead: usize) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self {
            file,
            len,
            read_ahead,
            start: 0,
            bytes: Vec::new(),
        })
    }

    /// Length of the file when it was opened.
    pub(crate) fn file_len(&self) -> u64 {
        self.len
    }

    /// Up to `len` bytes from `offset` on, fewer at the end of the file.
    pub(crate) fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let len = len.min(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX));
        let inside = offset.checked_sub(self.start).and_then(|at| {
            let at = usize::try_from(at).ok()?;
            (at.checked_add(len)? <= self.bytes.len()).then_some(at)
        });
        let at = match inside {
            Some(at) => at,
            None => {
                let rest = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
                self.bytes.resize(len.max(self.read_ahead).min(rest), 0);
                self.start = offset;
                self.file.read_at(&mut self.bytes, offset)?;
                0
            }
        };
        Ok(&self.bytes[at..at + len])
    }
}

/// What the record at some place must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Index of the record.
    pub(crate) index: u64,
    /// Group of the record.
    pub(crate) group: u64,
}

impl Expected {
    /// What the record after this one must be.
    pub(crate) fn after(header: &RecordHeader) -> Self {
        Self {
            index: header.index + 1,
            group: header.group + u64::from(header.last_of_group),
        }
    }
}

/// A record as it lies in its segment, its body checked.
#[derive(Debug)]
pub(crate) struct RecordView<'a> {
    pub(crate) header: RecordHeader,
    pub(crate) offset: u64,
    pub(crate) bytes: &'a [u8],
}

impl RecordView<'_> {
    /// Where the next record starts.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.header.record_len() as u64
    }
}

/// Reads and checks the record at `offset`.
pub(crate) fn read_record<'a>(
    window: &'a mut Window,
    offset: u64,
    expected: Expected,
    nonce: &Nonce,
) -> io::Result<Result<RecordView<'a>, RecordFault>> {
    let header = match RecordHeader::decode(window.bytes(offset, HEADER_LEN)?, nonce) {
        Ok(header) => header,
        Err(fault) => return Ok(Err(fault)),
    };
    if header.index != expected.index {
        return Ok(Err(RecordFault::Index {
            expected: expected.index,
            got: header.index,
        }));
    }
    if header.group != expected.group {
        return Ok(Err(RecordFault::Group {
            expected: expected.group,
            got: header.group,
        }));
    }
    let bytes = window.bytes(offset, header.record_len())?;
    Ok(header.check_body(bytes).map(|()| RecordView {
        header,
        offset,
        bytes,
    }))
}

/// Reads the header of the record at `offset` without looking at its body.
pub(crate) fn read_header(
    window: &mut Window,
    offset: u64,
    index: u64,
    nonce: &Nonce,
) -> io::Result<Result<RecordHeader, RecordFault>> {
    let header = match RecordHeader::decode(window.bytes(offset, BODY_START)?, nonce) {
        Ok(header) => header,
        Err(fault) => return Ok(Err(fault)),
    };
    if header.index != index {
        return Ok(Err(RecordFault::Index {
            expected: index,
            got: header.index,
        }));
    }
    Ok(Ok(header))
}
