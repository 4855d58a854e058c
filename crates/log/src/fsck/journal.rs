//! Journal records against entries, and the index against journal records.

use std::{
    ops::Bound,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use proofmark_tlog::{BundleId, TILE_HEIGHT, TILE_WIDTH};

use crate::{
    disk::OpenMode,
    error::{LogError, io_error},
    fsck::{Check, FsckReport, Place, Problem},
    journal::{
        Expected, JournalError, JournalIdentity, RecordView, SEGMENT_HEADER_LEN, SegmentHeader,
        Window, find_end, parse_segment_name, read_record, segment_name,
    },
    record::RecordKey,
    scan::Direction,
    state::{LogState, PLACE_STRIDE, State, StateError, StateReader},
    tiles::read_bundle,
};

/// What the segments are checked against.
struct Against<'a> {
    dir: &'a Path,
    identity: JournalIdentity,
    state: &'a State,
    /// Number of integrated records.
    size: u64,
    /// First index of each segment, in order.
    firsts: Vec<u64>,
    /// Keys found in records that are integrated.
    keyed: AtomicU64,
    /// Index behind the last record, and whether a torn group follows.
    end: AtomicU64,
    torn: AtomicU64,
}

impl Check<'_> {
    /// Checks the segments in `dir`.
    pub(super) fn journal(
        &self,
        dir: &Path,
        identity: JournalIdentity,
        state: &State,
        stored: &LogState,
        report: &mut FsckReport,
    ) -> Result<(), LogError> {
        let names = self.disk.list(dir).map_err(io_error("list", dir))?;
        let mut firsts = Vec::new();
        for name in names {
            match parse_segment_name(&name) {
                Some(first) => firsts.push(first),
                // The one thing that a crash leaves is removed when the log is opened.
                None if name.ends_with(".tmp") => {}
                None => self.differs(Place::File(dir.join(name)), Problem::Unexpected),
            }
        }
        let size = stored.frontier.size();
        let kept = firsts
            .partition_point(|first| *first <= stored.journal_start)
            .saturating_sub(1);
        // Segments before are dropped when the log is opened.
        let firsts = firsts.split_off(kept);
        let starts = firsts
            .first()
            .is_some_and(|first| *first <= stored.journal_start);
        if !starts && (size > 0 || !firsts.is_empty()) {
            let name = segment_name(stored.journal_start);
            self.differs(
                Place::Segment {
                    name,
                    offset: None,
                    index: None,
                },
                Problem::Missing,
            );
        }
        let start = firsts.first().copied().unwrap_or(size);
        let against = Against {
            dir,
            identity,
            state,
            size,
            firsts,
            keyed: AtomicU64::new(0),
            end: AtomicU64::new(0),
            torn: AtomicU64::new(0),
        };
        self.parallel(against.firsts.len() as u64, |at| {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            if let Err((first, error)) = self.segment(&against, at) {
                self.segment_error(first, &error);
            }
        });
        let end = against.end.load(Ordering::Relaxed);
        report.pending = end.saturating_sub(size);
        report.torn_tail = against.torn.load(Ordering::Relaxed) > 0;
        self.index(&against, start)?;
        Ok(())
    }

    fn segment_error(&self, first: u64, error: &LogError) {
        let name = segment_name(first);
        let (offset, index, problem) = match error {
            LogError::Journal(JournalError::Damaged {
                offset,
                index,
                fault,
                ..
            }) => (Some(*offset), Some(*index), Problem::Record(*fault)),
            LogError::Journal(JournalError::OtherLog { .. }) => (None, None, Problem::OtherLog),
            LogError::Journal(JournalError::Io { source, .. }) => {
                (None, None, Problem::Unreadable(source.kind()))
            }
            _ => (None, None, Problem::Malformed),
        };
        self.differs(
            Place::Segment {
                name,
                offset,
                index,
            },
            problem,
        );
    }

    fn segment(&self, against: &Against<'_>, at: usize) -> Result<(), (u64, LogError)> {
        let Some(first) = against.firsts.get(at).copied() else {
            return Ok(());
        };
        let failed = |error: LogError| (first, error);
        let path = against.dir.join(segment_name(first));
        let io = |source| {
            LogError::Journal(JournalError::Io {
                path: path.clone(),
                source,
            })
        };
        let (file, header) =
            SegmentHeader::open(&*self.disk, &path, OpenMode::Read, first, &against.identity)
                .map_err(|error| failed(error.into()))?;
        let mut window = Window::new(Arc::clone(&file)).map_err(|error| failed(io(error)))?;
        let next = against.firsts.get(at + 1).copied();
        let end = match next {
            Some(next) => next,
            None => {
                // The end of the last segment is where recovery would put it.
                let end =
                    find_end(&mut window, &path, &header).map_err(|error| failed(error.into()))?;
                against.end.store(end.next.index, Ordering::Relaxed);
                against.torn.store(u64::from(end.torn), Ordering::Relaxed);
                if end.next.index < against.size {
                    let place = Place::Segment {
                        name: segment_name(first),
                        offset: Some(end.offset),
                        index: Some(end.next.index),
                    };
                    self.differs(
                        place,
                        Problem::End {
                            expected: against.size,
                            got: end.next.index,
                        },
                    );
                }
                end.next.index
            }
        };
        let mut records = Records {
            check: self,
            against,
            first,
            reader: against
                .state
                .reader()
                .map_err(|error| failed(error.into()))?,
            bundle: None,
        };
        let mut expected = Expected {
            index: first,
            group: header.last_group + 1,
        };
        let mut offset = SEGMENT_HEADER_LEN as u64;
        while expected.index < end {
            let record = read_record(&mut window, offset, expected, &header.nonce)
                .map_err(|error| failed(io(error)))?;
            let record = record.map_err(|fault| {
                failed(LogError::Journal(JournalError::Damaged {
                    path: path.clone(),
                    offset,
                    index: expected.index,
                    fault,
                    later: None,
                }))
            })?;
            records
                .check(&record)
                .map_err(|error| failed(error.into()))?;
            offset = record.end();
            expected = Expected::after(&record.header);
        }
        let trailing = window.file_len().saturating_sub(offset);
        if next.is_some() && trailing > 0 {
            let place = Place::Segment {
                name: segment_name(first),
                offset: Some(offset),
                index: None,
            };
            self.differs(place, Problem::Trailing { got: trailing });
        }
        Ok(())
    }

    /// Walks over the index: every row must be of a record that is there, or was dropped.
    fn index(&self, against: &Against<'_>, start: u64) -> Result<(), StateError> {
        let mut kept = 0;
        let mut rows = 0;
        against.state.walk(
            (Bound::Unbounded, Bound::Unbounded),
            Direction::Ascending,
            |key, entry| {
                rows += 1;
                if entry.index >= against.size {
                    self.differs(Place::Key(key), Problem::NoRecord);
                } else if entry.index >= start {
                    kept += 1;
                }
                true
            },
        )?;
        self.keys.store(rows, Ordering::Relaxed);
        if kept == against.keyed.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Every record has its row, so some rows have no record: find out which.
        let catalog = crate::journal::Catalog::new(
            Arc::clone(&self.disk),
            against.dir.to_owned(),
            against.identity,
        );
        for first in &against.firsts {
            let path = against.dir.join(segment_name(*first));
            if let Ok((file, header)) = SegmentHeader::open(
                &*self.disk,
                &path,
                OpenMode::Read,
                *first,
                &against.identity,
            ) {
                catalog.add(&header, file);
            }
        }
        against.state.walk(
            (Bound::Unbounded, Bound::Unbounded),
            Direction::Ascending,
            |key, entry| {
                if (start..against.size).contains(&entry.index) {
                    let record = catalog.read(entry.index, u64::from(entry.offset));
                    let same = matches!(record, Ok(Some(record)) if record.key == key);
                    if !same {
                        self.differs(Place::Key(key), Problem::NoRecord);
                    }
                }
                true
            },
        )?;
        Ok(())
    }
}

/// Checks the records of one segment, in order.
struct Records<'a> {
    check: &'a Check<'a>,
    against: &'a Against<'a>,
    first: u64,
    reader: StateReader,
    /// The bundle of the last record.
    bundle: Option<(u64, Vec<Bytes>)>,
}

impl Records<'_> {
    fn check(&mut self, record: &RecordView<'_>) -> Result<(), StateError> {
        let header = &record.header;
        self.check.records.fetch_add(1, Ordering::Relaxed);
        let place = || Place::Segment {
            name: segment_name(self.first),
            offset: Some(record.offset),
            index: Some(header.index),
        };
        if let Err(fault) = header.secret(record.bytes) {
            self.check.differs(place(), Problem::Record(fault));
        }
        if header.index >= self.against.size {
            return Ok(());
        }
        let place = place();
        if self
            .entry(header.index)
            .is_some_and(|entry| *entry != header.entry(record.bytes))
        {
            self.check.differs(place, Problem::Entry);
        }
        self.row(record)
    }

    /// The published entry; `None` if its bundle is bad, which was reported already.
    fn entry(&mut self, index: u64) -> Option<&Bytes> {
        let number = index >> TILE_HEIGHT;
        if self
            .bundle
            .as_ref()
            .is_none_or(|(known, _)| *known != number)
        {
            let bundle = BundleId::in_tree(number, self.against.size)?;
            let entries = read_bundle(&self.check.storage, bundle).unwrap_or_default();
            self.bundle = Some((number, entries));
        }
        let at = usize::try_from(index % u64::from(TILE_WIDTH)).ok()?;
        self.bundle.as_ref()?.1.get(at)
    }

    /// Checks what the index says about a record.
    fn row(&self, record: &RecordView<'_>) -> Result<(), StateError> {
        let header = &record.header;
        let (index, offset) = (header.index, record.offset);
        if index.is_multiple_of(PLACE_STRIDE) {
            match self.reader.place(index)? {
                Some(got) if got == offset => {}
                Some(got_offset) => self.check.differs(
                    Place::Record(index),
                    Problem::Index {
                        index,
                        offset,
                        got_index: index,
                        got_offset,
                    },
                ),
                None => self.check.differs(Place::Record(index), Problem::Missing),
            }
        }
        let key: RecordKey = header.key;
        if key.is_none() {
            return Ok(());
        }
        let Some(entry) = self.reader.find(&key)? else {
            self.check.differs(Place::Key(key), Problem::Missing);
            return Ok(());
        };
        self.against.keyed.fetch_add(1, Ordering::Relaxed);
        let got_offset = u64::from(entry.offset);
        if (entry.index, got_offset) != (index, offset) {
            let problem = Problem::Index {
                index,
                offset,
                got_index: entry.index,
                got_offset,
            };
            self.check.differs(Place::Key(key), problem);
        } else if entry.meta != header.meta(record.bytes) {
            self.check.differs(Place::Key(key), Problem::Meta);
        }
        Ok(())
    }
}
