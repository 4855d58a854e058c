//! Finding the end of the last segment after a crash.
//!
//! A group of records is written at once and acknowledged after it was synced. So what may be torn is the last group
//! alone, and nothing of it was acknowledged. A bad record is a torn one exactly if no record of a later group follows:
//! a later group was written only after the one before it had been synced. Anything else is damage, and is not cut.

use std::{io, path::Path};

use crate::journal::{
    JournalError,
    record::{ALIGN, HEADER_LEN, MAGIC, Nonce, RecordHeader},
    segment::{Expected, SEGMENT_HEADER_LEN, SegmentHeader, Window, read_record},
};

/// Where a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEnd {
    /// Offset behind the last complete group.
    pub(crate) offset: u64,
    /// What the next record will be.
    pub(crate) next: Expected,
    /// Time of the last record; of the last one before the segment, if it has none.
    pub(crate) last_ms: u64,
    /// Where the last complete group starts; `offset` if there is none.
    pub(crate) last_group_start: u64,
    /// Bytes behind `offset` that are not zero: what a crash left of a group that was not acknowledged.
    pub(crate) torn: bool,
}

/// Scans a segment to its end.
pub(crate) fn find_end(
    window: &mut Window,
    path: &Path,
    header: &SegmentHeader,
) -> Result<SegmentEnd, JournalError> {
    let io = |source| JournalError::Io {
        path: path.to_owned(),
        source,
    };
    let start = SEGMENT_HEADER_LEN as u64;
    let mut end = SegmentEnd {
        offset: start,
        next: Expected {
            index: header.first,
            group: header.last_group + 1,
        },
        last_ms: header.previous_ms,
        last_group_start: start,
        torn: false,
    };
    let (mut at, mut expected) = (end.offset, end.next);
    let fault = loop {
        match read_record(window, at, expected, &header.nonce).map_err(io)? {
            Ok(record) => {
                at = record.end();
                expected = Expected::after(&record.header);
                if record.header.last_of_group {
                    end.last_group_start = end.offset;
                    end.offset = at;
                    end.next = expected;
                    end.last_ms = record.header.appended_ms;
                }
            }
            Err(fault) => break fault,
        }
    };
    if let Some(later) = find_later_group(window, at, expected.group, &header.nonce).map_err(io)? {
        return Err(JournalError::Damaged {
            path: path.to_owned(),
            offset: at,
            index: expected.index,
            fault,
            later: Some(later),
        });
    }
    end.torn = has_nonzero(window, end.offset).map_err(io)?;
    Ok(end)
}

/// Index of a record behind `offset` that is of a later group than `group`.
fn find_later_group(
    window: &mut Window,
    offset: u64,
    group: u64,
    nonce: &Nonce,
) -> io::Result<Option<u64>> {
    let mut at = offset.next_multiple_of(ALIGN as u64);
    while at < window.file_len() {
        let chunk = window.bytes(at, 64 * 1024)?;
        let hit = chunk.chunks(ALIGN).position(|word| word == MAGIC);
        let Some(hit) = hit else {
            at += chunk.len().next_multiple_of(ALIGN) as u64;
            continue;
        };
        at += (hit * ALIGN) as u64;
        let header = RecordHeader::decode(window.bytes(at, HEADER_LEN)?, nonce);
        if let Ok(header) = header.as_ref()
            && header.group > group
        {
            return Ok(Some(header.index));
        }
        at += ALIGN as u64;
    }
    Ok(None)
}

fn has_nonzero(window: &mut Window, offset: u64) -> io::Result<bool> {
    let mut at = offset;
    while at < window.file_len() {
        let chunk = window.bytes(at, 64 * 1024)?;
        if chunk.iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
        at += chunk.len() as u64;
    }
    Ok(false)
}
