//! Every kind of damage is found, and named by its place.

use std::sync::Arc;

use bytes::Bytes;
use proofmark_tlog::{TILE_WIDTH, VerifierKey};

use super::*;
use crate::{
    core::tests::{Rig, dir, signer},
    disk::sim::SimDisk,
    journal::segment_name,
    record::{Record, RecordKey, RecordSecret},
};

const LEAVES: u64 = 2 * TILE_WIDTH as u64 + 88;

fn record(n: u64) -> Record {
    Record {
        key: RecordKey::from_bytes((u128::from(n) + 1).to_be_bytes()),
        entry: Bytes::copy_from_slice(&n.to_be_bytes()),
        meta: Bytes::from_static(b"meta"),
        secret: Some(RecordSecret::from_bytes([9; 32])),
        payload: Bytes::from(vec![1; 40]),
    }
}

/// A log of 600 leaves in several segments, closed.
fn log() -> (SimDisk, VerifierKey) {
    let mut rig = Rig::new(1);
    for n in 0..LEAVES {
        rig.append(&record(n)).unwrap();
        if n % 40 == 0 {
            rig.writer.step().unwrap();
        }
        if n == 300 {
            rig.settle();
        }
    }
    rig.settle();
    let vkey = rig.core.signer.vkey().clone();
    (rig.disk.clone(), vkey)
}

fn options() -> FsckOptions {
    FsckOptions {
        threads: 2,
        state_cache_bytes: 1 << 20,
        ..FsckOptions::default()
    }
}

fn check(disk: &SimDisk, vkey: &VerifierKey) -> FsckReport {
    check_log(
        &(Arc::new(disk.clone()) as Arc<dyn Disk>),
        &dir(),
        Some(vkey),
        &options(),
    )
    .unwrap()
}

fn check_public(disk: &SimDisk, vkey: &VerifierKey) -> FsckReport {
    let disk = Arc::new(disk.clone()) as Arc<dyn Disk>;
    check_tiles(&disk, &dir().join("public"), Some(vkey), &options()).unwrap()
}

fn listed(report: &FsckReport) -> Vec<String> {
    report
        .differences
        .iter()
        .map(|difference| format!("{} {}", difference.place, difference.problem.code()))
        .collect()
}

#[test]
fn a_log_as_it_was_written_is_clean() {
    let (disk, vkey) = log();
    let report = check(&disk, &vkey);
    assert!(report.is_clean(), "{:?}", listed(&report));
    assert_eq!(
        (report.size, report.leaves, report.records, report.keys),
        (600, 600, 600, 600)
    );
    assert_eq!(
        (report.pending, report.torn_tail, report.signature_checked),
        (0, false, true)
    );
    assert_eq!(report.origin.as_deref(), Some("log.test/receipts"));
    let report = check_public(&disk, &vkey);
    assert!(report.is_clean(), "{:?}", listed(&report));
    assert_eq!((report.size, report.leaves, report.records), (600, 600, 0));
}

#[test]
fn an_altered_file_is_named() {
    for (file, offset, expected) in [
        // An entry: its leaf hash differs.
        (
            "tile/entries/001",
            2 + 7,
            &["tile/0/001#0 log.fsck.leaf-hash"][..],
        ),
        (
            "tile/entries/001",
            0,
            &["tile/entries/001 log.fsck.malformed"],
        ),
        // A leaf hash: it differs from the entry, and the tile above from its tile.
        (
            "tile/0/000",
            32 * 5,
            &[
                "tile/0/000#5 log.fsck.leaf-hash",
                "tile/1/000.p/2#0 log.fsck.node-hash",
            ],
        ),
        // A hash on the right edge: the root differs as well.
        (
            "tile/0/002.p/88",
            0,
            &["tile/0/002.p/88#0 log.fsck.leaf-hash", "ROOT"],
        ),
        (
            "tile/1/000.p/2",
            32,
            &["tile/1/000.p/2#1 log.fsck.node-hash", "ROOT"],
        ),
    ] {
        let (disk, vkey) = log();
        disk.corrupt(&dir().join("public").join(file), offset, 1);
        let place = |root: &str| -> Vec<String> {
            let mut places: Vec<String> = expected
                .iter()
                .map(|place| place.replace("ROOT", root))
                .collect();
            places.sort();
            places
        };
        let mut found = listed(&check_public(&disk, &vkey));
        found.sort();
        assert_eq!(found, place("checkpoint log.fsck.root"), "{file}@{offset}");
        let mut found = listed(&check(&disk, &vkey));
        found.retain(|difference| {
            !difference.starts_with("checkpoint") && !difference.starts_with("journal")
        });
        found.sort();
        assert_eq!(
            found,
            place("state/frontier log.fsck.root"),
            "{file}@{offset}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in [
        "tile/entries/000",
        "tile/entries/002.p/88",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
    ] {
        let (disk, vkey) = log();
        disk.vanish(&dir().join("public").join(file));
        let expected = format!("{file} log.fsck.missing");
        assert!(
            listed(&check_public(&disk, &vkey)).contains(&expected),
            "{file}"
        );
        assert!(listed(&check(&disk, &vkey)).contains(&expected), "{file}");
    }
    let (disk, vkey) = log();
    disk.vanish(&dir().join("public/checkpoint"));
    assert_eq!(
        listed(&check(&disk, &vkey)),
        ["checkpoint log.fsck.missing"]
    );
    let (disk, vkey) = log();
    disk.vanish(&dir().join("state.redb"));
    assert_eq!(
        listed(&check(&disk, &vkey)),
        ["/log/state.redb log.fsck.missing"]
    );
}

#[test]
fn files_of_nobody_and_bad_partial_tiles_are_named() {
    let (disk, vkey) = log();
    let write = |path: &str, bytes: &[u8]| {
        let path = dir().join(path);
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        let file = disk.open(&path, OpenMode::Truncate).unwrap();
        file.write_at(bytes, 0).unwrap();
    };
    let full = disk.files()[&dir().join("public/tile/0/000")].clone();
    write("public/tile/0/000.p/3", &full[..96]);
    assert!(
        check(&disk, &vkey).is_clean(),
        "a true partial tile is no difference"
    );
    write("public/tile/0/000.p/3", &full[1..97]);
    write("public/tile/entries/000.p/1", &[0, 1, 77]);
    write("public/tile/0/1", b"");
    write("public/notes.txt", b"");
    write("journal/notes.txt", b"");
    let expected = [
        "tile/0/000.p/3 log.fsck.partial",
        "tile/entries/000.p/1 log.fsck.partial",
        "/log/journal/notes.txt log.fsck.unexpected",
        "/log/public/notes.txt log.fsck.unexpected",
        "/log/public/tile/0/1 log.fsck.unexpected",
    ];
    assert_eq!(listed(&check(&disk, &vkey)), expected);
}

#[test]
fn checkpoints_are_checked_against_key_state_and_tiles() {
    let (disk, vkey) = log();
    let other = signer("log.test/receipts-2").vkey().clone();
    assert_eq!(
        listed(&check(&disk, &other)),
        [
            "checkpoint log.fsck.signature",
            "state/checkpoint log.fsck.signature",
            "state/vkey log.fsck.other-log"
        ]
    );
    assert_eq!(
        listed(&check_public(&disk, &other)),
        ["checkpoint log.fsck.signature"]
    );
    // The size line: the signature and the root are off.
    disk.corrupt(
        &dir().join("public/checkpoint"),
        "log.test/receipts\n".len(),
        3,
    );
    assert_eq!(
        listed(&check(&disk, &vkey)),
        ["checkpoint log.fsck.signature", "checkpoint log.fsck.root"]
    );
    disk.corrupt(&dir().join("public/checkpoint"), 0, 0x80);
    assert_eq!(
        listed(&check(&disk, &vkey)),
        ["checkpoint log.fsck.malformed"]
    );
}

#[test]
fn a_journal_that_differs_is_named_by_record() {
    let (disk, vkey) = log();
    let rig = Rig::open(&disk, &Arc::default()).unwrap();
    let (firsts, offsets): (Vec<u64>, Vec<u64>) = (
        rig.core.catalog.firsts(),
        (0..LEAVES)
            .map(|index| rig.core.catalog.locate(index, None).unwrap().unwrap())
            .collect(),
    );
    drop(rig);
    let segment = |first: u64| dir().join("journal").join(segment_name(first));
    let (second, third) = (firsts[1], firsts[2]);
    // A payload in a closed segment.
    disk.corrupt(&segment(second), offsets[second as usize] as usize + 140, 1);
    let found = check(&disk, &vkey);
    let place = format!(
        "journal/{}@{}#{second} log.fsck.record",
        segment_name(second),
        offsets[second as usize]
    );
    assert!(listed(&found).contains(&place), "{:?}", listed(&found));
    disk.corrupt(&segment(second), offsets[second as usize] as usize + 140, 1);
    // A secret.
    disk.corrupt(&segment(second), offsets[second as usize] as usize + 80, 1);
    assert_eq!(listed(&check(&disk, &vkey)), [place.as_str()]);
    disk.corrupt(&segment(second), offsets[second as usize] as usize + 80, 1);
    // Bytes behind a closed segment.
    let file = disk.open(&segment(second), OpenMode::Write).unwrap();
    let end = file.len().unwrap();
    file.write_at(&[0; 8], end).unwrap();
    let place = format!("journal/{}@{end} log.fsck.trailing", segment_name(second));
    assert_eq!(listed(&check(&disk, &vkey)), [place]);
    file.set_len(end).unwrap();
    // An entry in the tiles that is not that of the journal, its leaf hash changed to fit.
    disk.corrupt(&dir().join("public/tile/entries/000"), 10 * 3 + 2, 1);
    let place = format!(
        "journal/{}@{}#3 log.fsck.entry",
        segment_name(0),
        offsets[3]
    );
    assert!(listed(&check(&disk, &vkey)).contains(&place));
    disk.corrupt(&dir().join("public/tile/entries/000"), 10 * 3 + 2, 1);
    assert!(check(&disk, &vkey).is_clean());
    // A segment that is gone.
    disk.vanish(&segment(third));
    let found = listed(&check(&disk, &vkey));
    assert!(
        found
            .iter()
            .any(|difference| difference.contains("log.fsck.record")),
        "{found:?}"
    );
    disk.vanish(&segment(0));
    let found = listed(&check(&disk, &vkey));
    assert!(
        found.contains(&format!("journal/{} log.fsck.missing", segment_name(0))),
        "{found:?}"
    );
}

#[test]
fn an_index_that_differs_is_named_by_key() {
    use crate::state::{NewLeaf, Step};
    let (disk, vkey) = log();
    let meddle = |leaves: &[(u64, u32, RecordKey, &[u8])]| {
        let file = disk.open(&dir().join(STATE_FILE), OpenMode::Write).unwrap();
        let state = State::open(file, 1 << 20).unwrap();
        let stored = state.load().unwrap().unwrap();
        let leaves: Vec<NewLeaf<'_>> = leaves
            .iter()
            .map(|(index, offset, key, meta)| NewLeaf {
                index: *index,
                offset: *offset,
                key: *key,
                meta,
            })
            .collect();
        let step = Step {
            replaces: &stored.checkpoint,
            checkpoint: &stored.checkpoint,
            frontier: &stored.frontier,
            leaves: &leaves,
        };
        state.commit(&step).unwrap();
    };
    let unknown = RecordKey::from_bytes([0xaa; 16]);
    let beyond = RecordKey::from_bytes([0xbb; 16]);
    meddle(&[
        (5, 1000, unknown, b""),
        (LEAVES + 1, 0, beyond, b""),
        (64, 99, RecordKey::NONE, b""),
    ]);
    assert_eq!(
        listed(&check(&disk, &vkey)),
        [
            format!("state/keys/{unknown:x} log.fsck.no-record"),
            format!("state/keys/{beyond:x} log.fsck.no-record"),
            "state/places/64 log.fsck.index".to_owned(),
        ]
    );
}

#[test]
fn unlisted_differences_are_counted() {
    let (disk, vkey) = log();
    for item in 0..20 {
        disk.corrupt(&dir().join("public/tile/entries/000"), item * 10 + 3, 1);
    }
    let dynamic = Arc::new(disk) as Arc<dyn Disk>;
    let few = FsckOptions {
        max_differences: 5,
        ..options()
    };
    let report = check_tiles(&dynamic, &dir().join("public"), Some(&vkey), &few).unwrap();
    assert_eq!(
        (report.differences.len(), report.unlisted, report.is_clean()),
        (5, 15, false)
    );
}

#[test]
fn what_a_crash_left_is_no_difference() {
    let (disk, vkey) = log();
    let rig = Rig::open(&disk, &Arc::default()).unwrap();
    rig.append(&record(LEAVES)).unwrap();
    let Rig {
        mut writer,
        core,
        integrator,
        ..
    } = rig;
    writer.step().unwrap();
    let last = *core.catalog.firsts().last().unwrap();
    drop((writer, core, integrator));
    let report = check(&disk, &vkey);
    assert!(report.is_clean());
    assert_eq!((report.pending, report.torn_tail), (1, false));
    let path = dir().join("journal").join(segment_name(last));
    let file = disk.open(&path, OpenMode::Write).unwrap();
    file.write_at(b"torn", file.len().unwrap()).unwrap();
    let report = check(&disk, &vkey);
    assert!(report.is_clean());
    assert_eq!((report.pending, report.torn_tail), (1, true));
}
