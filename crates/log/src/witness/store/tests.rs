//! Durability and refusals of the state store.

use proofmark_tlog::{CosignatureSigner, NoteKeyName};
use tempfile::TempDir;

use super::*;

fn vkey(seed: u8) -> VerifierKey {
    let name = NoteKeyName::parse("witness.example").unwrap();
    CosignatureSigner::from_seed(name, &[seed; 32])
        .vkey()
        .clone()
}

fn origin() -> Origin {
    Origin::parse("go.sum database tree/../x").unwrap()
}

fn state(size: u64, unix_s: u64) -> WitnessedState {
    let time = CosignatureTime::from_unix_s(unix_s).unwrap();
    WitnessedState {
        size,
        root: leaf_hash(&size.to_be_bytes()),
        time,
    }
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join(file_name(&origin()))
}

#[test]
fn states_survive_a_restart_and_leftovers_of_a_crash() {
    let dir = TempDir::new().unwrap();
    let (store, states) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    assert!(states.is_empty());
    store.store(&origin(), None, &state(3, 10)).unwrap();
    store
        .store(&origin(), Some(&state(3, 10)), &state(5, 10))
        .unwrap();
    drop(store);
    // A crash before the rename leaves the new file beside the old one.
    fs::write(
        dir.path().join(format!("{}.new", file_name(&origin()))),
        "half",
    )
    .unwrap();
    let (store, states) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    assert_eq!(states, BTreeMap::from([(origin(), state(5, 10))]));
    store
        .store(&origin(), Some(&state(5, 10)), &state(6, 11))
        .unwrap();
    drop(store);
    let (_, states) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    assert_eq!(states, BTreeMap::from([(origin(), state(6, 11))]));
}

#[test]
fn state_never_goes_backward() {
    let dir = TempDir::new().unwrap();
    let (store, _) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    store.store(&origin(), None, &state(5, 10)).unwrap();
    let fork = WitnessedState {
        root: leaf_hash(b"fork"),
        ..state(5, 11)
    };
    for next in [state(4, 11), state(6, 9), fork] {
        let error = store
            .store(&origin(), Some(&state(5, 10)), &next)
            .unwrap_err();
        assert_eq!(error.code(), "log.witness.state-backward");
    }
    drop(store);
    let (_, states) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    assert_eq!(states[&origin()], state(5, 10));
}

#[test]
fn a_second_process_is_refused() {
    let dir = TempDir::new().unwrap();
    let open = StateStore::open(dir.path(), &vkey(1)).unwrap();
    let error = StateStore::open(dir.path(), &vkey(1)).unwrap_err();
    assert_eq!(error.code(), "log.witness.state-locked");
    drop(open);
    StateStore::open(dir.path(), &vkey(1)).unwrap();
}

#[test]
fn the_state_of_another_witness_is_refused() {
    let dir = TempDir::new().unwrap();
    let (store, _) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    store.store(&origin(), None, &state(5, 10)).unwrap();
    drop(store);
    let error = StateStore::open(dir.path(), &vkey(2)).unwrap_err();
    assert_eq!(error.code(), "log.witness.state-other-key");
}

#[test]
fn damage_is_refused_wherever_it_is() {
    let dir = TempDir::new().unwrap();
    let (store, _) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    store.store(&origin(), None, &state(5, 10)).unwrap();
    drop(store);
    let good = fs::read(path(&dir)).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(path(&dir), bytes).unwrap();
        StateStore::open(dir.path(), &vkey(1)).is_err()
    };
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(refused(&bad), "byte {at}");
        assert!(refused(&good[..at]), "cut at {at}");
    }
    assert!(refused(&[&good[..], b"\n"].concat()));
    assert!(refused(&[b'x'; 8192]));
    assert!(!refused(&good));
    // The right contents under the name of another log.
    fs::copy(path(&dir), dir.path().join("00.state")).unwrap();
    let error = StateStore::open(dir.path(), &vkey(1)).unwrap_err();
    assert_eq!(error.code(), "log.witness.state-malformed");
}

#[test]
fn after_a_failed_write_nothing_more_is_stored() {
    let dir = TempDir::new().unwrap();
    let (store, _) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    // A directory in the place of the new file makes its creation fail.
    let obstacle = dir.path().join(format!("{}.new", file_name(&origin())));
    fs::create_dir(&obstacle).unwrap();
    let error = store.store(&origin(), None, &state(5, 10)).unwrap_err();
    assert!(matches!(error, WitnessError::Io { op: "create", .. }));
    fs::remove_dir(&obstacle).unwrap();
    let error = store.store(&origin(), None, &state(5, 10)).unwrap_err();
    assert!(matches!(error, WitnessError::Failed));
    drop(store);
    let (_, states) = StateStore::open(dir.path(), &vkey(1)).unwrap();
    assert!(states.is_empty());
}
