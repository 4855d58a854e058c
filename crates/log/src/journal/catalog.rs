//! Which segments there are, and reading single records out of them.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use zeroize::Zeroizing;

use crate::{
    disk::{Disk, DiskFile, OpenMode},
    journal::{
        JournalError,
        record::{BODY_START, HEADER_LEN, Nonce, RecordFault, RecordHeader, SECRET_SLOT_LEN},
        segment::{
            Expected, JournalIdentity, RecordView, SEGMENT_HEADER_LEN, SegmentHeader, Window,
            read_header, read_record, segment_name,
        },
    },
    record::{Erasure, StoredRecord},
};

/// Files that are kept open for reading.
const OPEN_FILES: usize = 16;

/// An open segment.
#[derive(Debug, Clone)]
struct OpenSegment {
    first: u64,
    file: Arc<dyn DiskFile>,
    nonce: Nonce,
}

#[derive(Debug, Default)]
struct Segments {
    /// First index of each segment, and the time of the last record before it.
    previous_ms: BTreeMap<u64, u64>,
    /// The last used is the last.
    open: VecDeque<OpenSegment>,
}

/// The segments of a journal, shared by the writer and all readers.
#[derive(Debug)]
pub(crate) struct Catalog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    identity: JournalIdentity,
    segments: Mutex<Segments>,
}

impl Catalog {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, identity: JournalIdentity) -> Self {
        Self {
            disk,
            dir,
            identity,
            segments: Mutex::default(),
        }
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn identity(&self) -> &JournalIdentity {
        &self.identity
    }

    pub(crate) fn path(&self, first: u64) -> PathBuf {
        self.dir.join(segment_name(first))
    }

    /// A panic elsewhere cannot leave the maps half changed: each change is one call.
    fn lock(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a segment whose header is durable.
    pub(crate) fn add(&self, header: &SegmentHeader, file: Arc<dyn DiskFile>) {
        let mut segments = self.lock();
        segments
            .previous_ms
            .insert(header.first, header.previous_ms);
        remember(
            &mut segments.open,
            OpenSegment {
                first: header.first,
                file,
                nonce: header.nonce,
            },
        );
    }

    /// First indexes of the segments, in order.
    pub(crate) fn firsts(&self) -> Vec<u64> {
        self.lock().previous_ms.keys().copied().collect()
    }

    /// Index of the first record that was not dropped, if there is a segment.
    pub(crate) fn start(&self) -> Option<u64> {
        self.lock().previous_ms.keys().next().copied()
    }

    /// First index of the segment in which a record is, if that was not dropped.
    fn segment_of(&self, index: u64) -> Option<u64> {
        self.lock()
            .previous_ms
            .range(..=index)
            .next_back()
            .map(|(first, _)| *first)
    }

    /// First index of the first segment that has to stay when the records before a time are dropped.
    ///
    /// A segment can go when its last record, of which the next segment knows the time, is older, and all of its
    /// records are among the first `size` ones.
    pub(crate) fn first_kept_after(&self, before_ms: u64, size: u64) -> Option<u64> {
        let segments = self.lock();
        let followers = segments.previous_ms.iter().skip(1);
        let kept = followers
            .take_while(|(first, previous)| **previous < before_ms && **first <= size)
            .last()
            .or_else(|| segments.previous_ms.iter().next());
        kept.map(|(first, _)| *first)
    }

    /// Removes the segments before `first`. Readers that have one open finish with it.
    pub(crate) fn drop_before(&self, first: u64) -> Result<usize, JournalError> {
        let dropped: Vec<u64> = {
            let mut segments = self.lock();
            let kept = segments.previous_ms.split_off(&first);
            let dropped = std::mem::replace(&mut segments.previous_ms, kept);
            segments.open.retain(|segment| segment.first >= first);
            dropped.into_keys().collect()
        };
        for first in &dropped {
            let path = self.path(*first);
            self.disk
                .remove_file(&path)
                .map_err(|source| JournalError::Io { path, source })?;
        }
        if !dropped.is_empty() {
            let dir = |source| JournalError::Io {
                path: self.dir.clone(),
                source,
            };
            self.disk.sync_dir(&self.dir).map_err(dir)?;
        }
        Ok(dropped.len())
    }

    fn open(&self, first: u64) -> Result<OpenSegment, JournalError> {
        let known = {
            let mut segments = self.lock();
            let at = segments
                .open
                .iter()
                .position(|segment| segment.first == first);
            at.and_then(|at| segments.open.remove(at))
                .inspect(|segment| {
                    segments.open.push_back(segment.clone());
                })
        };
        if let Some(segment) = known {
            return Ok(segment);
        }
        let (file, header) = SegmentHeader::open(
            &*self.disk,
            &self.path(first),
            OpenMode::Write,
            first,
            &self.identity,
        )?;
        let segment = OpenSegment {
            first,
            file,
            nonce: header.nonce,
        };
        remember(&mut self.lock().open, segment.clone());
        Ok(segment)
    }

    /// Reads the record at an offset that the writer or the index named. `None` if its segment was dropped.
    pub(crate) fn read(
        &self,
        index: u64,
        offset: u64,
    ) -> Result<Option<StoredRecord>, JournalError> {
        let Some(first) = self.segment_of(index) else {
            return Ok(None);
        };
        let segment = match self.open(first) {
            Ok(segment) => segment,
            // Dropped since the look-up.
            Err(_) if self.segment_of(index) != Some(first) => return Ok(None),
            Err(error) => return Err(error),
        };
        let path = self.path(first);
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let damaged = |fault| JournalError::Damaged {
            path: path.clone(),
            offset,
            index,
            fault,
            later: None,
        };
        let header = read_place(&segment, index, offset)
            .map_err(io)?
            .map_err(damaged)?;
        // The buffer holds the secret.
        let mut bytes = Zeroizing::new(vec![0; header.record_len()]);
        segment.file.read_at(&mut bytes, offset).map_err(io)?;
        header.check_body(&bytes).map_err(damaged)?;
        header.to_stored(&bytes).map(Some).map_err(damaged)
    }

    /// Offset of a record, found by walking over headers from a place where a record is known to start.
    pub(crate) fn locate(
        &self,
        index: u64,
        from: Option<(u64, u64)>,
    ) -> Result<Option<u64>, JournalError> {
        let Some(first) = self.segment_of(index) else {
            return Ok(None);
        };
        let segment = self.open(first)?;
        let path = self.path(first);
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let mut window = Window::short(segment.file).map_err(io)?;
        // A place in another segment is of no use.
        let (mut at, mut offset) = from
            .filter(|(known, _)| (first..=index).contains(known))
            .unwrap_or((first, SEGMENT_HEADER_LEN as u64));
        while at < index {
            let header = read_header(&mut window, offset, at, &segment.nonce).map_err(io)?;
            let header = header.map_err(|fault| JournalError::Damaged {
                path: path.clone(),
                offset,
                index: at,
                fault,
                later: None,
            })?;
            offset += header.record_len() as u64;
            at += 1;
        }
        Ok(Some(offset))
    }

    /// Overwrites the secret of a record with zeros and syncs.
    pub(crate) fn erase(&self, index: u64, offset: u64) -> Result<Erasure, JournalError> {
        let Some(first) = self.segment_of(index) else {
            return Ok(Erasure::Dropped);
        };
        let segment = self.open(first)?;
        let path = self.path(first);
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let damaged = |fault| JournalError::Damaged {
            path: path.clone(),
            offset,
            index,
            fault,
            later: None,
        };
        let header = read_place(&segment, index, offset)
            .map_err(io)?
            .map_err(damaged)?;
        if !header.has_secret() {
            return Ok(Erasure::NoSecret);
        }
        segment
            .file
            .write_at(&[0; SECRET_SLOT_LEN], offset + HEADER_LEN as u64)
            .map_err(io)?;
        segment.file.sync_data().map_err(io)?;
        Ok(Erasure::Erased)
    }

    /// Calls `visit` for every record from `from` up to `end`, each checked. They must be there without a gap.
    pub(crate) fn replay<E: From<JournalError>>(
        &self,
        from: u64,
        end: u64,
        mut visit: impl FnMut(RecordView<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let firsts = self.firsts();
        let start = firsts
            .partition_point(|first| *first <= from)
            .saturating_sub(1);
        for (at, first) in firsts.iter().enumerate().skip(start) {
            if *first >= end {
                break;
            }
            let next = firsts.get(at + 1).map_or(end, |next| end.min(*next));
            self.replay_segment(*first, from, next, &mut visit)?;
        }
        Ok(())
    }

    fn replay_segment<E: From<JournalError>>(
        &self,
        first: u64,
        from: u64,
        end: u64,
        visit: &mut impl FnMut(RecordView<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = self.path(first);
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let (file, header) =
            SegmentHeader::open(&*self.disk, &path, OpenMode::Read, first, &self.identity)?;
        let mut window = Window::new(file).map_err(io)?;
        let mut expected = Expected {
            index: first,
            group: header.last_group + 1,
        };
        let mut offset = SEGMENT_HEADER_LEN as u64;
        while expected.index < end {
            let damaged = |fault| JournalError::Damaged {
                path: path.clone(),
                offset,
                index: expected.index,
                fault,
                later: None,
            };
            if expected.index < from {
                let record = read_header(&mut window, offset, expected.index, &header.nonce)
                    .map_err(io)?
                    .map_err(damaged)?;
                offset += record.record_len() as u64;
                expected = Expected::after(&record);
            } else {
                let record = read_record(&mut window, offset, expected, &header.nonce)
                    .map_err(io)?
                    .map_err(damaged)?;
                offset = record.end();
                expected = Expected::after(&record.header);
                visit(record)?;
            }
        }
        Ok(())
    }
}

fn remember(open: &mut VecDeque<OpenSegment>, segment: OpenSegment) {
    open.retain(|known| known.first != segment.first);
    if open.len() >= OPEN_FILES {
        open.pop_front();
    }
    open.push_back(segment);
}

/// Reads the header of the record at a place that the index names.
fn read_place(
    segment: &OpenSegment,
    index: u64,
    offset: u64,
) -> io::Result<Result<RecordHeader, RecordFault>> {
    let mut bytes = [0; BODY_START];
    match segment.file.read_at(&mut bytes, offset) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Err(RecordFault::Truncated));
        }
        Err(error) => return Err(error),
    }
    let header = RecordHeader::decode(&bytes, &segment.nonce);
    Ok(header.and_then(|header| {
        if header.index == index {
            Ok(header)
        } else {
            Err(RecordFault::Index {
                expected: index,
                got: header.index,
            })
        }
    }))
}
