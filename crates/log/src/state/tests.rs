//! The state database on a simulated disk.

use std::path::Path;

use proofmark_tlog::leaf_hash;

use super::*;
use crate::disk::{Disk, OpenMode, sim::SimDisk};

fn open(disk: &SimDisk) -> State {
    disk.create_dir_all(Path::new("/log")).unwrap();
    let path = Path::new("/log/state.redb");
    let file = disk
        .open(path, OpenMode::Write)
        .or_else(|_| disk.open(path, OpenMode::Truncate))
        .unwrap();
    disk.sync_dir(Path::new("/log")).unwrap();
    State::open(file, 1 << 20).unwrap()
}

fn first() -> LogState {
    LogState {
        vkey: "key".to_owned(),
        checkpoint: b"zero".to_vec(),
        frontier: Frontier::new(),
        edge: b"edge".to_vec(),
        journal_start: 0,
    }
}

fn key(n: u8) -> RecordKey {
    RecordKey::from_bytes([n; 16])
}

fn leaf(index: u64, key: RecordKey) -> NewLeaf<'static> {
    NewLeaf {
        index,
        offset: 1000 + index as u32,
        key,
        meta: b"meta",
    }
}

fn step<'a>(
    replaces: &'a [u8],
    checkpoint: &'a [u8],
    frontier: &'a Frontier,
    leaves: &'a [NewLeaf<'a>],
) -> Step<'a> {
    Step {
        replaces,
        checkpoint,
        frontier,
        leaves,
    }
}

#[test]
fn what_was_stored_is_loaded_after_a_power_loss() {
    let disk = SimDisk::new(3);
    let state = open(&disk);
    assert_eq!(state.load().unwrap(), None);
    state.create(&first()).unwrap();
    let mut frontier = Frontier::new();
    frontier.append(leaf_hash(b"leaf")).unwrap();
    state
        .commit(&step(b"zero", b"one", &frontier, &[leaf(0, key(1))]))
        .unwrap();
    state.set_edge(b"other edge").unwrap();
    state.set_journal_start(1).unwrap();
    drop(state);
    let state = open(&disk.reboot(true));
    let expected = LogState {
        checkpoint: b"one".to_vec(),
        frontier,
        edge: b"other edge".to_vec(),
        journal_start: 1,
        ..first()
    };
    assert_eq!(state.load().unwrap(), Some(expected));
    let entry = IndexEntry {
        index: 0,
        offset: 1000,
        meta: b"meta".to_vec(),
    };
    assert_eq!(state.find(&key(1)).unwrap(), Some(entry));
    assert_eq!(state.find(&key(2)).unwrap(), None);
}

#[test]
fn a_checkpoint_replaces_only_the_one_before_it() {
    let state = open(&SimDisk::new(1));
    state.create(&first()).unwrap();
    let frontier = Frontier::new();
    state
        .commit(&step(b"zero", b"one", &frontier, &[]))
        .unwrap();
    let conflict = state.commit(&step(b"zero", b"other one", &frontier, &[leaf(0, key(1))]));
    assert!(matches!(conflict, Err(StateError::Conflict)));
    assert_eq!(state.load().unwrap().unwrap().checkpoint, b"one");
    assert_eq!(
        state.find(&key(1)).unwrap(),
        None,
        "nothing of a refused step is stored"
    );
}

#[test]
fn the_first_record_of_a_key_keeps_it() {
    let state = open(&SimDisk::new(1));
    state.create(&first()).unwrap();
    let frontier = Frontier::new();
    let leaves = [leaf(0, key(1)), leaf(1, RecordKey::NONE), leaf(2, key(1))];
    state
        .commit(&step(b"zero", b"one", &frontier, &leaves))
        .unwrap();
    assert_eq!(state.find(&key(1)).unwrap().unwrap().index, 0);
    assert_eq!(state.find(&RecordKey::NONE).unwrap(), None);
}

#[test]
fn places_are_kept_for_some_records_and_dropped_with_their_segments() {
    let state = open(&SimDisk::new(1));
    state.create(&first()).unwrap();
    let frontier = Frontier::new();
    let leaves: Vec<NewLeaf<'_>> = (0..200).map(|index| leaf(index, RecordKey::NONE)).collect();
    state
        .commit(&step(b"zero", b"one", &frontier, &leaves))
        .unwrap();
    assert_eq!(state.place_before(63).unwrap(), Some((0, 1000)));
    assert_eq!(state.place_before(64).unwrap(), Some((64, 1064)));
    assert_eq!(state.place_before(199).unwrap(), Some((192, 1192)));
    state.set_journal_start(100).unwrap();
    assert_eq!(state.place_before(127).unwrap(), None);
    assert_eq!(state.place_before(128).unwrap(), Some((128, 1128)));
    let reader = state.reader().unwrap();
    assert_eq!(
        (reader.place(64).unwrap(), reader.place(128).unwrap()),
        (None, Some(1128))
    );
}

#[test]
fn rows_are_decoded_strictly() {
    let entry = IndexEntry {
        index: 7,
        offset: 9,
        meta: vec![1, 2],
    };
    assert_eq!(IndexEntry::decode(&entry.encode()).unwrap(), entry);
    for len in 0..12 {
        let error = IndexEntry::decode(&entry.encode()[..len]).unwrap_err();
        assert_eq!(error.code(), "log.state.malformed");
    }
    let state = open(&SimDisk::new(1));
    let malformed = LogState {
        edge: Vec::new(),
        ..first()
    };
    state.create(&malformed).unwrap();
    let transaction = state.database.begin_write().unwrap();
    transaction
        .open_table(VALUES)
        .unwrap()
        .insert(ROW_FRONTIER, b"short".as_slice())
        .unwrap();
    transaction.commit().unwrap();
    assert!(matches!(
        state.load(),
        Err(StateError::Row { row: ROW_FRONTIER })
    ));
    let transaction = state.database.begin_write().unwrap();
    transaction
        .open_table(VALUES)
        .unwrap()
        .remove(ROW_VKEY)
        .unwrap();
    transaction.commit().unwrap();
    assert!(matches!(
        state.load(),
        Err(StateError::Row { row: ROW_VKEY })
    ));
}

#[test]
fn a_file_of_something_else_is_refused() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/log")).unwrap();
    let file = disk
        .open(Path::new("/log/state.redb"), OpenMode::Truncate)
        .unwrap();
    file.write_at(&[0x5a; 20_000], 0).unwrap();
    assert_eq!(
        State::open(file, 1 << 20).unwrap_err().code(),
        "log.state.io"
    );
}
