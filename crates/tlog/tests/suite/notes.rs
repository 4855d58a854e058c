//! Notes, key names, verifier keys.

use base64ct::{Base64, Encoding};
use proofmark_tlog::{
    CosignatureSigner, ErrorKind, KeyType, MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, Note, NoteError,
    NoteKeyName, NoteSigner, VerifierKey, VerifierKeyError, open_note, parse_signature_lines,
};
use proptest::prelude::*;

use crate::naive::{bit_flips, seeded};

pub(crate) fn name(text: &str) -> NoteKeyName {
    NoteKeyName::parse(text).unwrap()
}

pub(crate) fn signer(text: &str, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name(text), &[seed; 32])
}

pub(crate) fn cosigner(text: &str, seed: u8) -> CosignatureSigner {
    CosignatureSigner::from_seed(name(text), &[seed; 32])
}

/// The key of the example notes in the Go checksum database's note package.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_note_of_another_implementation_opens() {
    let key = VerifierKey::parse(PETER).unwrap();
    assert_eq!(key.to_string(), PETER);
    assert_eq!(
        (key.name().as_str(), key.id().to_string().as_str()),
        ("PeterNeumann", "c74f20a3")
    );
    assert_eq!(&key.fingerprint()[..4], key.id().as_bytes());
    let opened = open_note(PETER_NOTE.as_bytes(), std::slice::from_ref(&key)).unwrap();
    assert!(opened.text().ends_with("what your problem is.\n"));
    assert_eq!((opened.verified().len(), opened.ignored()), (1, 0));
    assert_eq!(opened.note().to_string(), PETER_NOTE);
}

#[test]
fn verifier_keys_have_one_spelling() {
    let cosigner = cosigner("witness.example.com/w1", 7).vkey().clone();
    assert_eq!(cosigner.key_type(), KeyType::CosignatureV1);
    assert_eq!(
        VerifierKey::parse(&cosigner.to_string()),
        Ok(cosigner.clone())
    );
    let log = signer("witness.example.com/w1", 7).vkey().clone();
    assert_eq!(log.public_key(), cosigner.public_key());
    assert_ne!(log.id(), cosigner.id());

    let code = |text: &str| VerifierKey::parse(text).unwrap_err().code();
    for bad in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "+c74f20a3+ARpc",
        "Peter Neumann+c74f20a3+ARpc2Q==",
        &PETER.replace("c74f20a3", "C74F20A3"),
        &PETER.replace("c74f20a3", "+74f20a3"),
        &PETER.replace("c74f20a3", "c74f20a"),
        &PETER[..PETER.len() - 1],
        &format!("{PETER} "),
        &format!("{PETER}\n"),
        &"x".repeat(600),
    ] {
        assert_eq!(code(bad), "note.vkey.malformed", "{bad:?}");
    }
    assert_eq!(
        code(&PETER.replace("c74f20a3", "c74f20a4")),
        "note.vkey.id-mismatch"
    );
    assert_eq!(
        code(&PETER.replace("PeterNeumann", "PeterNewmann")),
        "note.vkey.id-mismatch"
    );
    assert_eq!(
        code(&PETER.replace("+ARpc", "+Ahpc")),
        "note.vkey.type-unsupported"
    );
    assert_eq!(VerifierKeyError::Point.kind(), ErrorKind::Rejected);
}

#[test]
fn points_for_which_anyone_can_sign_are_refused() {
    let mut identity = [0u8; 32];
    identity[0] = 1;
    // The identity; a point of order 8; y = p + 1, a second encoding of the identity; no point at all.
    let order_8 = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ];
    let mut second = [0xff; 32];
    (second[0], second[31]) = (0xee, 0x7f);
    let mut none = [0u8; 32];
    none[0] = 2;
    for key in [identity, order_8, second, none] {
        let error = VerifierKey::new(name("weak"), KeyType::Ed25519, &key).unwrap_err();
        assert_eq!(error, VerifierKeyError::Point);
    }
}

#[test]
fn signatures_are_verified_strictly() {
    use curve25519_dalek::Scalar;
    use ed25519_dalek::{Signature, SigningKey, Verifier};
    use sha2::{Digest, Sha512};

    let log = signer("k", 1);
    let secret = SigningKey::from_bytes(&[1; 32]);
    let text = "text\n";
    // R is the identity, of small order: the equation of RFC 8032 holds, and lax verifiers accept.
    let mut r = [0; 32];
    r[0] = 1;
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(log.vkey().public_key())
        .chain_update(text);
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let s = challenge * secret.to_scalar();
    let signature = [r, s.to_bytes()].concat();
    let lax = Signature::from_slice(&signature).unwrap();
    secret
        .verifying_key()
        .verify(text.as_bytes(), &lax)
        .unwrap();

    let line = [&log.vkey().id().as_bytes()[..], &signature].concat();
    let note = format!("{text}\n\u{2014} k {}\n", Base64::encode_string(&line));
    let error = open_note(note.as_bytes(), &[log.vkey().clone()]).unwrap_err();
    assert_eq!(error.code(), "note.signature.invalid");
}

#[test]
fn a_point_has_one_encoding() {
    // y and y + p encode the same point where both fit 255 bits.
    let mut refused = 0;
    for y in 2..19u8 {
        let mut canonical = [0; 32];
        canonical[0] = y;
        let mut second = [0xff; 32];
        (second[0], second[31]) = (0xed + y, 0x7f);
        let new = |key: &[u8; 32]| VerifierKey::new(name("k"), KeyType::Ed25519, key);
        if new(&canonical).is_ok() {
            assert_eq!(new(&second), Err(VerifierKeyError::Point));
            refused += 1;
        }
    }
    assert!(refused > 3, "{refused} points tried");
}

#[test]
fn names_follow_the_rules() {
    for good in ["a", "example.com/log42", "\u{e9}t\u{e9}", &"x".repeat(255)] {
        assert_eq!(NoteKeyName::parse(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        "a b",
        "a+b",
        "a\n",
        "a\t",
        "\u{a0}",
        "a\u{2003}b",
        "\u{85}",
        "\0",
        &"x".repeat(256),
    ] {
        assert_eq!(NoteKeyName::parse(bad), Err(NoteError::Name), "{bad:?}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let seed = [0xabu8; 32];
    let log = NoteSigner::from_seed(name("log"), &seed);
    let witness = CosignatureSigner::from_seed(name("witness"), &seed);
    for text in [
        format!("{log:?}"),
        format!("{log}"),
        format!("{witness:?}"),
        format!("{witness}"),
    ] {
        assert!(
            !text.contains("abab") && !text.contains("171, 171") && !text.contains("q6ur"),
            "{text}"
        );
    }
    assert_eq!(log.to_string(), log.vkey().to_string());
}

#[test]
fn malformed_notes_are_told_apart() {
    let line = signer("k", 1).sign("t\n").unwrap().signatures()[0].to_string();
    let parse = |note: &str| Note::parse(note.as_bytes()).unwrap_err();
    assert_eq!(parse(""), NoteError::Unsigned);
    assert_eq!(parse("text\n"), NoteError::Unsigned);
    assert_eq!(parse("text\n\n"), NoteError::Unsigned);
    assert_eq!(parse(&format!("text\n{line}")), NoteError::Unsigned);
    assert_eq!(
        parse(&format!("text\n\n{}", line.trim_end())),
        NoteError::SignatureLine { line: 1 }
    );
    assert_eq!(
        parse(&format!("text\n\n{line}rest\n")),
        NoteError::SignatureLine { line: 2 }
    );
    assert_eq!(parse(&format!("text\n\n{line}\n")), NoteError::Unsigned);
    assert_eq!(parse("a\tb\n\n"), NoteError::ControlCharacter { at: 1 });
    assert_eq!(parse("a\r\n\n"), NoteError::ControlCharacter { at: 1 });
    for bad in [
        line.replace('\u{2014}', "-"),
        line.replace("\u{2014} ", "\u{2014}"),
        line.replace(" k ", "  "),
        line.replace(" k ", " k  "),
        line.replace('\n', " \n"),
        "\u{2014} k AAAAAA==\n".into(),
        "\u{2014} k AAAA\n".into(),
        "\u{2014} k \n".into(),
        "\u{2014} k\n".into(),
    ] {
        assert_eq!(
            parse(&format!("text\n\n{bad}")),
            NoteError::SignatureLine { line: 1 },
            "{bad:?}"
        );
    }
    assert_eq!(
        Note::parse(b"\xff\n\n").unwrap_err(),
        NoteError::NotUtf8 { at: 0 }
    );
    // The text may contain empty lines, and end with one.
    let note = Note::parse(format!("a\n\nb\n\n\n{line}").as_bytes()).unwrap();
    assert_eq!(note.text(), "a\n\nb\n\n");
    assert!(signer("k", 1).sign("no newline").is_err());
    assert!(signer("k", 1).sign("tab\t\n").is_err());
}

#[test]
fn sizes_are_bounded() {
    let line = signer("k", 1).sign("t\n").unwrap().signatures()[0].clone();
    let note = |lines: usize| format!("t\n\n{}", line.to_string().repeat(lines));
    assert_eq!(
        Note::parse(note(MAX_NOTE_SIGNATURES).as_bytes())
            .unwrap()
            .signatures()
            .len(),
        MAX_NOTE_SIGNATURES
    );
    let error = Note::parse(note(MAX_NOTE_SIGNATURES + 1).as_bytes()).unwrap_err();
    assert_eq!(
        (&error, error.code()),
        (&NoteError::TooManySignatures, "note.malformed")
    );
    assert_eq!(
        parse_signature_lines(&line.to_string().repeat(101)),
        Err(NoteError::TooManySignatures)
    );

    let fits = "x".repeat(MAX_NOTE_BYTES - note(1).len() + 1) + &note(1)[1..];
    assert_eq!(fits.len(), MAX_NOTE_BYTES);
    let mut parsed = Note::parse(fits.as_bytes()).unwrap();
    assert_eq!(
        Note::parse(format!("x{fits}").as_bytes()),
        Err(NoteError::TooLong {
            got: MAX_NOTE_BYTES + 1
        })
    );
    let before = parsed.clone();
    assert!(matches!(
        parsed.add_signature(line.clone()),
        Err(NoteError::TooLong { .. })
    ));
    assert_eq!(parsed, before);
    let mut full = Note::parse(note(MAX_NOTE_SIGNATURES).as_bytes()).unwrap();
    assert_eq!(full.add_signature(line), Err(NoteError::TooManySignatures));
}

#[test]
fn unknown_signatures_are_counted_and_bad_known_ones_reject() {
    let (ours, theirs) = (signer("ours", 1), signer("theirs", 2));
    let mut note = ours.sign("text\n").unwrap();
    note.add_signature(theirs.sign("another text\n").unwrap().signatures()[0].clone())
        .unwrap();
    let bytes = note.to_string().into_bytes();
    let opened = open_note(&bytes, &[ours.vkey().clone()]).unwrap();
    assert_eq!((opened.verified().len(), opened.ignored()), (1, 1));
    assert_eq!(opened.verified()[0].key(), ours.vkey());
    assert_eq!(opened.verified()[0].time(), None);
    // The same note is refused by those who know the key that signed another text.
    let error = open_note(&bytes, &[ours.vkey().clone(), theirs.vkey().clone()]).unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("note.signature.invalid", ErrorKind::Rejected)
    );
    let error = open_note(&bytes, &[]).unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("note.key.unknown", ErrorKind::Rejected)
    );
    assert_eq!(error, NoteError::NoKnownKey { ignored: 2 });
    // The same name and another key is another key.
    let namesake = signer("ours", 3);
    assert_eq!(
        open_note(&bytes, &[namesake.vkey().clone()])
            .unwrap_err()
            .code(),
        "note.key.unknown"
    );
    // A repeated signature is verified like the first.
    note.add_signature(note.signatures()[0].clone()).unwrap();
    assert_eq!(
        open_note(note.to_string().as_bytes(), &[ours.vkey().clone()])
            .unwrap()
            .verified()
            .len(),
        2
    );
}

#[test]
fn every_bit_of_a_note_matters() {
    let signer = signer("log.example.com", 9);
    let bytes = signer
        .sign("some\ntext\n")
        .unwrap()
        .to_string()
        .into_bytes();
    let keys = [signer.vkey().clone()];
    assert!(open_note(&bytes, &keys).is_ok());
    for changed in bit_flips(&bytes) {
        assert!(
            open_note(&changed, &keys).is_err(),
            "{:?}",
            String::from_utf8_lossy(&changed)
        );
    }
}

proptest! {
    #![proptest_config(seeded(256))]

    #[test]
    fn signed_notes_open_and_print_the_same(text in "[ -~\u{e9}\n]{0,80}\n", key in "[a-z./]{1,20}", seed: u8) {
        let signer = signer(&key, seed);
        let note = signer.sign(&text).unwrap();
        let bytes = note.to_string().into_bytes();
        let opened = open_note(&bytes, &[signer.vkey().clone()]).unwrap();
        prop_assert_eq!(opened.text(), text);
        prop_assert_eq!(opened.into_note(), note);
    }

    #[test]
    fn accepted_notes_are_canonical(text in "[a\n]{0,6}", tail in "(\u{2014} k [AQg]{6}[AQg=]{2}\n){0,3}") {
        let bytes = format!("{text}{tail}");
        if let Ok(note) = Note::parse(bytes.as_bytes()) {
            prop_assert_eq!(note.to_string(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,100}") {
        prop_assert!(Note::parse(&bytes).is_err());
        prop_assert!(VerifierKey::parse(&text).is_err());
    }
}
