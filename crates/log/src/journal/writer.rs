//! Writing groups of records, rotating segments, and opening the journal after whatever happened.

use std::{path::PathBuf, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    disk::{Disk, DiskFile, OpenMode},
    journal::{
        JournalError,
        catalog::Catalog,
        record::{Nonce, RecordImage},
        recover::find_end,
        segment::{JournalIdentity, SEGMENT_HEADER_LEN, SegmentHeader, Window, parse_segment_name},
    },
};

/// Zeros are written this far ahead in idle moments: a sync that need not record new blocks of a file takes half as long.
const FILL_AHEAD: u64 = 256 * 1024;
/// Suffix of a segment whose header is not durable yet.
const TEMPORARY: &str = ".tmp";

/// How a journal is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalOptions {
    pub(crate) segment_bytes: u64,
    pub(crate) segment_max_age_ms: u64,
}

/// What opening the journal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Number of records that the journal ever had.
    pub(crate) size: u64,
    /// Time of the last record.
    pub(crate) last_ms: u64,
    /// Whether a group that was not acknowledged was cut off.
    pub(crate) torn: bool,
}

/// A record on its way into the journal.
pub(crate) struct Outgoing {
    pub(crate) image: RecordImage,
    pub(crate) appended_ms: u64,
}

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    header: SegmentHeader,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Where the next record goes.
    offset: u64,
    /// Length of the file; behind `offset` there are zeros.
    file_len: u64,
}

/// The one writer of a journal. After an error it must not be used again: what is on disk is not certain.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    catalog: Arc<Catalog>,
    options: JournalOptions,
    active: Active,
    next_index: u64,
    next_group: u64,
    last_ms: u64,
}

impl JournalWriter {
    /// Opens the journal in `dir`, or makes it, and cuts off what was not acknowledged.
    ///
    /// `start` is the first index that must be there, `integrated` the number of records that must not be missing.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        identity: JournalIdentity,
        options: JournalOptions,
        (start, integrated): (u64, u64),
        now_ms: u64,
    ) -> Result<(Self, Arc<Catalog>, Recovered), JournalError> {
        let io = |source| JournalError::Io {
            path: dir.clone(),
            source,
        };
        disk.create_dir_all(&dir).map_err(io)?;
        let names = disk.list(&dir).map_err(io)?;
        for name in names.iter().filter(|name| name.ends_with(TEMPORARY)) {
            disk.remove_file(&dir.join(name)).map_err(io)?;
        }
        // A segment that is visible must also be durable before anything is written behind it.
        disk.sync_dir(&dir).map_err(io)?;
        let firsts: Vec<u64> = names
            .iter()
            .filter_map(|name| parse_segment_name(name))
            .collect();
        let catalog = Arc::new(Catalog::new(disk, dir, identity));
        let Some(last) = firsts.last().copied() else {
            if integrated > 0 {
                return Err(JournalError::MissingStart {
                    expected: start,
                    got: None,
                });
            }
            let header = new_header(0, identity, (now_ms, 0), 0)?;
            let active = create(&catalog, header)?;
            let writer = Self {
                catalog: Arc::clone(&catalog),
                options,
                active,
                next_index: 0,
                next_group: 1,
                last_ms: 0,
            };
            return Ok((
                writer,
                catalog,
                Recovered {
                    size: 0,
                    last_ms: 0,
                    torn: false,
                },
            ));
        };
        for first in &firsts {
            let path = catalog.path(*first);
            let (file, header) =
                SegmentHeader::open(&**catalog.disk(), &path, OpenMode::Write, *first, &identity)?;
            catalog.add(&header, file);
        }
        if firsts.first().is_none_or(|first| *first > start) {
            return Err(JournalError::MissingStart {
                expected: start,
                got: firsts.first().copied(),
            });
        }
        let (writer, recovered) = Self::open_last(&catalog, last, options)?;
        if recovered.size < integrated {
            return Err(JournalError::MissingEnd {
                expected: integrated,
                got: recovered.size,
            });
        }
        // A crash came between the record of a drop and the drop.
        let kept = firsts.iter().rev().find(|first| **first <= start);
        if let Some(kept) = kept {
            catalog.drop_before(*kept)?;
        }
        Ok((writer, catalog, recovered))
    }

    fn open_last(
        catalog: &Arc<Catalog>,
        last: u64,
        options: JournalOptions,
    ) -> Result<(Self, Recovered), JournalError> {
        let path = catalog.path(last);
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let (file, header) = SegmentHeader::open(
            &**catalog.disk(),
            &path,
            OpenMode::Write,
            last,
            catalog.identity(),
        )?;
        let mut window = Window::new(Arc::clone(&file)).map_err(io)?;
        let end = find_end(&mut window, &path, &header)?;
        let mut file_len = window.file_len();
        if end.torn {
            // Left in place, it could be taken for what is written in front of it.
            file.set_len(end.offset).map_err(io)?;
            file_len = end.offset;
        }
        // If the last sync failed before the crash, the last group may be in memory only, and marked clean there.
        // Writing it again makes this sync answer for it.
        let len = usize::try_from(end.offset - end.last_group_start).unwrap_or(usize::MAX);
        let mut group = Zeroizing::new(vec![0; len]);
        file.read_at(&mut group, end.last_group_start).map_err(io)?;
        file.write_at(&group, end.last_group_start).map_err(io)?;
        file.sync_data().map_err(io)?;
        let writer = Self {
            catalog: Arc::clone(catalog),
            options,
            active: Active {
                header,
                path,
                file,
                offset: end.offset,
                file_len,
            },
            next_index: end.next.index,
            next_group: end.next.group,
            last_ms: end.last_ms,
        };
        let recovered = Recovered {
            size: end.next.index,
            last_ms: end.last_ms,
            torn: end.torn,
        };
        Ok((writer, recovered))
    }

    /// Index of the next record.
    pub(crate) fn next_index(&self) -> u64 {
        self.next_index
    }

    /// Writes records as one group and syncs. Returns their offsets, in order.
    ///
    /// When it returns without an error, every record of the group is on stable storage.
    pub(crate) fn append(
        &mut self,
        records: &mut [Outgoing],
        now_ms: u64,
    ) -> Result<Vec<u64>, JournalError> {
        let Some(newest) = records.last() else {
            return Ok(Vec::new());
        };
        let newest_ms = newest.appended_ms;
        let len: usize = records.iter().map(|record| record.image.len()).sum();
        if self.is_due(len as u64, now_ms) {
            self.rotate(now_ms)?;
        }
        let mut group = Zeroizing::new(Vec::with_capacity(len));
        let mut offsets = Vec::with_capacity(records.len());
        let count = records.len() as u64;
        for (at, record) in (0u64..).zip(records) {
            offsets.push(self.active.offset + group.len() as u64);
            record.image.seal(
                self.next_index + at,
                self.next_group,
                at + 1 == count,
                record.appended_ms,
                &self.active.header.nonce,
            );
            group.extend_from_slice(record.image.as_bytes());
        }
        let active = &mut self.active;
        let io = |source| JournalError::Io {
            path: active.path.clone(),
            source,
        };
        active.file.write_at(&group, active.offset).map_err(io)?;
        active.file.sync_data().map_err(io)?;
        active.offset += len as u64;
        active.file_len = active.file_len.max(active.offset);
        self.next_index += count;
        self.next_group += 1;
        self.last_ms = self.last_ms.max(newest_ms);
        Ok(offsets)
    }

    /// Writes zeros ahead if few are left. For idle moments: it takes a sync, which the next group would pay for.
    pub(crate) fn fill_ahead(&mut self) -> Result<(), JournalError> {
        let active = &mut self.active;
        if active.file_len - active.offset >= FILL_AHEAD / 2
            || active.file_len >= self.options.segment_bytes
        {
            return Ok(());
        }
        let io = |source| JournalError::Io {
            path: active.path.clone(),
            source,
        };
        let zeros = vec![0; FILL_AHEAD as usize];
        // Zeros that cannot be written (disk full) are not missed: a record may still fit.
        if active.file.write_at(&zeros, active.file_len).is_err() {
            return Ok(());
        }
        active.file.sync_data().map_err(io)?;
        active.file_len += FILL_AHEAD;
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.active.offset == SEGMENT_HEADER_LEN as u64
    }

    fn is_due(&self, len: u64, now_ms: u64) -> bool {
        let full = self.active.offset + len > self.options.segment_bytes;
        let old =
            now_ms.saturating_sub(self.active.header.created_ms) > self.options.segment_max_age_ms;
        (full || old) && !self.is_empty()
    }

    /// Closes the active segment if records were appended to it, none of them after `before_ms`.
    pub(crate) fn rotate_if_older(
        &mut self,
        before_ms: u64,
        now_ms: u64,
    ) -> Result<(), JournalError> {
        if !self.is_empty() && self.last_ms < before_ms {
            self.rotate(now_ms)
        } else {
            Ok(())
        }
    }

    /// Closes the active segment and starts the next one.
    fn rotate(&mut self, now_ms: u64) -> Result<(), JournalError> {
        let active = &self.active;
        let io = |source| JournalError::Io {
            path: active.path.clone(),
            source,
        };
        if active.file_len > active.offset {
            active.file.set_len(active.offset).map_err(io)?;
            active.file.sync_data().map_err(io)?;
        }
        let header = new_header(
            self.next_index,
            *self.catalog.identity(),
            (now_ms, self.last_ms),
            self.next_group - 1,
        )?;
        self.active = create(&self.catalog, header)?;
        Ok(())
    }
}

fn new_header(
    first: u64,
    identity: JournalIdentity,
    (created_ms, previous_ms): (u64, u64),
    last_group: u64,
) -> Result<SegmentHeader, JournalError> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce).map_err(|error| JournalError::Entropy {
        source: error.into(),
    })?;
    Ok(SegmentHeader {
        first,
        identity,
        created_ms,
        previous_ms,
        last_group,
        nonce,
    })
}

/// Makes a segment: under its name there is never one without a valid header.
fn create(catalog: &Catalog, header: SegmentHeader) -> Result<Active, JournalError> {
    let path = catalog.path(header.first);
    let io = |source| JournalError::Io {
        path: path.clone(),
        source,
    };
    let temporary = path.with_extension("seg.tmp");
    let disk = catalog.disk();
    let file = disk.open(&temporary, OpenMode::Truncate).map_err(io)?;
    file.write_at(&header.encode(), 0).map_err(io)?;
    file.sync_data().map_err(io)?;
    disk.rename(&temporary, &path).map_err(io)?;
    disk.sync_dir(catalog.dir()).map_err(io)?;
    catalog.add(&header, Arc::clone(&file));
    let offset = SEGMENT_HEADER_LEN as u64;
    Ok(Active {
        header,
        path,
        file,
        offset,
        file_len: offset,
    })
}
