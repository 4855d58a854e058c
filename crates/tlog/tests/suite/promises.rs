//! Inclusion promises.

use proofmark_tlog::{
    EMPTY_ROOT, ErrorKind, Hash, Origin, Promise, leaf_hash, open_checkpoint, open_promise,
    sign_checkpoint, sign_promise,
};

use crate::{checkpoints::checkpoint, naive::bit_flips, notes::signer};

const LOG: &str = "example.com/behind-the-sofa";

fn leaf() -> Hash {
    leaf_hash(b"receipt")
}

fn promise() -> Promise {
    let origin = Origin::parse(LOG).unwrap();
    Promise {
        origin,
        leaf: leaf(),
        issued_ms: 1_700_000_000_000,
        due_ms: 1_700_000_060_000,
    }
}

#[test]
fn promises_have_five_lines() {
    let text = promise().to_text();
    let expected = format!(
        "proofmark/log/1/promise\n{LOG}\n{}\n1700000000000\n1700000060000\n",
        leaf()
    );
    assert_eq!(text, expected);
    assert_eq!(Promise::parse_text(&text), Ok(promise()));
    for bad in [
        String::new(),
        text.replace("log/1", "log/2"),
        text.replace("\n1700000060000\n", "\n"),
        format!("{text}more\n"),
        text.trim_end().into(),
        text.replace("1700000000000", "01700000000000"),
        text.replace("1700000060000", "x"),
        text.replace(&leaf().to_string(), "AAAA"),
        text.replace(LOG, ""),
        text.replace(LOG, "proofmark/log/x"),
        text.replace("1700000060000", "1699999999999"),
        text.replace('\n', "\r\n"),
    ] {
        let error = Promise::parse_text(&bad).expect_err(&bad);
        assert_eq!(
            (error.code(), error.kind()),
            ("log.promise.malformed", ErrorKind::Malformed)
        );
    }
}

#[test]
fn a_promise_opens_for_its_log_and_leaf_only() {
    let log = signer(LOG, 1);
    let note = sign_promise(&promise(), &log).unwrap().to_string();
    let opened = open_promise(note.as_bytes(), log.vkey(), &leaf()).unwrap();
    assert_eq!(opened.promise(), &promise());
    let code = |note: &str, key: &proofmark_tlog::VerifierKey, leaf: &Hash| {
        open_promise(note.as_bytes(), key, leaf).unwrap_err().code()
    };
    assert_eq!(
        code(&note, log.vkey(), &EMPTY_ROOT),
        "log.promise.leaf-mismatch"
    );
    assert_eq!(
        code(&note, signer(LOG, 2).vkey(), &leaf()),
        "note.key.unknown"
    );
    let other = signer("example.com/other", 1);
    assert_eq!(
        sign_promise(&promise(), &other).unwrap_err().code(),
        "log.promise.origin-mismatch"
    );
    let foreign = other.sign(&promise().to_text()).unwrap().to_string();
    assert_eq!(
        code(&foreign, other.vkey(), &leaf()),
        "log.promise.origin-mismatch"
    );
    let late = Promise {
        due_ms: 0,
        ..promise()
    };
    assert_eq!(
        sign_promise(&late, &log).unwrap_err().code(),
        "log.promise.malformed"
    );
}

#[test]
fn a_promise_is_no_checkpoint_and_the_other_way_around() {
    let log = signer(LOG, 1);
    let note = sign_promise(&promise(), &log).unwrap().to_string();
    assert_eq!(
        open_checkpoint(note.as_bytes(), log.vkey())
            .unwrap_err()
            .code(),
        "log.checkpoint.origin-reserved"
    );
    let note = sign_checkpoint(&checkpoint(3), &log).unwrap().to_bytes();
    assert_eq!(
        open_promise(&note, log.vkey(), &leaf()).unwrap_err().code(),
        "log.promise.malformed"
    );
}

#[test]
fn every_bit_of_a_promise_matters() {
    let log = signer(LOG, 1);
    let note = sign_promise(&promise(), &log).unwrap().to_string();
    for changed in bit_flips(note.as_bytes()) {
        assert!(open_promise(&changed, log.vkey(), &leaf()).is_err());
    }
}
