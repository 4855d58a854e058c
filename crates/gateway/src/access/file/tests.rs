use std::fs;
use std::sync::Barrier;

use super::*;

fn new_key(name: &str) -> NewKey {
    NewKey {
        name: name.into(),
        rpm: None,
        budget: None,
        expires_unix_s: None,
        rights: Rights::USE,
        policy: None,
    }
}

fn open() -> (tempfile::TempDir, KeyFile) {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::of(folder.path());
    (folder, file)
}

#[test]
fn what_was_made_is_listed_as_it_was_made() {
    let (_folder, file) = open();
    assert!(file.list().unwrap().is_empty());
    let new = NewKey {
        rpm: Some(60),
        budget: Some(NanoUsd(12_345_678_901)),
        expires_unix_s: Some(2_000),
        rights: Rights::ALL,
        ..new_key("Büro \"1\"")
    };
    let (record, key) = file.create(new, 1_000).unwrap();
    let (other, _) = file.create(new_key("other"), 1_001).unwrap();
    assert_eq!(record.hash, key.hash());
    assert_eq!(file.list().unwrap(), [record, other]);
}

#[test]
fn the_secret_is_on_no_disk() {
    let (folder, file) = open();
    let (_, key) = file.create(new_key("app"), 1).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(&key.expose()[3..]));
    }
}

#[test]
fn a_revoked_key_stays_on_the_list_and_frees_its_name() {
    let (_folder, file) = open();
    let (first, _) = file.create(new_key("app"), 1).unwrap();
    let taken = file.create(new_key("app"), 2).unwrap_err();
    assert!(matches!(taken, AccessError::NameTaken { .. }));
    assert_eq!(file.revoke("app", 3).unwrap().revoked_unix_s, Some(3));
    let gone = file.revoke("app", 4).unwrap_err();
    assert!(matches!(gone, AccessError::UnknownKey { .. }));
    let (second, _) = file.create(new_key("app"), 5).unwrap();
    assert_eq!(
        file.revoke(first.id.as_str(), 6).unwrap().revoked_unix_s,
        Some(3)
    );
    let listed = file.list().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0].id, listed[0].revoked_unix_s),
        (&first.id, Some(3))
    );
    assert_eq!(
        (&listed[1].id, listed[1].revoked_unix_s),
        (&second.id, None)
    );
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let (_folder, file) = open();
    let long = "x".repeat(65);
    for name in ["", " app", "a\nb", "ak_0000000000000000", "local", &long] {
        let refused = file.create(new_key(name), 1).unwrap_err();
        assert!(matches!(refused, AccessError::NewKey { .. }), "{name:?}");
    }
    let none = Rights {
        use_models: false,
        admin: false,
    };
    for new in [
        NewKey {
            rpm: Some(0),
            ..new_key("a")
        },
        NewKey {
            expires_unix_s: Some(1),
            ..new_key("a")
        },
        NewKey {
            expires_unix_s: Some(u64::MAX),
            ..new_key("a")
        },
        NewKey {
            rights: none,
            ..new_key("a")
        },
    ] {
        assert!(matches!(
            file.create(new, 1).unwrap_err(),
            AccessError::NewKey { .. }
        ));
    }
    assert!(file.list().unwrap().is_empty());
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let (_folder, file) = open();
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (file, barrier) = (file.clone(), &barrier);
            scope.spawn(move || {
                barrier.wait();
                for n in 0..4 {
                    file.create(new_key(&format!("key {writer} {n}")), 1)
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(file.list().unwrap().len(), 32);
}

const RECORD: &str = r#"version = 1
[[key]]
id = "ak_0000000000000001"
name = "a"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
created_unix_s = 1
rights = ["use"]
"#;

fn read(text: &str) -> Result<Vec<KeyRecord>, AccessError> {
    KeyFile::of(Path::new("")).parse(text)
}

#[test]
fn a_file_edited_into_nonsense_is_an_error_that_says_where() {
    assert_eq!(read(RECORD).unwrap().len(), 1);
    let record = RECORD.strip_prefix("version = 1\n").unwrap();
    for (text, what) in [
        (RECORD.replace("ak_0", "ak-0"), "ak_"),
        (RECORD.replace("aaaa\"", "aaaA\""), "sha256"),
        (RECORD.replace("\"use\"", "\"root\""), "rights"),
        (RECORD.replace("name = \"a\"", "name = \"\""), "name"),
        (format!("{RECORD}rpm = 0\n"), "rpm"),
        (format!("{RECORD}rmp = 5\n"), "rmp"),
        (format!("{RECORD}{record}"), "twice"),
        (
            format!("{RECORD}{}", record.replacen("01\"", "02\"", 1)),
            "same key",
        ),
        ("version = 2\n".into(), "version"),
        ("version = ".into(), "list of API keys"),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
