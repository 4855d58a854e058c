//! Installing, naming, verifying and removing; what is left when a process dies in between.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::Path;

use proofmark_hub::{HubError, ModelName, Store, file_digest, pack};
use proofmark_program::{Manifest, PROGRAM_PATH, ProgramDigest, Source, WEIGHTS_PATH, WeightsRoot};

fn model(seed: u8) -> (Manifest, Vec<(String, Vec<u8>)>) {
    let files = vec![
        (PROGRAM_PATH.to_owned(), vec![seed; 100]),
        (WEIGHTS_PATH.to_owned(), vec![seed; 40_000]),
        ("more/deep.txt".to_owned(), b"deep".to_vec()),
    ];
    let mut manifest = Manifest {
        name: "a model".into(),
        program: ProgramDigest([0; 32]),
        weights: WeightsRoot([0; 32]),
        files: Vec::new(),
        source: Source {
            format: "test".into(),
            digest: file_digest(b""),
            text: String::new(),
        },
        recipe: Vec::new(),
        loss: None,
        golden: None,
    };
    pack(&mut manifest, &files);
    (manifest, files)
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("models"));
    (folder, store)
}

fn name(text: &str) -> ModelName {
    ModelName::parse(text).unwrap()
}

fn staged(folder: &Path) -> usize {
    fs::read_dir(folder.join("models/staging")).map_or(0, Iterator::count)
}

#[test]
fn models_are_installed_found_and_removed() {
    let (folder, store) = store();
    assert!(store.list().unwrap().models.is_empty());
    let (manifest, files) = model(1);
    let digest = store.install(&manifest, &files).unwrap();
    assert_eq!(store.install(&manifest, &files).unwrap(), digest);
    store.name(&name("fable"), &digest, false).unwrap();
    store.name(&name("fable"), &digest, false).unwrap();
    store.name(&name("story"), &digest, false).unwrap();
    let hex = digest.to_string();
    for what in ["fable", "story", &hex, &hex[..8]] {
        let found = store.find(what).unwrap();
        assert_eq!(
            (found.digest, found.names),
            (digest, vec!["fable".into(), "story".into()])
        );
    }
    assert!(matches!(
        store.find(&hex[..7]),
        Err(HubError::NotFound { .. })
    ));
    store.verify(&digest).unwrap();
    assert!(!store.remove("fable").unwrap());
    assert!(matches!(
        store.find("fable"),
        Err(HubError::NotFound { .. })
    ));
    assert!(store.remove("story").unwrap());
    assert!(matches!(store.find(&hex), Err(HubError::NotFound { .. })));
    assert!(matches!(
        store.remove("story"),
        Err(HubError::NotFound { .. })
    ));
    assert_eq!(staged(folder.path()), 0);
}

#[test]
fn a_name_belongs_to_one_model() {
    let (_folder, store) = store();
    let (manifest, files) = model(1);
    let first = store.install(&manifest, &files).unwrap();
    let (manifest, files) = model(2);
    let second = store.install(&manifest, &files).unwrap();
    store.name(&name("fable"), &first, false).unwrap();
    assert!(matches!(
        store.name(&name("fable"), &second, false),
        Err(HubError::NameTaken { .. })
    ));
    store.name(&name("fable"), &second, true).unwrap();
    assert_eq!(store.find("fable").unwrap().digest, second);
    assert_eq!(store.list().unwrap().models.len(), 2);
    assert!(store.remove(&first.to_string()).unwrap());
}

#[test]
fn files_that_are_not_the_manifests_are_never_visible() {
    let (folder, store) = store();
    let (manifest, mut files) = model(1);
    files[1].1[7] ^= 1;
    let error = store.install(&manifest, &files).unwrap_err();
    assert_eq!(error.code(), "program.digest-mismatch");
    let (manifest, mut files) = model(1);
    files.pop();
    assert!(store.install(&manifest, &files).is_err());
    assert!(store.list().unwrap().models.is_empty());
    // What failed is cleared away by the next that writes.
    let (manifest, files) = model(2);
    store.install(&manifest, &files).unwrap();
    assert_eq!(staged(folder.path()), 0);
}

#[test]
fn every_changed_byte_and_every_stray_file_is_found() {
    let (folder, store) = store();
    let (manifest, files) = model(1);
    let digest = store.install(&manifest, &files).unwrap();
    let path = folder.path().join("models").join(digest.to_string());
    for file in [PROGRAM_PATH, WEIGHTS_PATH, "more/deep.txt", "manifest.cbor"] {
        let sound = fs::read(path.join(file)).unwrap();
        let mut changed = sound.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(path.join(file), &changed).unwrap();
        assert_eq!(
            store.verify(&digest).unwrap_err().code(),
            "program.digest-mismatch",
            "{file}"
        );
        fs::write(path.join(file), [&sound[..], &[0]].concat()).unwrap();
        assert!(store.verify(&digest).is_err(), "{file}");
        fs::write(path.join(file), &sound).unwrap();
    }
    store.verify(&digest).unwrap();
    fs::write(path.join("more/stray"), b"").unwrap();
    assert_eq!(
        store.verify(&digest).unwrap_err().code(),
        "model.stray-file"
    );
    // Installing again heals.
    store.install(&manifest, &files).unwrap();
    store.verify(&digest).unwrap();
}

#[cfg(unix)]
#[test]
fn links_are_no_files_of_a_model() {
    let (folder, store) = store();
    let (manifest, files) = model(1);
    let digest = store.install(&manifest, &files).unwrap();
    let file = folder
        .path()
        .join("models")
        .join(digest.to_string())
        .join("more/deep.txt");
    fs::rename(&file, folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &file).unwrap();
    assert_eq!(
        store.verify(&digest).unwrap_err().code(),
        "model.stray-file"
    );
}

#[test]
fn what_dead_processes_left_is_cleared_and_what_living_ones_write_is_kept() {
    let (folder, store) = store();
    let staging = folder.path().join("models/staging");
    for dead in ["0123456789abcdef", "fedcba9876543210"] {
        fs::create_dir_all(staging.join(dead)).unwrap();
        fs::write(staging.join(dead).join("program.cbor"), b"half").unwrap();
    }
    fs::write(staging.join("0123456789abcdef.lock"), b"").unwrap();
    fs::create_dir_all(staging.join("00000000000000aa")).unwrap();
    fs::write(staging.join("00000000000000aa.lock"), b"").unwrap();
    let living = fs::File::open(staging.join("00000000000000aa.lock")).unwrap();
    living.lock().unwrap();
    let (manifest, files) = model(1);
    store.install(&manifest, &files).unwrap();
    let mut left: Vec<_> = fs::read_dir(&staging)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["00000000000000aa", "00000000000000aa.lock"]);
    assert_eq!(store.list().unwrap().models.len(), 1);
}

#[test]
fn damaged_names_and_folders_are_no_models() {
    let (folder, store) = store();
    let (manifest, files) = model(1);
    let digest = store.install(&manifest, &files).unwrap();
    let names = folder.path().join("models/names");
    fs::create_dir_all(&names).unwrap();
    fs::write(names.join("broken"), "../../etc/passwd").unwrap();
    assert!(matches!(
        store.find("broken"),
        Err(HubError::NotFound { .. })
    ));
    fs::write(names.join("long"), "a".repeat(10_000)).unwrap();
    assert!(store.find("long").is_err());
    fs::remove_file(names.join("long")).unwrap();
    // A folder whose name is a digest, without a manifest or with another one.
    let other = folder.path().join("models").join("ab".repeat(32));
    fs::create_dir_all(&other).unwrap();
    assert_eq!(store.list().unwrap().damaged.len(), 1);
    fs::write(other.join("manifest.cbor"), manifest.encode().unwrap()).unwrap();
    let error = store.find(&"ab".repeat(32)).unwrap_err();
    assert_eq!(error.code(), "program.digest-mismatch");
    assert!(store.find(&digest.to_string()).is_ok());
}
