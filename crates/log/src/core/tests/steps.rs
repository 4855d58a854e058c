//! Single behaviors of the steps.

use std::io;

use proofmark_tlog::{Promise, open_promise};

use super::*;
use crate::{
    disk::{Disk, sim::Fault},
    record::{Durability, RecordKey},
    scan::{Direction, Scan},
};

fn key(n: u8) -> RecordKey {
    RecordKey::from_bytes([n; 16])
}

fn record(n: u8) -> Record {
    Record {
        key: key(n),
        entry: Bytes::copy_from_slice(&[n; 36]),
        meta: Bytes::copy_from_slice(&[n % 3]),
        payload: Bytes::from(vec![n; 100]),
        ..Record::default()
    }
}

#[test]
fn a_key_has_one_leaf_at_every_stage() {
    let mut rig = Rig::new(1);
    let first = Appended {
        index: 0,
        duplicate: false,
    };
    let again = Appended {
        index: 0,
        duplicate: true,
    };
    assert_eq!(rig.append(&record(1)).unwrap(), first);
    assert_eq!(rig.append(&record(1)).unwrap(), again, "in the queue");
    rig.writer.step().unwrap();
    assert_eq!(rig.append(&record(1)).unwrap(), again, "in the journal");
    rig.integrator.step().unwrap();
    assert_eq!(rig.append(&record(1)).unwrap(), again, "in the tree");
    let mut rig = rig.restart(false).unwrap();
    assert_eq!(rig.append(&record(1)).unwrap(), again, "after a restart");
    assert_eq!(rig.append(&record(2)).unwrap().index, 1);
    rig.settle();
    assert_eq!(rig.integrator.published().unwrap().size, 2);
}

#[test]
fn a_key_that_moves_while_it_is_looked_up_gets_no_second_leaf() {
    let mut rig = Rig::new(1);
    let stale = rig.core.look_up(&key(1)).unwrap();
    rig.append(&record(1)).unwrap();
    rig.settle();
    let room = Room {
        bytes: Arc::clone(&rig.core.room_bytes)
            .try_acquire_many_owned(1000)
            .unwrap(),
        _record: Arc::clone(&rig.core.room_records)
            .try_acquire_owned()
            .unwrap(),
    };
    let appended = rig
        .core
        .enqueue(&record(1), room, stale, Durability::Durable)
        .unwrap();
    assert_eq!(
        appended,
        Appended {
            index: 0,
            duplicate: true
        }
    );
}

#[test]
fn records_without_a_key_are_never_duplicates() {
    let mut rig = Rig::new(1);
    let nameless = Record {
        key: RecordKey::NONE,
        ..record(1)
    };
    for index in 0..3 {
        assert_eq!(
            rig.append(&nameless).unwrap(),
            Appended {
                index,
                duplicate: false
            }
        );
    }
    rig.settle();
    assert_eq!(rig.core.index_of(&RecordKey::NONE).unwrap(), None);
    assert_eq!(rig.core.record(2).unwrap().entry, nameless.entry);
}

#[test]
fn room_is_given_back_by_steps() {
    let mut rig = Rig::new(1);
    let (bytes, records) = (
        rig.core.room_bytes.available_permits(),
        rig.core.room_records.available_permits(),
    );
    rig.append(&record(1)).unwrap();
    let queued = rig.core.room_bytes.available_permits();
    assert!(queued < bytes);
    rig.writer.step().unwrap();
    let durable = rig.core.room_bytes.available_permits();
    assert!(
        queued < durable && durable < bytes,
        "{queued} {durable} {bytes}"
    );
    rig.integrator.step().unwrap();
    assert_eq!(rig.core.room_bytes.available_permits(), bytes);
    assert_eq!(rig.core.room_records.available_permits(), records);
}

#[test]
fn times_of_records_never_go_back() {
    let mut rig = Rig::new(1);
    rig.append(&record(1)).unwrap();
    rig.clock.0.store(5, Ordering::Relaxed);
    rig.append(&record(2)).unwrap();
    rig.settle();
    let mut rig = rig.restart(true).unwrap();
    rig.append(&record(3)).unwrap();
    rig.settle();
    for index in 0..3 {
        assert_eq!(rig.core.record(index).unwrap().appended_at_ms, 1_000_000);
    }
}

#[test]
fn promises_are_the_same_before_and_after_integration() {
    let mut rig = Rig::new(1);
    rig.append(&record(1)).unwrap();
    rig.writer.step().unwrap();
    let pending = rig.core.promise(0).unwrap();
    rig.integrator.step().unwrap();
    assert_eq!(rig.core.promise(0).unwrap(), pending);
    let leaf = record(1).leaf_hash();
    let promise = open_promise(pending.as_bytes(), rig.core.signer.vkey(), &leaf).unwrap();
    let expected = Promise {
        origin: rig.core.origin.clone(),
        leaf,
        issued_ms: 1_000_000,
        due_ms: 1_060_000,
    };
    assert_eq!(*promise.promise(), expected);
    assert!(matches!(
        rig.core.promise(1),
        Err(LogError::NoSuchLeaf { index: 1 })
    ));
}

#[test]
fn a_leaf_is_pending_until_its_checkpoint_is_published() {
    let mut rig = Rig::new(1);
    assert!(matches!(
        rig.core.proof(0),
        Err(LogError::NoSuchLeaf { index: 0 })
    ));
    rig.append(&record(1)).unwrap();
    assert_eq!(rig.core.proof(0).unwrap(), None);
    rig.writer.step().unwrap();
    rig.integrator.step().unwrap();
    assert_eq!(
        rig.core.proof(0).unwrap(),
        None,
        "integrated is not published"
    );
    rig.publish().unwrap();
    assert!(rig.core.proof(0).unwrap().is_some());
}

#[test]
fn a_failed_sync_stops_the_log() {
    let mut rig = Rig::new(1);
    rig.append(&record(1)).unwrap();
    rig.disk.arm(1, Fault::Error(io::ErrorKind::Other));
    let error = rig.writer.step().unwrap_err();
    assert_eq!(error.code(), "log.journal.io");
    assert!(rig.core.progress.borrow().stopped);
    match rig.append(&record(2)) {
        Err(LogError::Failed(cause)) => assert_eq!(cause.code(), "log.journal.io"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        rig.writer.step().unwrap(),
        Written::Done,
        "the same data is never synced again"
    );
    let rig = rig.restart(false).unwrap();
    assert_eq!(
        rig.append(&record(2)).unwrap().index,
        rig.core.queue().durable
    );
}

#[test]
fn a_log_whose_first_opening_was_cut_short_opens_again() {
    let faults = [
        Fault::Crash,
        Fault::Full,
        Fault::Error(io::ErrorKind::Other),
    ];
    for (fault, power_loss) in faults.into_iter().flat_map(|f| [(f, false), (f, true)]) {
        let mut after = 1;
        loop {
            let clock = Arc::new(SetClock(AtomicU64::new(1_000_000)));
            let disk = SimDisk::new(after);
            disk.arm(after, fault);
            let first = Rig::open(&disk, &clock);
            let untouched = disk.operations() < after;
            drop(first);
            let opened = Rig::open(&disk.reboot(power_loss), &clock);
            let mut rig = opened.unwrap_or_else(|error| {
                panic!("{fault:?} at {after}, power loss {power_loss}: {error}")
            });
            rig.append(&record(1)).unwrap();
            rig.settle();
            assert_eq!(rig.integrator.published().unwrap().size, 1);
            if untouched {
                break;
            }
            after += 1;
        }
        assert!(after > 10, "the first opening does more than this");
    }
}

#[test]
fn a_step_that_the_storage_refused_is_taken_again() {
    let mut rig = Rig::new(1);
    for n in 1..=9 {
        rig.append(&record(n)).unwrap();
    }
    rig.writer.step().unwrap();
    let before = rig.disk.files();
    rig.disk.arm(3, Fault::Error(io::ErrorKind::Other));
    assert!(matches!(rig.integrator.step(), Err(LogError::Storage(_))));
    assert_eq!(rig.integrator.tree.size(), 0);
    assert_eq!(rig.integrator.step().unwrap(), 9);
    rig.publish().unwrap();
    assert!(rig.disk.files().len() > before.len());
    assert_eq!(rig.integrator.published().unwrap().size, 9);
}

#[test]
fn two_writers_on_one_directory_are_refused_in_words() {
    let rig = Rig::new(1);
    let error = open(&dynamic(&rig.disk), &config(&rig.clock)).unwrap_err();
    assert_eq!(error.code(), "log.directory.locked");
    assert_eq!(
        error.to_string(),
        "another process is using the log in /log/lock"
    );
}

#[test]
fn a_directory_of_another_log_is_refused() {
    let rig = Rig::new(1);
    let (disk, clock) = (rig.disk.clone(), Arc::clone(&rig.clock));
    drop(rig);
    let other = LogConfig {
        signer: signer("log.test/other"),
        ..config(&clock)
    };
    let error = open(&dynamic(&disk), &other).unwrap_err();
    assert_eq!(error.code(), "log.directory.other-log");
}

#[test]
fn a_state_older_than_the_published_checkpoint_is_refused() {
    let mut rig = Rig::new(1);
    rig.append(&record(1)).unwrap();
    rig.settle();
    let (disk, clock) = (rig.disk.clone(), Arc::clone(&rig.clock));
    drop(rig);
    disk.vanish(&dir().join("state.redb"));
    let error = open(&dynamic(&disk), &config(&clock)).unwrap_err();
    assert!(
        matches!(
            error,
            LogError::RolledBack {
                published: 1,
                integrated: 0
            }
        ),
        "{error}"
    );
}

#[test]
fn a_published_checkpoint_that_is_unreadable_is_published_anew() {
    let mut rig = Rig::new(1);
    rig.append(&record(1)).unwrap();
    rig.settle();
    rig.disk.corrupt(&dir().join("public/checkpoint"), 3, 0x20);
    let mut rig = rig.restart(false).unwrap();
    assert!(rig.integrator.is_unpublished());
    rig.publish().unwrap();
    assert_eq!(rig.integrator.published().unwrap().size, 1);
}

/// A log of 300 leaves whose tiles are durable up to 270.
fn half_flushed(altered: Option<u16>) -> Rig {
    let mut rig = Rig::new(1);
    for n in 0..300u16 {
        let n = if altered == Some(n) { 7777 } else { n };
        let entry = Bytes::copy_from_slice(&n.to_be_bytes());
        rig.append(&Record {
            entry,
            ..Record::default()
        })
        .unwrap();
        if rig.core.queue().next_index() == 270 {
            rig.settle();
            rig.flush().unwrap();
        }
    }
    rig.settle();
    rig
}

#[test]
fn tiles_that_were_not_durable_are_written_anew() {
    for file in ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"] {
        for vanish in [false, true] {
            let rig = half_flushed(None);
            let file = dir().join("public").join(file);
            let content = rig.disk.files()[&file].clone();
            // Left by a crash: a partial tile of another width with nothing in it.
            let stale = dir().join("public/tile/0/001.p/9");
            rig.disk
                .open(&stale, crate::disk::OpenMode::Truncate)
                .unwrap();
            if vanish {
                rig.disk.vanish(&file);
            } else {
                rig.disk.corrupt(&file, 9, 1);
            }
            let rig = rig.restart(false).unwrap();
            assert_eq!(rig.disk.files()[&file], content, "{}", file.display());
            assert!(!rig.disk.files().contains_key(&stale));
            assert!(rig.core.proof(299).unwrap().is_some());
        }
    }
}

#[test]
fn full_tiles_are_written_anew_until_they_are_durable() {
    let content = half_flushed(None).disk.files();
    for seed in 0..20 {
        let mut rig = Rig::new(seed);
        for n in 0..300u16 {
            let entry = Bytes::copy_from_slice(&n.to_be_bytes());
            rig.append(&Record {
                entry,
                ..Record::default()
            })
            .unwrap();
        }
        rig.settle();
        if seed % 2 == 0 {
            rig.flush().unwrap();
        }
        let rig = rig.restart(true).unwrap();
        assert_eq!(
            rig.core.progress.borrow().flushed,
            if seed % 2 == 0 { 300 } else { 0 }
        );
        for file in [
            "tile/0/000",
            "tile/entries/000",
            "tile/1/000.p/1",
            "tile/0/001.p/44",
        ] {
            let file = dir().join("public").join(file);
            assert_eq!(
                rig.disk.files().get(&file),
                content.get(&file),
                "seed {seed}, {}",
                file.display()
            );
        }
    }
}

#[test]
fn a_journal_that_does_not_lead_to_the_tree_is_refused() {
    let rig = half_flushed(None);
    let other = half_flushed(Some(280));
    // The journal of another history under the same key.
    for (path, content) in other.disk.files() {
        if path.starts_with(dir().join("journal")) {
            rig.disk
                .open(&path, crate::disk::OpenMode::Truncate)
                .unwrap()
                .write_at(&content, 0)
                .unwrap();
        }
    }
    let Err(error) = rig.restart(false) else {
        panic!("another history was accepted")
    };
    assert!(matches!(error, LogError::Diverged { size: 300 }), "{error}");
}

#[test]
fn journal_segments_stay_until_the_tiles_are_durable() {
    let mut rig = Rig::new(1);
    rig.append(&record(1)).unwrap();
    rig.settle();
    rig.core.request_rotation(2_000_000).unwrap();
    rig.writer.step().unwrap();
    assert_eq!(rig.core.request_flush().unwrap(), 1);
    assert!(rig.core.queue().flush_wanted);
    assert_eq!(rig.core.drop_segments_before(2_000_000).unwrap(), 0);
    rig.flush().unwrap();
    assert_eq!(rig.core.drop_segments_before(2_000_000).unwrap(), 1);
}

#[test]
fn partial_tiles_go_when_the_full_one_is_published() {
    let mut rig = Rig::new(1);
    for n in 0..300u16 {
        let record = Record {
            entry: Bytes::copy_from_slice(&n.to_be_bytes()),
            ..Record::default()
        };
        rig.append(&record).unwrap();
        rig.writer.step().unwrap();
        if n % 50 == 0 {
            rig.integrator.step().unwrap();
            rig.publish().unwrap();
        }
    }
    rig.settle();
    let names = |dir: &str| {
        rig.disk
            .list(&super::dir().join("public").join(dir))
            .unwrap()
    };
    assert_eq!(names("tile/0"), ["000", "001.p"]);
    assert_eq!(names("tile/entries"), ["000", "001.p"]);
    assert_eq!(names("tile/1"), ["000.p"]);
}

#[test]
fn listings_come_in_pages_in_the_order_of_keys() {
    let mut rig = Rig::new(1);
    for n in [5, 3, 9, 1, 7, 2, 8] {
        rig.append(&record(n)).unwrap();
    }
    rig.settle();
    let keys = |scan: &Scan| {
        let page = rig.core.scan(scan, |_| true).unwrap();
        let keys: Vec<u8> = page
            .records
            .iter()
            .map(|listed| listed.key.as_bytes()[0])
            .collect();
        (keys, page.next)
    };
    let scan = Scan {
        limit: 3,
        ..Scan::default()
    };
    let (page, next) = keys(&scan);
    assert_eq!(page, [1, 2, 3]);
    let scan = scan.after(next.unwrap());
    let (page, next) = keys(&scan);
    assert_eq!(page, [5, 7, 8]);
    assert_eq!(keys(&scan.after(next.unwrap())), (vec![9], None));
    let scan = Scan {
        limit: 4,
        direction: Direction::Descending,
        ..Scan::default()
    };
    let (page, next) = keys(&scan);
    assert_eq!(page, [9, 8, 7, 5]);
    assert_eq!(keys(&scan.after(next.unwrap())), (vec![3, 2, 1], None));
    let range = Scan {
        from: std::ops::Bound::Excluded(key(2)),
        to: std::ops::Bound::Included(key(7)),
        ..Scan::default()
    };
    assert_eq!(keys(&range), (vec![3, 5, 7], None));
    let backward = Scan {
        from: std::ops::Bound::Included(key(7)),
        to: std::ops::Bound::Excluded(key(2)),
        ..Scan::default()
    };
    assert_eq!(keys(&backward), (vec![], None));
    let page = rig
        .core
        .scan(&Scan::default(), |listed| listed.meta[..] == [2])
        .unwrap();
    let listed: Vec<(u8, u64)> = page
        .records
        .iter()
        .map(|listed| (listed.key.as_bytes()[0], listed.index))
        .collect();
    assert_eq!(listed, [(2, 5), (5, 0), (8, 6)]);
}

#[test]
fn dropped_payloads_are_gone_and_their_leaves_stay() {
    let mut rig = Rig::new(1);
    for n in 1..=4 {
        rig.append(&record(n)).unwrap();
    }
    rig.settle();
    rig.core.request_rotation(2_000_000).unwrap();
    rig.writer.step().unwrap();
    rig.flush().unwrap();
    assert_eq!(rig.core.drop_segments_before(1_000_000).unwrap(), 0);
    assert_eq!(rig.core.drop_segments_before(1_000_001).unwrap(), 1);
    let check = |rig: &Rig| {
        assert!(matches!(
            rig.core.record(2),
            Err(LogError::Dropped { index: 2 })
        ));
        assert!(matches!(
            rig.core.record_by_key(&key(3)),
            Err(LogError::Dropped { index: 2 })
        ));
        assert_eq!(
            rig.core.erase_secret(&key(3)).unwrap(),
            crate::record::Erasure::Dropped
        );
        assert!(rig.core.proof(2).unwrap().is_some());
        assert_eq!(rig.core.entries(0..4).unwrap().len(), 4);
        assert_eq!(
            rig.append(&record(3)).unwrap(),
            Appended {
                index: 2,
                duplicate: true
            }
        );
    };
    check(&rig);
    let mut rig = rig.restart(true).unwrap();
    // A published checkpoint need not outlast a power loss.
    rig.publish().unwrap();
    check(&rig);
    assert_eq!(rig.core.stats().journal_start, 4);
}
