use std::fs;
use std::path::PathBuf;

use http::HeaderValue;

use super::super::{FILE_NAME, NewKey, Rights};
use super::*;

struct Data {
    folder: tempfile::TempDir,
    file: KeyFile,
}

impl Data {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::of(folder.path());
        Self { folder, file }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    fn ring(&self, loopback: bool) -> Keyring {
        let book = Arc::new(SpendBook::open(self.folder.path()).unwrap());
        Keyring::open(self.folder.path(), book, loopback).unwrap()
    }

    fn create(&self, name: &str, expires_unix_s: Option<u64>) -> (KeyRecord, ApiKey) {
        let new = NewKey {
            name: name.into(),
            rpm: Some(3),
            budget: None,
            expires_unix_s,
            rights: Rights::USE,
            policy: None,
        };
        self.file.create(new, 1).unwrap()
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn with_key(key: &ApiKey) -> HeaderMap {
    headers(&[("authorization", &format!("Bearer {}", key.expose()))])
}

fn refused(result: Result<Holder, GatewayError>) -> bool {
    result.is_err_and(|error| error == GatewayError::InvalidApiKey)
}

#[test]
fn a_key_opens_and_everything_else_gets_the_same_answer() {
    let data = Data::new();
    let (record, key) = data.create("app", Some(100));
    let ring = data.ring(false);
    let holder = ring.authenticate(&with_key(&key), 99_999).unwrap();
    assert_eq!(
        (holder.name(), holder.key_id()),
        ("app", Some(record.id.as_str()))
    );
    let lower = headers(&[("authorization", &format!("bearer {}", key.expose()))]);
    assert!(ring.authenticate(&lower, 0).is_ok());
    assert!(
        refused(ring.authenticate(&with_key(&key), 100_000)),
        "expired"
    );
    let twice = headers(&[
        ("authorization", &format!("Bearer {}", key.expose())),
        ("authorization", &format!("Bearer {}", key.expose())),
    ]);
    for wrong in [
        headers(&[]),
        headers(&[("authorization", key.expose())]),
        headers(&[("authorization", &format!("Basic {}", key.expose()))]),
        headers(&[("authorization", "Bearer sk-test")]),
        headers(&[("x-api-key", key.expose())]),
        with_key(&ApiKey::from_bytes(&[9; 32])),
        twice,
    ] {
        assert!(refused(ring.authenticate(&wrong, 0)), "{wrong:?}");
    }
}

#[test]
fn a_new_key_works_at_once_and_a_revoked_one_for_a_second_at_most() {
    let data = Data::new();
    let (_, first) = data.create("first", None);
    let ring = data.ring(false);
    assert!(ring.authenticate(&with_key(&first), 10_000).is_ok());
    let (_, second) = data.create("second", None);
    assert!(ring.authenticate(&with_key(&second), 10_001).is_ok());
    data.file.revoke("first", 5).unwrap();
    assert!(refused(ring.authenticate(&with_key(&first), 11_000)));
    assert!(ring.authenticate(&with_key(&second), 11_000).is_ok());
}

#[test]
fn a_clock_that_jumps_back_does_not_keep_a_revoked_key_alive() {
    let data = Data::new();
    let (_, key) = data.create("app", None);
    let ring = data.ring(false);
    assert!(ring.authenticate(&with_key(&key), 1_000_000_000).is_ok());
    data.file.revoke("app", 5).unwrap();
    assert!(refused(ring.authenticate(&with_key(&key), 2_000)));
}

#[test]
fn reading_the_file_again_does_not_fill_the_buckets() {
    let data = Data::new();
    let (_, key) = data.create("app", None);
    let ring = data.ring(false);
    let take = |now| ring.authenticate(&with_key(&key), now).unwrap().take(now);
    let now = 1_000_000;
    let allowed = |verdict| matches!(verdict, Some(Verdict::Allowed(_)));
    assert!(allowed(take(now)) && allowed(take(now)) && allowed(take(now)));
    data.create("other", None);
    assert!(!allowed(take(now + 2_000)));
}

#[test]
fn an_unreadable_file_changes_nothing_until_it_is_mended() {
    let data = Data::new();
    let (_, key) = data.create("app", None);
    let ring = data.ring(true);
    let good = fs::read_to_string(data.path()).unwrap();
    let mut now = 10_000;
    for broken in ["", "version = 1\n", "version = 9\n", "???"] {
        super::super::disk::replace(&data.path(), broken).unwrap();
        now += 1_000;
        assert!(
            ring.authenticate(&with_key(&key), now).is_ok(),
            "{broken:?}"
        );
        assert!(refused(ring.authenticate(&headers(&[]), now)), "{broken:?}");
    }
    fs::remove_file(data.path()).unwrap();
    now += 1_000;
    assert!(ring.authenticate(&with_key(&key), now).is_ok(), "no file");
    assert!(refused(ring.authenticate(&headers(&[]), now)), "no file");
    super::super::disk::replace(&data.path(), &good).unwrap();
    data.file.revoke("app", 1).unwrap();
    assert!(refused(ring.authenticate(&with_key(&key), now + 1_000)));
}

#[test]
fn without_keys_this_machine_is_served_whatever_key_it_sends() {
    let data = Data::new();
    let ring = data.ring(true);
    for local in [
        headers(&[]),
        headers(&[
            ("authorization", "Bearer sk-anything"),
            ("host", "localhost:8080"),
        ]),
        headers(&[("host", "127.0.0.1:8080")]),
        headers(&[("host", "[::1]:8080"), ("origin", "http://localhost:3000")]),
    ] {
        let holder = ring.authenticate(&local, 0).unwrap();
        assert_eq!((holder.name(), holder.key_id()), (LOCAL_CALLER, None));
        assert!(holder.may_use() && holder.may_see_all());
    }
    for foreign in [
        headers(&[("host", "rebound.example:8080")]),
        headers(&[("host", "localhost.evil.example")]),
        headers(&[("host", "127.0.0.1"), ("origin", "https://evil.example")]),
        headers(&[("host", "127.0.0.1"), ("origin", "null")]),
        headers(&[("host", "10.0.0.1")]),
        headers(&[("host", "")]),
    ] {
        assert!(refused(ring.authenticate(&foreign, 0)), "{foreign:?}");
    }
    assert!(
        refused(data.ring(false).authenticate(&headers(&[]), 0)),
        "not on loopback"
    );
}

#[test]
fn the_first_key_shuts_the_door_and_its_revocation_does_not_open_it() {
    let data = Data::new();
    let ring = data.ring(true);
    assert!(ring.authenticate(&headers(&[]), 0).is_ok() && !ring.has_keys());
    let (_, key) = data.create("app", None);
    assert!(refused(ring.authenticate(&headers(&[]), 1_000)));
    assert!(ring.authenticate(&with_key(&key), 1_000).is_ok() && ring.has_keys());
    data.file.revoke("app", 1).unwrap();
    assert!(refused(ring.authenticate(&headers(&[]), 2_000)));
    assert!(refused(ring.authenticate(&with_key(&key), 2_000)));
}

#[test]
fn who_sees_what() {
    let data = Data::new();
    let (mine, key) = data.create("app", None);
    let new = NewKey {
        name: "boss".into(),
        rpm: None,
        budget: None,
        expires_unix_s: None,
        rights: Rights::ADMIN,
        policy: None,
    };
    let (_, admin) = data.file.create(new, 1).unwrap();
    let ring = data.ring(false);
    let holder = ring.authenticate(&with_key(&key), 0).unwrap();
    assert!(holder.may_see(Some(mine.id.as_str())) && holder.may_use());
    assert!(!holder.may_see(Some("ak_0000000000000000")) && !holder.may_see(None));
    let admin = ring.authenticate(&with_key(&admin), 0).unwrap();
    assert!(admin.may_see(Some(mine.id.as_str())) && admin.may_see(None) && !admin.may_use());
}

#[test]
fn debug_output_has_no_key_in_it() {
    let data = Data::new();
    let (record, key) = data.create("app", None);
    let ring = data.ring(false);
    let holder = ring.authenticate(&with_key(&key), 0).unwrap();
    let shown = format!("{ring:?} {holder:?} {record:?}");
    assert!(!shown.contains(&key.expose()[3..]), "{shown}");
}
