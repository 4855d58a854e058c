//! Keys on a real directory: first starts that are cut off or doubled, permissions, damage, moved keys, time.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use proofmark_keys::{
    Due, Entropy, KeyFileError, KeyRole, KeyStore, KeysError, NodeFacts, OperatorName, OsEntropy,
    STATEMENT_VALIDITY_S, Statement, create_key_file, read_key_file,
};
use proofmark_receipt::{KeyId, Revocation, RevocationReason};

const NOW: u64 = 1_795_000_000;
const DAY: u64 = 86_400;

struct Data(tempfile::TempDir);

impl Data {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("keys")
    }

    fn open(&self) -> KeyStore {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<KeyStore, KeysError> {
        KeyStore::open_or_create(&self.keys(), None, NOW, &mut OsEntropy)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.keys().join(name)
    }

    /// Every file below the keys with its content, but the locks.
    fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(dir: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, into);
                } else if !path.ends_with(".lock") {
                    let bytes = fs::read(&path).unwrap();
                    into.push((path, bytes));
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.keys(), &mut files);
        files.sort();
        files
    }
}

fn facts() -> NodeFacts {
    NodeFacts {
        node: "node-1".into(),
        config: [1; 32],
        release: [2; 32],
        model_policy: None,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn current_kid(keys: &KeyStore) -> KeyId {
    keys.current_statement().unwrap().unverified().keys[0].kid()
}

#[test]
fn first_start_makes_private_files_and_the_second_finds_them() {
    let data = Data::new();
    let mut keys = data.open();
    assert!(keys.refresh(&facts(), NOW).unwrap().changed);
    assert_eq!(mode(&data.keys()), 0o700);
    for file in [
        "operator.key",
        "node-1.key",
        "log-receipts.key",
        "log-registry.key",
    ] {
        assert_eq!(mode(&data.file(file)), 0o600, "{file}");
    }
    let before = data.snapshot();
    let mut again = data.open();
    assert!(!again.refresh(&facts(), NOW).unwrap().changed);
    assert_eq!(data.snapshot(), before);
    assert_eq!(again.operator_key().kid(), keys.operator_key().kid());
    assert_eq!(current_kid(&again), keys.serving(NOW).unwrap().key.kid());
    assert_eq!(again.registry_records(), keys.registry_records());
    let opened = KeyStore::open(&data.keys()).unwrap();
    assert_eq!(
        opened.registry_log_signer().vkey(),
        keys.registry_log_signer().vkey()
    );
}

#[test]
fn statement_says_what_the_node_is() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    let serving = keys.serving(NOW).unwrap();
    let says = serving.statement.verify(keys.operator_key()).unwrap();
    assert_eq!(
        (says.node.as_str(), says.config, says.release),
        ("node-1", [1; 32], [2; 32])
    );
    assert!(says.operator_key_online);
    assert!(says.not_before < NOW && says.not_after > NOW + 89 * DAY);
    assert_eq!(
        says.receipts_log,
        keys.receipts_log_signer().vkey().to_string()
    );
    assert_ne!(says.receipts_log, says.registry_log);
    let name = keys.operator_name();
    assert!(name.starts_with("operator-"), "{name}");
    assert_eq!(
        keys.receipts_log_signer().name().as_str(),
        format!("{name}/receipts")
    );
}

#[test]
fn wider_permissions_are_refused_with_the_remedy() {
    for (file, bits) in [
        ("operator.key", 0o640),
        ("node-1.key", 0o604),
        ("log-registry.key", 0o644),
    ] {
        let data = Data::new();
        data.open();
        chmod(&data.file(file), bits);
        let error = data.try_open().unwrap_err();
        let KeysError::TooOpen {
            path,
            mode,
            allowed: 0o600,
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!((path, *mode), (&data.file(file), bits));
        assert_eq!(
            error.hint().unwrap(),
            format!("run: chmod 600 {}", data.file(file).display())
        );
        chmod(&data.file(file), 0o600);
        data.try_open().unwrap();
    }
    let data = Data::new();
    data.open();
    chmod(&data.keys(), 0o750);
    assert!(matches!(
        data.try_open(),
        Err(KeysError::TooOpen {
            mode: 0o750,
            allowed: 0o700,
            ..
        })
    ));
}

#[test]
fn truncated_key_files_are_errors_in_words() {
    for file in [
        "operator.key",
        "node-1.key",
        "log-receipts.key",
        "log-registry.key",
    ] {
        let data = Data::new();
        data.open();
        let text = fs::read_to_string(data.file(file)).unwrap();
        for length in [0, 3, text.len() / 2, text.len() - 1] {
            fs::write(data.file(file), &text[..length]).unwrap();
            let error = data.try_open().unwrap_err();
            let KeysError::KeyFile { path, source } = &error else {
                panic!("{error}")
            };
            assert_eq!(path, &data.file(file));
            assert_eq!(length == 0, *source == KeyFileError::Empty);
            assert_eq!(error.code(), "keys.file-damaged");
        }
        assert_eq!(
            fs::read_to_string(data.file(file)).unwrap().len(),
            text.len() - 1,
            "never rewritten"
        );
    }
}

/// Every prefix of what a first start writes, as a crash leaves it, ends in the same keys that were there.
#[test]
fn first_start_resumes_after_a_crash_between_any_two_files() {
    let whole = Data::new();
    whole.open().refresh(&facts(), NOW).unwrap();
    let order = [
        "operator.key",
        "statements/00000001.leaf",
        "log-receipts.key",
        "log-registry.key",
        "node-1.key",
        "statements/00000002.leaf",
    ];
    for count in 0..=order.len() {
        let cut = Data::new();
        fs::create_dir_all(cut.keys().join("statements")).unwrap();
        chmod(&cut.keys(), 0o700);
        chmod(&cut.keys().join("statements"), 0o700);
        for file in &order[..count] {
            fs::copy(whole.file(file), cut.file(file)).unwrap();
        }
        // What was being written when it stopped.
        fs::write(cut.file(".unfinished-node-1.key"), "proofmark key 1\nrole").unwrap();
        fs::write(cut.file("statements/.unfinished-00000001.leaf"), "x").unwrap();
        let mut keys = cut.open();
        keys.refresh(&facts(), NOW).unwrap();
        keys.serving(NOW).unwrap();
        assert_eq!(keys.registry_records().len(), 2, "{count}");
        assert!(!cut.file(".unfinished-node-1.key").exists());
        for file in &order[..count] {
            assert_eq!(
                fs::read(whole.file(file)).unwrap(),
                fs::read(cut.file(file)).unwrap(),
                "{file}"
            );
        }
    }
}

/// Gives bytes until they run out, as a machine does that stops in the middle.
struct Failing {
    fills: usize,
}

impl Entropy for Failing {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), KeysError> {
        let Some(left) = self.fills.checked_sub(1) else {
            return Err(KeysError::Entropy {
                source: getrandom::Error::UNSUPPORTED,
            });
        };
        self.fills = left;
        OsEntropy.fill(buffer)
    }
}

#[test]
fn first_start_without_entropy_makes_no_key_and_resumes() {
    let data = Data::new();
    for fills in 0..4 {
        let error = KeyStore::open_or_create(
            &data.keys(),
            None,
            NOW,
            &mut Failing {
                fills: fills.min(1),
            },
        );
        assert!(matches!(error, Err(KeysError::Entropy { .. })), "{fills}");
    }
    data.open().refresh(&facts(), NOW).unwrap();
}

#[test]
fn concurrent_first_starts_agree() {
    let data = Data::new();
    let kids: Vec<(KeyId, KeyId, usize)> = std::thread::scope(|scope| {
        let start = || {
            let mut keys = data.open();
            keys.refresh(&facts(), NOW).unwrap();
            (
                keys.operator_key().kid(),
                current_kid(&keys),
                keys.registry_records().len(),
            )
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
    assert_eq!(kids[0].2, 2);
}

#[test]
fn operator_name_never_changes() {
    let data = Data::new();
    let name = |text| OperatorName::parse(text).unwrap();
    let open =
        |text| KeyStore::open_or_create(&data.keys(), Some(&name(text)), NOW, &mut OsEntropy);
    assert_eq!(open("lab").unwrap().operator_name(), "lab");
    let error = open("other").unwrap_err();
    assert!(
        matches!(&error, KeysError::OperatorName { expected, got } if expected == "lab" && got == "other")
    );
    assert_eq!(data.open().operator_name(), "lab");
}

#[test]
fn renewal_comes_when_less_than_a_third_is_left() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    let not_after = keys.current_statement().unwrap().unverified().not_after;
    let third = STATEMENT_VALIDITY_S / 3;
    assert!(!keys.refresh(&facts(), not_after - third).unwrap().changed);
    let first = keys.current_statement().unwrap().digest();
    assert_eq!(
        keys.due(&facts(), not_after - third + 1),
        Some(Due::Renewal)
    );
    assert!(
        keys.refresh(&facts(), not_after - third + 1)
            .unwrap()
            .changed
    );
    assert_ne!(keys.current_statement().unwrap().digest(), first);
    assert!(keys.serving(not_after + 1).is_ok());
    assert_eq!(keys.registry_records().len(), 3);
}

#[test]
fn changes_of_the_node_and_steps_of_the_clock_issue_a_statement() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    let changed = NodeFacts {
        config: [9; 32],
        ..facts()
    };
    assert_eq!(keys.due(&changed, NOW), Some(Due::NodeChanged));
    keys.refresh(&changed, NOW).unwrap();
    assert_eq!(
        keys.current_statement().unwrap().unverified().config,
        [9; 32]
    );
    // A small step back needs nothing, a large one a new statement; one far ahead likewise.
    assert_eq!(keys.due(&changed, NOW - 60), None);
    for now in [NOW - 30 * DAY, NOW + 400 * DAY] {
        assert!(matches!(
            keys.serving(now),
            Err(KeysError::StatementNotValid { .. })
        ));
        assert_eq!(keys.due(&changed, now), Some(Due::NotValid));
        keys.refresh(&changed, now).unwrap();
        keys.serving(now).unwrap();
    }
}

#[test]
fn node_serves_on_when_the_operator_key_moved_away() {
    let data = Data::new();
    data.open().refresh(&facts(), NOW).unwrap();
    let elsewhere = data.0.path().join("usb-operator.key");
    fs::rename(data.file("operator.key"), &elsewhere).unwrap();
    let mut keys = data.open();
    assert!(!keys.operator_key_online());
    assert!(!keys.refresh(&facts(), NOW).unwrap().changed);
    keys.serving(NOW).unwrap();

    // Due, but not possible: it goes on until the statement ends, and then says what to do.
    let late = NOW + 80 * DAY;
    assert_eq!(
        keys.refresh(&facts(), late).unwrap().due,
        Some(Due::Renewal)
    );
    keys.serving(late).unwrap();
    let over = NOW + 91 * DAY;
    let error = keys.serving(over).unwrap_err();
    assert!(matches!(error, KeysError::StatementNotValid { now, .. } if now == over));
    assert!(error.hint().unwrap().contains("--operator-key"));
    let error = keys
        .rotate(&facts(), None, None, over, &mut OsEntropy)
        .unwrap_err();
    assert!(
        matches!(error, KeysError::OperatorKeyAway { kid } if kid == keys.operator_key().kid())
    );
    assert!(data.file("node-1.key").exists() && !data.file("node-2.key").exists());

    // With the key from its medium the statement says that it is not online.
    let operator = read_key_file(&elsewhere, KeyRole::Operator)
        .unwrap()
        .unwrap();
    keys.rotate(&facts(), None, Some(&operator), over, &mut OsEntropy)
        .unwrap();
    assert!(
        !keys
            .serving(over)
            .unwrap()
            .statement
            .unverified()
            .operator_key_online
    );
    assert!(!data.file("operator.key").exists());

    // Put back, the statement is replaced at once by one that says so.
    fs::rename(&elsewhere, data.file("operator.key")).unwrap();
    assert!(keys.refresh(&facts(), over).unwrap().changed);
    assert!(
        keys.serving(over)
            .unwrap()
            .statement
            .unverified()
            .operator_key_online
    );
}

#[test]
fn a_foreign_operator_key_is_refused() {
    let (data, other) = (Data::new(), Data::new());
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    other.open();
    let foreign = read_key_file(&other.file("operator.key"), KeyRole::Operator)
        .unwrap()
        .unwrap();
    fs::remove_file(data.file("operator.key")).unwrap();
    let mut keys = data.open();
    assert!(matches!(
        keys.rotate(&facts(), None, Some(&foreign), NOW, &mut OsEntropy),
        Err(KeysError::OperatorKeyForeign { .. })
    ));
    fs::copy(other.file("operator.key"), data.file("operator.key")).unwrap();
    assert!(matches!(
        data.try_open(),
        Err(KeysError::OperatorKeyForeign { .. })
    ));
}

#[test]
fn rotation_endorses_the_new_key_only_and_erases_the_old_one() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    let old = current_kid(&keys);
    // Another process, such as a running server, sees it at its next refresh.
    let mut server = data.open();
    keys.rotate(&facts(), None, None, NOW + 1, &mut OsEntropy)
        .unwrap();
    assert_ne!(current_kid(&keys), old);
    assert!(!data.file("node-1.key").exists() && data.file("node-2.key").exists());
    assert_eq!(keys.revoked_since(&old), None);
    assert_eq!(server.serving(NOW + 1).unwrap().key.kid(), old);
    assert!(server.refresh(&facts(), NOW + 1).unwrap().changed);
    assert_eq!(
        server.serving(NOW + 1).unwrap().key.kid(),
        current_kid(&keys)
    );

    keys.rotate(
        &facts(),
        Some(RevocationReason::Superseded),
        None,
        NOW + 2,
        &mut OsEntropy,
    )
    .unwrap();
    let kid = server.serving(NOW + 2).unwrap().key.kid();
    assert_eq!(keys.revoked_since(&kid), Some(NOW + 2));
    assert!(data.file("node-3.key").exists());
    assert_eq!(
        KeyStore::open(&data.keys()).unwrap().registry_records(),
        keys.registry_records()
    );
}

#[test]
fn rotation_that_was_cut_off_is_finished_by_the_next_start() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    let old = current_kid(&keys);
    // A crash after the new key and before its statement.
    let key =
        proofmark_keys::KeyFile::generate(KeyRole::Node, "node-2", NOW, &mut OsEntropy).unwrap();
    create_key_file(&data.file("node-2.key"), &key).unwrap();
    let mut keys = data.open();
    assert_eq!(keys.serving(NOW).unwrap().key.kid(), old);
    assert_eq!(keys.due(&facts(), NOW), Some(Due::NewKey));
    keys.refresh(&facts(), NOW).unwrap();
    assert_eq!(keys.serving(NOW).unwrap().key.kid(), key.kid());
    assert!(!data.file("node-1.key").exists());
}

#[test]
fn revoked_key_signs_nothing_until_it_is_rotated() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    let kid = current_kid(&keys);
    let revocation = Revocation {
        kid,
        since: NOW,
        reason: RevocationReason::Compromised,
    };
    keys.revoke(revocation, None).unwrap();
    assert!(matches!(
        keys.serving(NOW),
        Err(KeysError::NodeKeyRevoked { since: NOW, .. })
    ));
    assert_eq!(keys.due(&facts(), NOW), None);
    keys.rotate(&facts(), None, None, NOW + 1, &mut OsEntropy)
        .unwrap();
    assert_ne!(keys.serving(NOW + 1).unwrap().key.kid(), kid);
    let unknown = Revocation {
        kid: KeyId([7; 32]),
        ..revocation
    };
    assert!(matches!(
        keys.revoke(unknown, None),
        Err(KeysError::UnknownKey { .. })
    ));
    let Some(Statement::Revocation(signed)) = keys.statements().get(2) else {
        panic!()
    };
    assert_eq!(*signed.verify(keys.operator_key()).unwrap(), revocation);
}

#[test]
fn lost_keys_are_never_replaced_in_silence() {
    let data = Data::new();
    data.open().refresh(&facts(), NOW).unwrap();
    let log = fs::read(data.file("log-receipts.key")).unwrap();
    fs::remove_file(data.file("log-receipts.key")).unwrap();
    assert!(matches!(
        data.try_open(),
        Err(KeysError::LogKeyMissing { .. })
    ));
    fs::write(data.file("log-receipts.key"), log).unwrap();
    chmod(&data.file("log-receipts.key"), 0o600);
    fs::remove_file(data.file("node-1.key")).unwrap();
    let mut keys = data.open();
    assert!(matches!(
        keys.serving(NOW),
        Err(KeysError::NodeKeyMissing { .. })
    ));
    keys.rotate(&facts(), None, None, NOW, &mut OsEntropy)
        .unwrap();
    assert_eq!(
        keys.serving(NOW).unwrap().statement.unverified().keys.len(),
        1
    );
    assert!(
        data.file("node-2.key").exists(),
        "the number of the lost key is not used again"
    );
}

#[test]
fn history_is_rebuilt_from_the_registry() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    keys.rotate(
        &facts(),
        Some(RevocationReason::Superseded),
        None,
        NOW,
        &mut OsEntropy,
    )
    .unwrap();
    let records = keys.registry_records();
    let mut leaves: Vec<Vec<u8>> = records.iter().map(|record| record.leaf.clone()).collect();
    fs::remove_dir_all(data.file("statements")).unwrap();
    // Not even with the operator key gone does a new operator come to be.
    fs::rename(
        data.file("operator.key"),
        data.0.path().join("operator.key"),
    )
    .unwrap();
    assert!(matches!(
        data.try_open(),
        Err(KeysError::HistoryMissing { .. })
    ));
    assert!(!data.file("operator.key").exists());

    let other = Data::new();
    let mut foreign = other.open();
    foreign.refresh(&facts(), NOW).unwrap();
    let mut mixed = leaves.clone();
    mixed.push(foreign.registry_records()[1].leaf.clone());
    assert!(matches!(
        KeyStore::restore_history(&data.keys(), &mixed),
        Err(KeysError::HistoryForeign)
    ));
    assert!(matches!(
        KeyStore::restore_history(&data.keys(), &leaves[1..]),
        Err(KeysError::HistoryForeign)
    ));

    let later = proofmark_receipt::RegistryLeaf {
        kind: proofmark_receipt::RegistryKind::Other("model".into()),
        statement: vec![1, 2, 3],
    };
    leaves.insert(1, later.encode());
    KeyStore::restore_history(&data.keys(), &leaves).unwrap();
    assert_eq!(data.open().registry_records(), records);
    assert_eq!(mode(&data.file("statements")), 0o700);
}

#[test]
fn damaged_or_missing_statements_are_errors() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    keys.rotate(&facts(), None, None, NOW, &mut OsEntropy)
        .unwrap();
    let path = data.file("statements/00000002.leaf");
    let whole = fs::read(&path).unwrap();
    for at in [0, 30, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(data.try_open(), Err(KeysError::History { path: at, .. }) if at == path));
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(data.try_open(), Err(KeysError::HistoryGap { path: at }) if at == path));
}

#[test]
fn debug_shows_no_secrets() {
    let data = Data::new();
    let mut keys = data.open();
    keys.refresh(&facts(), NOW).unwrap();
    let shown = format!("{keys:?} {:?}", keys.serving(NOW).unwrap());
    for file in ["operator.key", "node-1.key", "log-receipts.key"] {
        let text = fs::read_to_string(data.file(file)).unwrap();
        let seed = text
            .lines()
            .find_map(|line| line.strip_prefix("seed: "))
            .unwrap();
        assert!(!shown.contains(seed));
    }
    assert!(shown.contains("redacted"));
}

#[test]
fn a_key_file_is_never_overwritten() {
    let data = Data::new();
    let path = data.0.path().join("w/witness.key");
    let make = || {
        proofmark_keys::KeyFile::generate(KeyRole::Witness, "w.example", NOW, &mut OsEntropy)
            .unwrap()
    };
    let first = make();
    create_key_file(&path, &first).unwrap();
    assert!(matches!(
        create_key_file(&path, &make()),
        Err(KeysError::Io { .. })
    ));
    let read = read_key_file(&path, KeyRole::Witness).unwrap().unwrap();
    assert_eq!(read.kid(), first.kid());
    assert_eq!(mode(&path), 0o600);
    assert!(
        read_key_file(&data.0.path().join("none.key"), KeyRole::Witness)
            .unwrap()
            .is_none()
    );
}
