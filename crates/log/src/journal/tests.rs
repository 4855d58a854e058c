//! The journal on a disk that fails and loses.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    record::{BODY_START, HEADER_LEN, RecordImage, SECRET_SLOT_LEN},
    segment::{SEGMENT_HEADER_LEN, segment_name},
    writer::{JournalOptions, JournalWriter, Outgoing, Recovered},
    *,
};
use crate::{
    disk::sim::{Fault, Rng, SimDisk},
    record::{Erasure, Record, RecordKey, RecordSecret, StoredRecord},
};

const IDENTITY: JournalIdentity = [0xee; 32];
const OPTIONS: JournalOptions = JournalOptions {
    segment_bytes: 6000,
    segment_max_age_ms: 1_000_000,
};

type Open = (JournalWriter, Arc<Catalog>, Recovered);

fn dir() -> PathBuf {
    PathBuf::from("/log/journal")
}

fn segment(first: u64) -> PathBuf {
    dir().join(segment_name(first))
}

fn open_at(disk: &SimDisk, start: u64, integrated: u64, now_ms: u64) -> Result<Open, JournalError> {
    JournalWriter::open(
        Arc::new(disk.clone()),
        dir(),
        IDENTITY,
        OPTIONS,
        (start, integrated),
        now_ms,
    )
}

fn open(disk: &SimDisk) -> Result<Open, JournalError> {
    open_at(disk, 0, 0, 1)
}

fn record(index: u64) -> Record {
    let mut rng = Rng(index);
    let payload: Vec<u8> = (0..rng.below(900)).map(|_| rng.next() as u8).collect();
    Record {
        key: RecordKey::from_bytes((u128::from(index) + 1).to_be_bytes()),
        entry: Bytes::copy_from_slice(&index.to_be_bytes()),
        meta: Bytes::from_static(b"meta"),
        secret: index
            .is_multiple_of(2)
            .then(|| RecordSecret::from_bytes([index as u8 | 1; 32])),
        payload: payload.into(),
    }
}

fn group(first: u64, count: u64) -> Vec<Outgoing> {
    let outgoing = |index| Outgoing {
        image: RecordImage::encode(&record(index)),
        appended_ms: 10 + index,
    };
    (first..first + count).map(outgoing).collect()
}

/// Appends groups up to `size` records and returns the offsets.
fn fill(writer: &mut JournalWriter, size: u64, rng: &mut Rng) -> Result<Vec<u64>, JournalError> {
    let mut offsets = Vec::new();
    while writer.next_index() < size {
        let next = writer.next_index();
        let count = (1 + rng.below(4)).min(size - next);
        offsets.extend(writer.append(&mut group(next, count), 10 + next)?);
        if rng.below(3) == 0 {
            writer.fill_ahead()?;
        }
    }
    Ok(offsets)
}

fn read_all(catalog: &Catalog, from: u64, size: u64) -> Result<Vec<StoredRecord>, JournalError> {
    let mut records = Vec::new();
    catalog.replay(from, size, |view| {
        records.push(view.header.to_stored(view.bytes).unwrap());
        Ok::<_, JournalError>(())
    })?;
    Ok(records)
}

fn expected(index: u64) -> StoredRecord {
    let record = record(index);
    StoredRecord {
        index,
        key: record.key,
        entry: record.entry,
        meta: record.meta,
        secret: record.secret,
        secret_erased: false,
        payload: record.payload,
        appended_at_ms: 10 + index,
    }
}

#[track_caller]
fn assert_records(catalog: &Catalog, from: u64, size: u64) {
    let records = read_all(catalog, from, size).unwrap();
    let want: Vec<_> = (from..size).map(expected).collect();
    assert!(records == want, "records {from}..{size} differ");
}

#[test]
fn records_come_back_in_order_by_offset_and_by_index() {
    let disk = SimDisk::new(1);
    let (mut writer, catalog, recovered) = open(&disk).unwrap();
    assert_eq!(
        recovered,
        Recovered {
            size: 0,
            last_ms: 0,
            torn: false
        }
    );
    let offsets = fill(&mut writer, 60, &mut Rng(2)).unwrap();
    assert!(catalog.firsts().len() > 3, "segments rotate");
    assert_records(&catalog, 0, 60);
    assert_records(&catalog, 17, 60);
    for (index, offset) in (0..60).zip(offsets) {
        assert_eq!(catalog.locate(index, None).unwrap(), Some(offset));
        assert_eq!(
            catalog.read(index, offset).unwrap().unwrap(),
            expected(index)
        );
    }
    let (mut writer, catalog, recovered) = open(&disk.reboot(false)).unwrap();
    assert_eq!(
        recovered,
        Recovered {
            size: 60,
            last_ms: 69,
            torn: false
        }
    );
    fill(&mut writer, 70, &mut Rng(3)).unwrap();
    assert_records(&catalog, 0, 70);
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_acknowledged() {
    let run = |disk: &SimDisk, seed: u64| -> u64 {
        let mut acknowledged = 0;
        let Ok((mut writer, ..)) = open(disk) else {
            return 0;
        };
        let mut rng = Rng(seed);
        while acknowledged < 40
            && fill(&mut writer, acknowledged + 1 + rng.below(5), &mut rng).is_ok()
        {
            acknowledged = writer.next_index();
        }
        acknowledged.min(writer.next_index())
    };
    let complete = SimDisk::new(0);
    run(&complete, 0);
    let operations = complete.operations();
    assert!(operations > 60, "{operations} operations");
    for at in 0..operations {
        for seed in [at, at + 1] {
            let disk = SimDisk::new(seed);
            disk.arm(at, Fault::Crash);
            let acknowledged = run(&disk, 0);
            let disk = disk.reboot(seed % 3 != 0);
            let (mut writer, catalog, recovered) =
                open(&disk).unwrap_or_else(|error| panic!("operation {at}, seed {seed}: {error}"));
            assert!(
                recovered.size >= acknowledged,
                "operation {at}, seed {seed}: {} of {acknowledged}",
                recovered.size
            );
            assert_records(&catalog, 0, recovered.size);
            fill(&mut writer, recovered.size + 8, &mut Rng(seed)).unwrap();
            let (_, catalog, again) = open(&disk.reboot(true)).unwrap();
            assert_eq!(again.size, recovered.size + 8);
            assert_records(&catalog, 0, again.size);
        }
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_made_durable_before_it_counts() {
    for seed in 0..64 {
        let disk = SimDisk::new(seed);
        let (mut writer, ..) = open(&disk).unwrap();
        fill(&mut writer, 3, &mut Rng(1)).unwrap();
        // The write goes through, its sync does not: the pages count as clean from now on.
        disk.arm(1, Fault::Error(io::ErrorKind::Other));
        writer.append(&mut group(3, 2), 20).unwrap_err();
        let disk = disk.reboot(false);
        let (_, _, recovered) = open(&disk).unwrap();
        assert!(recovered.size >= 3);
        // Whoever opened the journal may build on what it found, so a power loss must not take it away.
        let (_, catalog, after) = open_at(&disk.reboot(true), 0, recovered.size, 1).unwrap();
        assert_eq!(after.size, recovered.size, "seed {seed}");
        assert_records(&catalog, 0, after.size);
    }
}

/// A journal of three groups in one segment, with the offsets of the records.
fn three_groups(disk: &SimDisk) -> Vec<u64> {
    let (mut writer, ..) = open(disk).unwrap();
    let mut offsets = writer.append(&mut group(0, 2), 1).unwrap();
    offsets.extend(writer.append(&mut group(2, 2), 1).unwrap());
    offsets.extend(writer.append(&mut group(4, 2), 1).unwrap());
    offsets
}

#[test]
fn a_bad_record_is_cut_only_if_it_was_not_acknowledged() {
    for index in 0..6u64 {
        let disk = SimDisk::new(index);
        let offsets = three_groups(&disk);
        let offset = offsets[index as usize] as usize;
        disk.corrupt(&segment(0), offset + BODY_START, 0x10);
        let result = open(&disk.reboot(false));
        if index < 4 {
            match result.unwrap_err() {
                JournalError::Damaged {
                    offset: at,
                    index: found,
                    fault,
                    later,
                    ..
                } => {
                    assert_eq!((at, found), (offset as u64, index));
                    assert_eq!(fault, RecordFault::BodyDigest);
                    assert!(later >= Some(2), "{later:?}");
                }
                other => panic!("{other}"),
            }
        } else {
            let (_, catalog, recovered) = result.unwrap();
            assert_eq!((recovered.size, recovered.torn), (4, true));
            assert_records(&catalog, 0, 4);
        }
    }
}

#[test]
fn a_bad_record_that_was_integrated_is_never_cut() {
    let disk = SimDisk::new(0);
    let offsets = three_groups(&disk);
    disk.corrupt(&segment(0), offsets[5] as usize + 20, 1);
    match open_at(&disk.reboot(false), 0, 6, 1).unwrap_err() {
        JournalError::MissingEnd {
            expected: 6,
            got: 4,
        } => {}
        other => panic!("{other}"),
    }
}

#[test]
fn records_inside_a_payload_do_not_count_as_later_groups() {
    let disk = SimDisk::new(0);
    let (mut writer, ..) = open(&disk).unwrap();
    writer.append(&mut group(0, 1), 1).unwrap();
    // What a caller who knows the format, but not the nonce, can put behind a torn record.
    let mut forged = RecordImage::encode(&record(9));
    forged.seal(9, 999, true, 1, &[0; 16]);
    let mut payload = vec![0; 512];
    let body = BODY_START + 8;
    payload.truncate(512 - body % 8);
    payload.extend_from_slice(forged.as_bytes());
    let image = RecordImage::encode(&Record {
        entry: Bytes::copy_from_slice(&[0; 8]),
        payload: payload.into(),
        ..Record::default()
    });
    let offset = writer
        .append(
            &mut [Outgoing {
                image,
                appended_ms: 1,
            }],
            1,
        )
        .unwrap()[0];
    disk.corrupt(&segment(0), offset as usize + 8, 1);
    let (_, _, recovered) = open(&disk.reboot(false)).unwrap();
    assert_eq!((recovered.size, recovered.torn), (1, true));
}

#[test]
fn damage_in_closed_segments_is_found_when_it_is_read() {
    let disk = SimDisk::new(0);
    let (mut writer, catalog, _) = open(&disk).unwrap();
    fill(&mut writer, 60, &mut Rng(2)).unwrap();
    let second = catalog.firsts()[1];
    disk.corrupt(&segment(second), SEGMENT_HEADER_LEN + BODY_START + 1, 1);
    match read_all(&catalog, 0, 60).unwrap_err() {
        JournalError::Damaged { path, index, .. } => {
            assert_eq!((path, index), (segment(second), second));
        }
        other => panic!("{other}"),
    }
    match catalog.read(second, SEGMENT_HEADER_LEN as u64).unwrap_err() {
        JournalError::Damaged {
            fault: RecordFault::BodyDigest,
            ..
        } => {}
        other => panic!("{other}"),
    }
}

#[test]
fn missing_and_foreign_segments_are_errors() {
    let full = || {
        let disk = SimDisk::new(0);
        let (mut writer, catalog, _) = open(&disk).unwrap();
        fill(&mut writer, 60, &mut Rng(2)).unwrap();
        let firsts = catalog.firsts();
        (disk, firsts)
    };
    let (disk, firsts) = full();
    disk.vanish(&segment(0));
    match open(&disk.reboot(false)).unwrap_err() {
        JournalError::MissingStart { expected: 0, got } => assert_eq!(got, Some(firsts[1])),
        other => panic!("{other}"),
    }
    let (disk, firsts) = full();
    firsts
        .iter()
        .for_each(|first| disk.vanish(&segment(*first)));
    assert!(matches!(
        open_at(&disk.reboot(false), 0, 1, 1).unwrap_err(),
        JournalError::MissingStart {
            expected: 0,
            got: None
        }
    ));
    let (disk, firsts) = full();
    disk.vanish(&segment(*firsts.last().unwrap()));
    assert!(matches!(
        open_at(&disk.reboot(false), 0, 60, 1).unwrap_err(),
        JournalError::MissingEnd { expected: 60, .. }
    ));
    let (disk, firsts) = full();
    disk.vanish(&segment(firsts[2]));
    let (_, catalog, recovered) = open(&disk.reboot(false)).unwrap();
    assert!(matches!(
        read_all(&catalog, 0, recovered.size).unwrap_err(),
        JournalError::Damaged { .. }
    ));
    let (disk, _) = full();
    let error = JournalWriter::open(
        Arc::new(disk.reboot(false)),
        dir(),
        [2; 32],
        OPTIONS,
        (0, 0),
        1,
    );
    assert!(matches!(error.unwrap_err(), JournalError::OtherLog { .. }));
}

#[test]
fn every_byte_of_a_segment_header_counts() {
    let disk = SimDisk::new(0);
    drop(open(&disk).unwrap());
    for at in 0..SEGMENT_HEADER_LEN {
        disk.corrupt(&segment(0), at, 0x40);
        assert!(
            matches!(open(&disk).unwrap_err(), JournalError::SegmentHeader { .. }),
            "byte {at}"
        );
        disk.corrupt(&segment(0), at, 0x40);
    }
    drop(open(&disk).unwrap());
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    for after in 0..12 {
        let disk = SimDisk::new(after);
        let (mut writer, ..) = open(&disk).unwrap();
        fill(&mut writer, 10, &mut Rng(1)).unwrap();
        disk.arm(after, Fault::Full);
        let mut acknowledged = writer.next_index();
        let error = loop {
            match writer.append(&mut group(acknowledged, 2), 30) {
                Ok(_) => acknowledged = writer.next_index(),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, JournalError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
        );
        let disk = disk.reboot(after % 2 == 0);
        let (mut writer, catalog, recovered) = open(&disk).unwrap();
        assert!(recovered.size >= acknowledged);
        fill(&mut writer, recovered.size + 5, &mut Rng(4)).unwrap();
        assert_records(&catalog, 0, recovered.size + 5);
    }
}

#[test]
fn zeros_that_do_not_fit_are_not_missed() {
    let disk = SimDisk::new(0);
    let (mut writer, catalog, _) = open(&disk).unwrap();
    disk.arm(0, Fault::Full);
    writer.fill_ahead().unwrap();
    disk.free_space();
    fill(&mut writer, 5, &mut Rng(1)).unwrap();
    assert_records(&catalog, 0, 5);
}

#[test]
fn segments_are_closed_by_age_and_dropped_by_time() {
    let disk = SimDisk::new(0);
    let (mut writer, catalog, _) = open(&disk).unwrap();
    writer.append(&mut group(0, 2), 10).unwrap();
    writer.append(&mut group(2, 1), 1_000_000).unwrap();
    assert_eq!(catalog.firsts(), [0], "not older than allowed yet");
    writer.append(&mut group(3, 1), 1_000_002).unwrap();
    assert_eq!(catalog.firsts(), [0, 3]);
    // Records 0..=2 have the times 10, 11, 12.
    assert_eq!(catalog.first_kept_after(12, 4), Some(0));
    assert_eq!(catalog.first_kept_after(13, 4), Some(3));
    assert_eq!(
        catalog.first_kept_after(13, 2),
        Some(0),
        "not everything is integrated"
    );
    writer.rotate_if_older(13, 1_000_003).unwrap();
    assert_eq!(catalog.firsts(), [0, 3], "its last record has time 13");
    writer.rotate_if_older(14, 1_000_003).unwrap();
    writer.rotate_if_older(14, 1_000_003).unwrap();
    assert_eq!(
        catalog.firsts(),
        [0, 3, 4],
        "an empty segment is not closed"
    );
    assert_eq!(catalog.first_kept_after(14, 4), Some(4));
    assert_eq!(catalog.drop_before(3).unwrap(), 1);
    assert_eq!(catalog.locate(1, None).unwrap(), None);
    assert_eq!(catalog.read(1, 500).unwrap(), None);
    assert_eq!(catalog.erase(1, 500).unwrap(), Erasure::Dropped);
    assert_records(&catalog, 3, 4);
    // Stopped between the state's word that the journal starts at 4 and the removal.
    let (writer, catalog, recovered) = open_at(&disk.reboot(true), 4, 4, 1).unwrap();
    assert_eq!(
        (catalog.firsts(), recovered.size, writer.next_index()),
        (vec![4], 4, 4)
    );
    assert_eq!(recovered.last_ms, 13, "time does not start again");
}

#[test]
fn secrets_are_erased_in_place() {
    for seed in 0..8 {
        let disk = SimDisk::new(seed);
        let (mut writer, catalog, _) = open(&disk).unwrap();
        let offsets = fill(&mut writer, 60, &mut Rng(2)).unwrap();
        assert_eq!(catalog.erase(0, offsets[0]).unwrap(), Erasure::Erased);
        assert_eq!(
            catalog.erase(0, offsets[0]).unwrap(),
            Erasure::Erased,
            "again"
        );
        assert_eq!(catalog.erase(1, offsets[1]).unwrap(), Erasure::NoSecret);
        assert!(matches!(
            catalog.erase(2, offsets[1]).unwrap_err(),
            JournalError::Damaged {
                fault: RecordFault::Index {
                    expected: 2,
                    got: 1
                },
                ..
            }
        ));
        let disk = disk.reboot(true);
        let (_, catalog, _) = open(&disk).unwrap();
        let stored = catalog.read(0, offsets[0]).unwrap().unwrap();
        assert_eq!(
            (stored.secret, stored.secret_erased),
            (None, true),
            "seed {seed}"
        );
        assert_eq!(stored.payload, record(0).payload);
        for (path, content) in disk.files() {
            assert!(
                !content.windows(32).any(|window| window == [1; 32]),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn an_interrupted_erasure_can_be_finished() {
    let mut half_done = 0;
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let (mut writer, catalog, _) = open(&disk).unwrap();
        let offsets = fill(&mut writer, 4, &mut Rng(2)).unwrap();
        disk.arm(0, Fault::Crash);
        catalog.erase(2, offsets[2]).unwrap_err();
        let (_, catalog, recovered) = open(&disk.reboot(false)).unwrap();
        assert_eq!(recovered.size, 4, "an erasure never costs a record");
        match catalog.read(2, offsets[2]) {
            Ok(Some(stored)) => assert!(stored.secret_erased || stored.secret == record(2).secret),
            Err(JournalError::Damaged {
                fault: RecordFault::Secret,
                ..
            }) => half_done += 1,
            other => panic!("{other:?}"),
        }
        assert_eq!(catalog.erase(2, offsets[2]).unwrap(), Erasure::Erased);
        assert!(catalog.read(2, offsets[2]).unwrap().unwrap().secret_erased);
    }
    assert!(half_done > 0, "the interesting case was never met");
    assert_eq!(SECRET_SLOT_LEN + HEADER_LEN, BODY_START);
}

#[test]
fn leftovers_of_an_unfinished_segment_are_removed() {
    use crate::disk::{Disk, OpenMode};
    let disk = SimDisk::new(0);
    drop(open(&disk).unwrap());
    let leftover: &Path = &dir().join("00000000000000000009.seg.tmp");
    disk.open(leftover, OpenMode::Truncate).unwrap();
    drop(open(&disk).unwrap());
    assert!(!disk.files().contains_key(leftover));
}
