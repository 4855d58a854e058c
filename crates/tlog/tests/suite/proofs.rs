//! tlog-proof@v1: offline proofs of inclusion.

use proofmark_tlog::{
    Checkpoint, CosignatureSigner, ErrorKind, Hash, MAX_EXTRA_BYTES, MAX_PROOF_HASHES, Note,
    NoteSigner, Origin, TlogProof, TlogProofError, VerifierKey, leaf_hash, sign_checkpoint,
    verify_tlog_proof,
};
use proptest::prelude::*;

use crate::{
    checkpoints::time,
    naive::{NaiveTree, bit_flips, entry, seeded},
    notes::{cosigner, signer},
};

const LOG: &str = "log.example.com/receipts";
const SIZE: u64 = 11;

fn log() -> NoteSigner {
    signer(LOG, 1)
}

fn witnesses() -> [CosignatureSigner; 3] {
    [cosigner("w1", 11), cosigner("w2", 12), cosigner("w3", 13)]
}

fn keys() -> Vec<VerifierKey> {
    witnesses()
        .iter()
        .map(|witness| witness.vkey().clone())
        .collect()
}

/// A proof of leaf `index`, cosigned at the given times by the given witnesses.
fn proof(index: u64, cosigned: &[(&CosignatureSigner, u64)]) -> TlogProof {
    let tree = NaiveTree::default();
    let origin = Origin::parse(LOG).unwrap();
    let checkpoint = Checkpoint {
        origin,
        size: SIZE,
        root: tree.root(0, SIZE),
    };
    let mut checkpoint = sign_checkpoint(&checkpoint, &log()).unwrap();
    for (witness, at) in cosigned {
        let line = witness.cosign(&checkpoint, time(*at));
        checkpoint.add_cosignature(&line, witness.vkey()).unwrap();
    }
    TlogProof::new(
        index,
        tree.inclusion(index, 0, SIZE),
        checkpoint.note().clone(),
    )
    .unwrap()
}

#[test]
fn proofs_print_parse_and_verify() {
    let [w1, w2, _] = &witnesses();
    for index in 0..SIZE {
        let made = proof(index, &[(w1, 100), (w2, 200)]);
        let parsed = TlogProof::parse(made.encode().as_bytes()).unwrap();
        assert_eq!(parsed, made);
        let included =
            verify_tlog_proof(&leaf_hash(&entry(index)), &parsed, log().vkey(), &keys()).unwrap();
        assert_eq!(
            (included.index(), included.checkpoint().size()),
            (index, SIZE)
        );
        let who: Vec<_> = included
            .cosignatures()
            .iter()
            .map(|c| (c.witness().name().as_str(), c.time()))
            .collect();
        assert_eq!(who, [("w1", time(100)), ("w2", time(200))]);
        // A witness that the verifier does not know counts for nothing.
        let included = verify_tlog_proof(
            &leaf_hash(&entry(index)),
            &parsed,
            log().vkey(),
            &keys()[2..],
        )
        .unwrap();
        assert!(included.cosignatures().is_empty());
    }
}

#[test]
fn each_failure_has_its_code() {
    let [w1, ..] = &witnesses();
    let good = proof(3, &[(w1, 100)]);
    let leaf = leaf_hash(&entry(3));
    let code = |leaf: &Hash, proof: &TlogProof, log: &VerifierKey, witnesses: &[VerifierKey]| {
        let error = verify_tlog_proof(leaf, proof, log, witnesses).unwrap_err();
        (error.code(), error.kind())
    };
    let rejected = |code| (code, ErrorKind::Rejected);
    assert_eq!(
        code(&leaf_hash(&entry(4)), &good, log().vkey(), &[]),
        rejected("log.inclusion.root-mismatch")
    );
    assert_eq!(
        code(&leaf, &good, signer(LOG, 2).vkey(), &[]),
        rejected("note.key.unknown")
    );
    let elsewhere = TlogProof::new(4, good.hashes().to_vec(), good.checkpoint().clone()).unwrap();
    assert_eq!(
        code(&leaf, &elsewhere, log().vkey(), &[]),
        rejected("log.inclusion.root-mismatch")
    );
    let beyond = TlogProof::new(SIZE, good.hashes().to_vec(), good.checkpoint().clone()).unwrap();
    assert_eq!(
        code(&leaf, &beyond, log().vkey(), &[]),
        ("log.inclusion.malformed", ErrorKind::Malformed)
    );
    let short = TlogProof::new(3, good.hashes()[1..].to_vec(), good.checkpoint().clone()).unwrap();
    assert_eq!(
        code(&leaf, &short, log().vkey(), &[]),
        ("log.inclusion.malformed", ErrorKind::Malformed)
    );

    // A cosignature of another time than the signed one.
    let text = good.encode();
    let line = good.checkpoint().signatures()[1].to_string();
    let other = proof(3, &[(w1, 101)]).checkpoint().signatures()[1].to_string();
    let (at, _) = line.char_indices().nth(30).unwrap();
    let spliced = format!("{}{}", &other[..at], &line[at..]);
    let spliced = TlogProof::parse(text.replace(&line, &spliced).as_bytes()).unwrap();
    assert_eq!(
        code(&leaf, &spliced, log().vkey(), &keys()),
        rejected("log.cosignature.invalid")
    );
    assert!(verify_tlog_proof(&leaf, &spliced, log().vkey(), &[]).is_ok());
    // A key of the wrong type in the policy is an error of configuration, said as such.
    let note_key = signer("w1", 11);
    let mut note = good.checkpoint().clone();
    note.add_signature(note_key.sign(note.text()).unwrap().signatures()[0].clone())
        .unwrap();
    let with_note_key = TlogProof::new(3, good.hashes().to_vec(), note).unwrap();
    assert_eq!(
        code(
            &leaf,
            &with_note_key,
            log().vkey(),
            &[note_key.vkey().clone()]
        ),
        rejected("log.cosignature.key-type")
    );
}

#[test]
fn one_key_counts_once() {
    let [w1, ..] = &witnesses();
    let twin = cosigner("twin", 11);
    let log_as_witness = cosigner("independent.example", 1);
    let made = proof(
        0,
        &[(w1, 300), (&twin, 100), (&log_as_witness, 50), (w1, 200)],
    );
    let keys = [
        w1.vkey().clone(),
        twin.vkey().clone(),
        log_as_witness.vkey().clone(),
    ];
    let included = verify_tlog_proof(&leaf_hash(&entry(0)), &made, log().vkey(), &keys).unwrap();
    let [only] = included.cosignatures() else {
        panic!("{:?}", included.cosignatures())
    };
    assert_eq!(
        (only.witness().name().as_str(), only.time()),
        ("w1", time(100))
    );
}

#[test]
fn malformed_proofs_are_refused() {
    let text = proof(3, &[]).encode();
    let code = |text: &str| TlogProof::parse(text.as_bytes()).expect_err(text).code();
    for bad in [
        String::new(),
        text.replace("@v1", "@v2"),
        text.replace("index 3", "index 03"),
        text.replace("index 3", "index -3"),
        text.replace("index 3\n", ""),
        text.replace("index 3", "index 3\nextra AAAA"),
        text.replace("index 3", "extra A\nindex 3"),
        text.replace("index 3", "extra AAAA\nextra AAAA\nindex 3"),
        text.replace("index 3", " index 3"),
        text.replace("index 3\n", "index 3\nAAAA\n"),
        text.replacen("\n\n", "\n", 1),
        text.replace('\n', "\r\n"),
        text.replace("index 3", "index 18446744073709551616"),
        text.replace("c2sp", "\nc2sp"),
    ] {
        assert_eq!(code(&bad), "log.proof.malformed");
    }
    assert_eq!(code(&text.replace("\u{2014}", "-")), "note.malformed");
    let hash = leaf_hash(b"").to_string() + "\n";
    let many = text.replace(
        "index 3\n",
        &format!("index 3\n{}", hash.repeat(MAX_PROOF_HASHES)),
    );
    assert_eq!(
        TlogProof::parse(many.as_bytes()),
        Err(TlogProofError::TooManyHashes)
    );
    assert_eq!(
        TlogProof::parse(&vec![b'x'; 200_000]),
        Err(TlogProofError::TooLong { got: 200_000 })
    );
    let note = Note::parse(text.split_once("\n\n").unwrap().1.as_bytes()).unwrap();
    assert!(TlogProof::new(0, vec![leaf_hash(b""); MAX_PROOF_HASHES + 1], note).is_err());
}

#[test]
fn extra_data_travels_and_is_bounded() {
    let made = proof(3, &[]).with_extra(vec![7; MAX_EXTRA_BYTES]).unwrap();
    let parsed = TlogProof::parse(made.encode().as_bytes()).unwrap();
    assert_eq!(parsed.extra(), Some(&[7; MAX_EXTRA_BYTES][..]));
    assert_eq!(parsed, made);
    assert!(
        proof(3, &[])
            .with_extra(vec![7; MAX_EXTRA_BYTES + 1])
            .is_err()
    );
    let empty = proof(3, &[]).with_extra(Vec::new()).unwrap();
    assert_eq!(TlogProof::parse(empty.encode().as_bytes()).unwrap(), empty);
}

#[test]
fn every_bit_of_a_proof_matters() {
    let [w1, ..] = &witnesses();
    let made = proof(3, &[(w1, 100)]);
    let leaf = leaf_hash(&entry(3));
    let honest = verify_tlog_proof(&leaf, &made, log().vkey(), &keys()).unwrap();
    for changed in bit_flips(made.encode().as_bytes()) {
        let verified = TlogProof::parse(&changed)
            .and_then(|proof| verify_tlog_proof(&leaf, &proof, log().vkey(), &keys()));
        // A change to name or id of the witness makes its line another's: the cosignature is gone, and nothing else.
        assert!(
            verified
                .as_ref()
                .map_or(true, |included| included.cosignatures().is_empty()
                    && included.checkpoint().checkpoint()
                        == honest.checkpoint().checkpoint())
        );
    }
}

proptest! {
    #![proptest_config(seeded(256))]

    #[test]
    fn accepted_proofs_are_canonical(
        head in "c2sp.org/tlog-proof@v1\n(extra [AQg]{2}==\n)?index [0-9]{1,3}\n(AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA[AI]I=\n){0,3}",
    ) {
        let text = format!("{head}\n{}", signer("k", 1).sign("text\n").unwrap());
        if let Ok(proof) = TlogProof::parse(text.as_bytes()) {
            prop_assert_eq!(proof.encode(), text);
        }
    }
}
