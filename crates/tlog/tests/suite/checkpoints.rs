//! Checkpoints and cosignatures.

use proofmark_tlog::{
    Checkpoint, CheckpointError, CosignatureError, CosignatureTime, EMPTY_ROOT, ErrorKind,
    MAX_TIMESTAMP_S, MAX_TREE_SIZE, Origin, VerifiedCheckpoint, VerifierKey, leaf_hash,
    open_checkpoint, open_foreign_checkpoint, open_note, sign_checkpoint, verify_cosignature,
};

use crate::{
    naive::bit_flips,
    notes::{cosigner, name, signer},
};

const LOG: &str = "example.com/behind-the-sofa";

/// The example of the tlog-cosignature specification.
const SPEC_EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

pub(crate) fn time(unix_s: u64) -> CosignatureTime {
    CosignatureTime::from_unix_s(unix_s).unwrap()
}

pub(crate) fn checkpoint(size: u64) -> Checkpoint {
    let root = if size == 0 {
        EMPTY_ROOT
    } else {
        leaf_hash(&size.to_be_bytes())
    };
    Checkpoint {
        origin: Origin::parse(LOG).unwrap(),
        size,
        root,
    }
}

fn signed(size: u64) -> VerifiedCheckpoint {
    sign_checkpoint(&checkpoint(size), &signer(LOG, 1)).unwrap()
}

fn code(text: &str) -> &'static str {
    Checkpoint::parse_text(text).expect_err(text).code()
}

#[test]
fn the_example_of_the_specification_parses() {
    let note = proofmark_tlog::Note::parse(SPEC_EXAMPLE.as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse_text(note.text()).unwrap();
    assert_eq!(
        (checkpoint.origin.as_str(), checkpoint.size),
        (LOG, 20_852_163)
    );
    assert_eq!(checkpoint.to_text(), note.text());
    let cosignature = &note.signatures()[1];
    assert_eq!(cosignature.bytes().len(), 72);
    // The timestamp that the specification prints next to it.
    assert_eq!(cosignature.bytes()[..8], 1_679_315_147u64.to_be_bytes());
}

#[test]
fn signed_checkpoints_open() {
    let log = signer(LOG, 1);
    for size in [0, 1, 20_852_163, MAX_TREE_SIZE] {
        let made = signed(size);
        let opened = open_checkpoint(&made.to_bytes(), log.vkey()).unwrap();
        assert_eq!(opened, made);
        assert_eq!(opened.checkpoint(), &checkpoint(size));
    }
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = EMPTY_ROOT.to_string();
    for bad in [
        String::new(),
        "\n".into(),
        "o\n".into(),
        "o\n1\n".into(),
        format!("o\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n 1\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n9223372036854775808\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("o\n1\n{}\n", &root[..43]),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\nx"),
        format!("{}\n1\n{root}\n", "o".repeat(256)),
        // The empty tree has one root.
        format!("o\n0\n{}\n", leaf_hash(b"")),
    ] {
        assert_eq!(code(&bad), "log.checkpoint.malformed");
    }
    assert_eq!(
        code(&format!("o\n1\n{root}\nextension\n")),
        "log.checkpoint.extension"
    );
    assert_eq!(
        code(&format!("proofmark/log/1/promise\n1\n{root}\n")),
        "log.checkpoint.origin-reserved"
    );
    assert_eq!(
        code(&format!("proofmark/log/\n1\n{root}\n")),
        "log.checkpoint.origin-reserved"
    );
    assert!(Checkpoint::parse_text(&format!("proofmark/logs\n1\n{root}\n")).is_ok());
}

#[test]
fn foreign_checkpoints_may_have_extensions_and_other_key_names() {
    let key = signer("sum.example.org", 4);
    let text = format!("{}timestamp 17\n", checkpoint(5).to_text());
    let (parsed, extensions) = Checkpoint::parse_text_with_extensions(&text).unwrap();
    assert_eq!((parsed.size, extensions), (5, "timestamp 17\n"));
    let note = key.sign(&text).unwrap().to_string();
    let origin = Origin::parse(LOG).unwrap();
    let opened = open_foreign_checkpoint(note.as_bytes(), &origin, &[key.vkey().clone()]).unwrap();
    assert_eq!(opened.note().text(), text);
    let other = Origin::parse("go.sum database tree").unwrap();
    let error =
        open_foreign_checkpoint(note.as_bytes(), &other, &[key.vkey().clone()]).unwrap_err();
    assert_eq!(error.code(), "log.checkpoint.origin-mismatch");
    // Our own logs have neither.
    let error = open_checkpoint(note.as_bytes(), key.vkey()).unwrap_err();
    assert_eq!(error.code(), "log.checkpoint.extension");
}

#[test]
fn origin_and_key_name_go_together() {
    let error = sign_checkpoint(&checkpoint(1), &signer("example.com/other", 1)).unwrap_err();
    assert_eq!(error.code(), "log.checkpoint.origin-mismatch");
    // A key that says it is another log's.
    let note = signer("example.com/other", 1)
        .sign(&checkpoint(1).to_text())
        .unwrap()
        .to_string();
    let error =
        open_checkpoint(note.as_bytes(), signer("example.com/other", 1).vkey()).unwrap_err();
    assert!(matches!(error, CheckpointError::OriginMismatch { .. }));
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let mut bad = checkpoint(0);
    bad.root = leaf_hash(b"");
    assert!(matches!(
        sign_checkpoint(&bad, &signer(LOG, 1)),
        Err(CheckpointError::EmptyRoot { .. })
    ));
    assert!(Origin::of_key(&name("proofmark/log/x")).is_err());
}

#[test]
fn every_bit_of_a_checkpoint_matters() {
    let made = signed(77);
    for changed in bit_flips(&made.to_bytes()) {
        assert!(open_checkpoint(&changed, signer(LOG, 1).vkey()).is_err());
    }
}

#[test]
fn cosignatures_verify_with_their_time_only() {
    let witness = cosigner("witness.example.com/w1", 2);
    let mut checkpoint = signed(9);
    for unix_s in [0, 1_679_315_147, MAX_TIMESTAMP_S] {
        let signature = witness.cosign(&checkpoint, time(unix_s));
        assert_eq!(
            verify_cosignature(&checkpoint, &signature, witness.vkey()),
            Ok(time(unix_s))
        );
        // Another checkpoint of the same log.
        let error = verify_cosignature(&signed(10), &signature, witness.vkey()).unwrap_err();
        assert_eq!(
            (error.code(), error.kind()),
            ("log.cosignature.invalid", ErrorKind::Rejected)
        );
    }
    assert_eq!(CosignatureTime::from_unix_s(MAX_TIMESTAMP_S + 1), None);
    let signature = witness.cosign(&checkpoint, time(5));
    assert_eq!(
        checkpoint.add_cosignature(&signature, witness.vkey()),
        Ok(time(5))
    );
    let opened = open_note(&checkpoint.to_bytes(), &[witness.vkey().clone()]).unwrap();
    assert_eq!(
        (opened.verified()[0].time(), opened.ignored()),
        (Some(time(5)), 1)
    );
    let line = witness.cosign(&checkpoint, time(6)).to_string();
    for changed in bit_flips(line.as_bytes()) {
        let note = [checkpoint.to_bytes(), changed].concat();
        let keys = [signer(LOG, 1).vkey().clone(), witness.vkey().clone()];
        // Either the note is refused, or the line no longer names the witness.
        let verified = open_note(&note, &keys).map(|opened| opened.verified().len());
        assert!(verified.is_err() || verified == Ok(2));
    }
}

#[test]
fn cosignatures_by_other_keys_are_told_apart() {
    let witness = cosigner("w1", 2);
    let mut checkpoint = signed(9);
    let before = checkpoint.clone();
    let signature = witness.cosign(&checkpoint, time(1));
    let error = checkpoint
        .add_cosignature(&signature, cosigner("w2", 2).vkey())
        .unwrap_err();
    assert_eq!(error.code(), "log.cosignature.key-unknown");
    let error = checkpoint
        .add_cosignature(&signature, signer(LOG, 1).vkey())
        .unwrap_err();
    assert_eq!(
        (error.clone(), error.code()),
        (
            CosignatureError::KeyType { name: name(LOG) },
            "log.cosignature.key-type"
        )
    );
    assert_eq!(checkpoint, before);
    // An ordinary signature of the same text by the same secret is no cosignature, and the other way around.
    let ordinary: VerifierKey = signer("w1", 2).vkey().clone();
    assert_eq!(
        verify_cosignature(&checkpoint, &signature, &ordinary)
            .unwrap_err()
            .code(),
        "log.cosignature.key-type"
    );
    assert_eq!(
        open_note(
            &[checkpoint.to_bytes(), signature.to_string().into_bytes()].concat(),
            &[ordinary]
        )
        .unwrap_err()
        .code(),
        "note.key.unknown"
    );
}
