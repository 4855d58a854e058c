//! The language-neutral test vectors in `vectors/tlog`: made here, compared with the files, and then checked from the
//! files alone. `PROOFMARK_WRITE_VECTORS=1` writes the files.

use std::{fs, path::PathBuf};

use base64ct::{Base64, Encoding};
use proofmark_tlog::{
    AddCheckpointRequest, Checkpoint, CosignatureTime, Decision, Frontier, Hash, Note, Promise,
    TilePath, TlogProof, VerifierKey, WitnessedState, decode_entries, encode_entries,
    judge_add_checkpoint, leaf_hash, open_checkpoint, open_note, open_promise, sign_checkpoint,
    sign_promise, verify_consistency, verify_cosignature, verify_inclusion, verify_tlog_proof,
};
use serde_json::{Value, json};

use crate::{
    checkpoints::time,
    naive::{NaiveTree, entry},
    notes::{cosigner, signer},
};

const LOG: &str = "log.example.com/receipts";
const SIZE: u64 = 11;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tlog")
}

fn checkpoint(size: u64) -> Checkpoint {
    let origin = proofmark_tlog::Origin::parse(LOG).unwrap();
    Checkpoint {
        origin,
        size,
        root: NaiveTree::default().root(0, size),
    }
}

fn signed(size: u64) -> String {
    sign_checkpoint(&checkpoint(size), &signer(LOG, 1))
        .unwrap()
        .note()
        .to_string()
}

fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_base64).collect()
}

/// A case: what it is about, what goes in, and `ok` or the code that must come out.
fn case(description: &str, mut input: Value, expect: &str) -> Value {
    input["description"] = json!(description);
    input["expect"] = json!(expect);
    input
}

fn vkeys() -> Vec<Value> {
    let good = signer(LOG, 1).vkey().to_string();
    let weak = format!(
        "w+{}+{}",
        "9b1a5c0f",
        base64(&[&[1u8, 1][..], &[0; 31]].concat())
    );
    let vkey = |text: &str| json!({ "vkey": text });
    vec![
        case("an Ed25519 key", vkey(&good), "ok"),
        case(
            "a cosigner key",
            vkey(&cosigner("w1", 11).vkey().to_string()),
            "ok",
        ),
        case(
            "no key id",
            vkey(&good.replacen('+', "-", 1)),
            "note.vkey.malformed",
        ),
        case(
            "upper-case key id",
            vkey(&good.replace(&good[25..33], &good[25..33].to_uppercase())),
            "note.vkey.malformed",
        ),
        case(
            "the name of another key",
            vkey(&good.replace("receipts", "registry")),
            "note.vkey.id-mismatch",
        ),
        case(
            "an unknown type",
            vkey(&format!("w+00000000+{}", base64(&[6; 33]))),
            "note.vkey.type-unsupported",
        ),
        case(
            "a point of small order",
            vkey(&weak),
            "note.vkey.point-invalid",
        ),
    ]
}

fn notes() -> Vec<Value> {
    let good = signer(LOG, 1).sign("text\n").unwrap().to_string();
    let key = signer(LOG, 1).vkey().to_string();
    let stranger = signer(LOG, 2).vkey().to_string();
    let note = |note: &str, key: &str| json!({ "note": note, "vkeys": [key] });
    vec![
        case("signed by the trusted key", note(&good, &key), "ok"),
        case(
            "text altered",
            note(&good.replace("text", "test"), &key),
            "note.signature.invalid",
        ),
        case(
            "signed by another key of the same name",
            note(&good, &stranger),
            "note.key.unknown",
        ),
        case(
            "no empty line",
            note(&good.replace("\n\n", "\n"), &key),
            "note.malformed",
        ),
        case(
            "last newline missing",
            note(good.trim_end(), &key),
            "note.malformed",
        ),
        case(
            "carriage returns",
            note(&good.replace('\n', "\r\n"), &key),
            "note.malformed",
        ),
        case(
            "hyphen in place of the dash",
            note(&good.replace('\u{2014}', "-"), &key),
            "note.malformed",
        ),
    ]
}

fn checkpoints() -> Vec<Value> {
    let log = signer(LOG, 1);
    let good = checkpoint(SIZE).to_text();
    let note = |text: &str| json!({ "checkpoint": log.sign(text).unwrap().to_string(), "log": log.vkey().to_string() });
    let promise = format!(
        "proofmark/log/1/promise\n{}",
        good.split_once('\n').unwrap().1
    );
    vec![
        case("signed by the log", note(&good), "ok"),
        case("the empty tree", note(&checkpoint(0).to_text()), "ok"),
        case(
            "leading zero in the size",
            note(&good.replace("\n11\n", "\n011\n")),
            "log.checkpoint.malformed",
        ),
        case(
            "a size beyond the limit",
            note(&good.replace("\n11\n", "\n4611686018427387905\n")),
            "log.checkpoint.malformed",
        ),
        case(
            "the empty tree with another root",
            note(&good.replace("\n11\n", "\n0\n")),
            "log.checkpoint.malformed",
        ),
        case(
            "of another log",
            note(&good.replace("receipts", "registry")),
            "log.checkpoint.origin-mismatch",
        ),
        case(
            "a reserved origin",
            note(&promise),
            "log.checkpoint.origin-reserved",
        ),
        case(
            "an extension line",
            note(&format!("{good}more\n")),
            "log.checkpoint.extension",
        ),
    ]
}

fn inclusions() -> Vec<Value> {
    let tree = NaiveTree::default();
    let proof = tree.inclusion(6, 0, SIZE);
    let input = |index: u64, leaf: u64, hashes: &[Hash]| json!({ "index": index, "size": SIZE, "entry": base64(&entry(leaf)), "root": tree.root(0, SIZE).to_base64(), "proof": texts(hashes) });
    let mut cases: Vec<Value> = (0..SIZE)
        .map(|index| {
            case(
                &format!("leaf {index}"),
                input(index, index, &tree.inclusion(index, 0, SIZE)),
                "ok",
            )
        })
        .collect();
    cases.extend([
        case(
            "another leaf",
            input(6, 7, &proof),
            "log.inclusion.root-mismatch",
        ),
        case(
            "another index",
            input(7, 6, &proof),
            "log.inclusion.root-mismatch",
        ),
        case(
            "a hash missing",
            input(6, 6, &proof[1..]),
            "log.inclusion.malformed",
        ),
        case(
            "an index beyond the tree",
            input(SIZE, 6, &proof),
            "log.inclusion.malformed",
        ),
    ]);
    cases
}

fn consistencies() -> Vec<Value> {
    let tree = NaiveTree::default();
    let input = |old: u64, root_of: u64, new: u64, hashes: &[Hash]| json!({ "old_size": old, "old_root": tree.root(0, root_of).to_base64(), "new_size": new, "new_root": tree.root(0, new).to_base64(), "proof": texts(hashes) });
    let proof = |old: u64| {
        if old == 0 {
            Vec::new()
        } else {
            tree.consistency(old, SIZE)
        }
    };
    let mut cases: Vec<Value> = (0..=SIZE)
        .map(|old| {
            case(
                &format!("from {old}"),
                input(old, old, SIZE, &proof(old)),
                "ok",
            )
        })
        .collect();
    cases.extend([
        case(
            "another old root",
            input(6, 5, SIZE, &proof(6)),
            "log.consistency.root-mismatch",
        ),
        case(
            "a hash missing",
            input(6, 6, SIZE, &proof(6)[1..]),
            "log.consistency.malformed",
        ),
        case(
            "a tree that shrinks",
            input(SIZE, SIZE, 6, &[]),
            "log.consistency.malformed",
        ),
        case(
            "the same size and another root",
            input(SIZE, 6, SIZE, &[]),
            "log.consistency.root-mismatch",
        ),
    ]);
    cases
}

fn cosignatures() -> Vec<Value> {
    let log = signer(LOG, 1);
    let checkpoint = sign_checkpoint(&checkpoint(SIZE), &log).unwrap();
    let witness = cosigner("w1", 11);
    let line = witness.cosign(&checkpoint, time(1_700_000_000)).to_string();
    let input = |size: u64, key: &VerifierKey| json!({ "checkpoint": signed(size), "log": log.vkey().to_string(), "witness": key.to_string(), "line": line, "time": 1_700_000_000 });
    vec![
        case("by the witness", input(SIZE, witness.vkey()), "ok"),
        case(
            "of another checkpoint",
            input(5, witness.vkey()),
            "log.cosignature.invalid",
        ),
        case(
            "by another witness",
            input(SIZE, cosigner("w2", 11).vkey()),
            "log.cosignature.key-unknown",
        ),
        case(
            "a key of another type",
            input(SIZE, signer("w1", 11).vkey()),
            "log.cosignature.key-type",
        ),
    ]
}

fn proofs() -> Vec<Value> {
    let log = signer(LOG, 1);
    let (w1, twin) = (cosigner("w1", 11), cosigner("twin", 11));
    let tree = NaiveTree::default();
    let mut checkpoint = sign_checkpoint(&checkpoint(SIZE), &log).unwrap();
    for witness in [&w1, &twin] {
        let line = witness.cosign(&checkpoint, time(1_700_000_000));
        checkpoint.add_cosignature(&line, witness.vkey()).unwrap();
    }
    let good = TlogProof::new(6, tree.inclusion(6, 0, SIZE), checkpoint.note().clone()).unwrap();
    let keys = [w1.vkey().to_string(), twin.vkey().to_string()];
    let input = |proof: &str,
                 leaf: u64,
                 log: &VerifierKey,
                 witnesses: &[String],
                 counted: usize| {
        json!({ "proof": proof, "entry": base64(&entry(leaf)), "log": log.to_string(), "witnesses": witnesses, "witnesses_counted": counted })
    };
    let text = good.encode();
    let with_extra = good
        .clone()
        .with_extra(b"unauthenticated".to_vec())
        .unwrap()
        .encode();
    let other_log = signer("log.example.com/registry", 1);
    let forged = text.replace(&good.checkpoint().signatures()[1].to_string(), &{
        let other = sign_checkpoint(&self::checkpoint(5), &log).unwrap();
        w1.cosign(&other, time(1_700_000_000)).to_string()
    });
    vec![
        case(
            "one witness",
            input(&text, 6, log.vkey(), &keys[..1], 1),
            "ok",
        ),
        case(
            "no witness known",
            input(&text, 6, log.vkey(), &[], 0),
            "ok",
        ),
        case(
            "one key under two names counts once",
            input(&text, 6, log.vkey(), &keys, 1),
            "ok",
        ),
        case(
            "extra data",
            input(&with_extra, 6, log.vkey(), &[], 0),
            "ok",
        ),
        case(
            "another entry",
            input(&text, 7, log.vkey(), &[], 0),
            "log.inclusion.root-mismatch",
        ),
        case(
            "another log",
            input(&text, 6, other_log.vkey(), &[], 0),
            "note.key.unknown",
        ),
        case(
            "a cosignature of another checkpoint",
            input(&forged, 6, log.vkey(), &keys, 0),
            "log.cosignature.invalid",
        ),
        case(
            "another version",
            input(&text.replace("@v1", "@v2"), 6, log.vkey(), &[], 0),
            "log.proof.malformed",
        ),
        case(
            "no index",
            input(&text.replace("index 6\n", ""), 6, log.vkey(), &[], 0),
            "log.proof.malformed",
        ),
    ]
}

fn promises() -> Vec<Value> {
    let log = signer(LOG, 1);
    let origin = checkpoint(0).origin;
    let promise = Promise {
        origin,
        leaf: leaf_hash(&entry(6)),
        issued_ms: 1_700_000_000_000,
        due_ms: 1_700_000_060_000,
    };
    let good = sign_promise(&promise, &log).unwrap().to_string();
    let signed = |text: &str| log.sign(text).unwrap().to_string();
    let text = promise.to_text();
    let input = |promise: &str, leaf: u64| json!({ "promise": promise, "entry": base64(&entry(leaf)), "log": log.vkey().to_string() });
    vec![
        case("by the log", input(&good, 6), "ok"),
        case(
            "about another leaf",
            input(&good, 7),
            "log.promise.leaf-mismatch",
        ),
        case(
            "due altered",
            input(&good.replace("1700000060000", "1700000070000"), 6),
            "note.signature.invalid",
        ),
        case(
            "due before issued",
            input(&signed(&text.replace("1700000060000", "1600000000000")), 6),
            "log.promise.malformed",
        ),
        case(
            "a sixth line",
            input(&signed(&format!("{text}more\n")), 6),
            "log.promise.malformed",
        ),
        case(
            "of another log",
            input(&signed(&text.replace("receipts", "registry")), 6),
            "log.promise.origin-mismatch",
        ),
        case(
            "a checkpoint",
            input(&self::signed(SIZE), 6),
            "log.promise.malformed",
        ),
    ]
}

fn requests() -> Vec<Value> {
    let tree = NaiveTree::default();
    let log = signer(LOG, 1).vkey().to_string();
    let request = |old: u64, new: u64| {
        let proof = if old == 0 || old > new {
            Vec::new()
        } else {
            tree.consistency(old, new)
        };
        let note = Note::parse(signed(new).as_bytes()).unwrap();
        AddCheckpointRequest::new(old, proof, note)
            .unwrap()
            .encode()
    };
    let input = |size: u64, root_of: u64, request: &str, key: &str, status: u16| {
        let state = json!({ "size": size, "root": tree.root(0, root_of).to_base64(), "time": 1_700_000_000 });
        let state = if size == 0 { Value::Null } else { state };
        let keys: &[&str] = if key.is_empty() { &[] } else { &[key] };
        json!({ "state": state, "request": request, "vkeys": keys, "status": status })
    };
    let stranger = signer(LOG, 2).vkey().to_string();
    let unproven = request(0, SIZE).replacen("old 0", "old 4", 1);
    vec![
        case(
            "first contact",
            input(0, 0, &request(0, SIZE), &log, 200),
            "ok",
        ),
        case("growth", input(4, 4, &request(4, SIZE), &log, 200), "ok"),
        case(
            "the same again",
            input(4, 4, &request(4, 4), &log, 200),
            "ok",
        ),
        case(
            "not a request",
            input(
                4,
                4,
                &request(4, SIZE).replace("old 4", "old 04"),
                &log,
                400,
            ),
            "log.witness.request-malformed",
        ),
        case(
            "old size larger than new",
            input(4, 4, &request(4, 3), &log, 400),
            "log.witness.request-malformed",
        ),
        case(
            "unknown origin",
            input(0, 0, &request(0, SIZE), "", 404),
            "log.witness.origin-unknown",
        ),
        case(
            "not signed by the log",
            input(0, 0, &request(0, SIZE), &stranger, 403),
            "log.witness.signature-refused",
        ),
        case(
            "behind",
            input(4, 4, &request(3, SIZE), &log, 409),
            "log.witness.size-conflict",
        ),
        case(
            "ahead",
            input(4, 4, &request(5, SIZE), &log, 409),
            "log.witness.size-conflict",
        ),
        case(
            "same size, other root",
            input(4, 5, &request(4, 4), &log, 409),
            "log.witness.root-conflict",
        ),
        case(
            "no proof",
            input(4, 4, &unproven, &log, 422),
            "log.witness.proof-refused",
        ),
        case(
            "another history",
            input(4, 5, &request(4, SIZE), &log, 422),
            "log.witness.proof-refused",
        ),
    ]
}

fn paths() -> Vec<Value> {
    let path = |path: &str| json!({ "path": path });
    let good = [
        "tile/0/000",
        "tile/0/x001/x234/067",
        "tile/3/x001/000.p/5",
        "tile/entries/273.p/112",
    ];
    let bad = [
        "tile/00/000",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/../000",
        "tile/8/000",
    ];
    let good = good.map(|text| case("one spelling", path(text), "ok"));
    let bad = bad.map(|text| case("refused", path(text), "log.tile.path-malformed"));
    good.into_iter().chain(bad).collect()
}

fn bundles() -> Vec<Value> {
    let entries: Vec<Vec<u8>> = (0..3).map(entry).collect();
    let bytes = encode_entries(&entries).unwrap();
    let input = |bytes: &[u8], width: u16| json!({ "bundle": base64(bytes), "width": width, "entries": entries.iter().map(|entry| base64(entry)).collect::<Vec<_>>() });
    vec![
        case("three entries", input(&bytes, 3), "ok"),
        case(
            "one more than there are",
            input(&bytes, 4),
            "log.entries.malformed",
        ),
        case(
            "one fewer than there are",
            input(&bytes, 2),
            "log.entries.malformed",
        ),
        case(
            "cut",
            input(&bytes[..bytes.len() - 1], 3),
            "log.entries.malformed",
        ),
    ]
}

/// File name and cases of every operation.
fn all() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("vkey", vkeys()),
        ("note", notes()),
        ("checkpoint", checkpoints()),
        ("inclusion", inclusions()),
        ("consistency", consistencies()),
        ("cosignature", cosignatures()),
        ("tlog-proof", proofs()),
        ("promise", promises()),
        ("add-checkpoint", requests()),
        ("tile-path", paths()),
        ("entry-bundle", bundles()),
    ]
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap()
}

fn key(case: &Value, field: &str) -> VerifierKey {
    VerifierKey::parse(text(case, field)).unwrap()
}

fn keys(case: &Value, field: &str) -> Vec<VerifierKey> {
    let texts = case[field].as_array().unwrap().iter();
    texts
        .map(|key| VerifierKey::parse(key.as_str().unwrap()).unwrap())
        .collect()
}

fn number(case: &Value, field: &str) -> u64 {
    case[field].as_u64().unwrap()
}

fn hash(case: &Value, field: &str) -> Hash {
    Hash::parse_base64(text(case, field)).unwrap()
}

fn hashes(case: &Value, field: &str) -> Vec<Hash> {
    let texts = case[field].as_array().unwrap().iter();
    texts
        .map(|hash| Hash::parse_base64(hash.as_str().unwrap()).unwrap())
        .collect()
}

fn leaf(case: &Value) -> Hash {
    leaf_hash(&Base64::decode_vec(text(case, "entry")).unwrap())
}

/// What the crate says about a case, read from its JSON alone.
fn run(operation: &str, case: &Value) -> Result<(), &'static str> {
    match operation {
        "vkey" => VerifierKey::parse(text(case, "vkey"))
            .map(drop)
            .map_err(|e| e.code()),
        "note" => {
            let opened = open_note(text(case, "note").as_bytes(), &keys(case, "vkeys"));
            opened.map(drop).map_err(|e| e.code())
        }
        "checkpoint" => {
            let opened = open_checkpoint(text(case, "checkpoint").as_bytes(), &key(case, "log"));
            opened.map(drop).map_err(|e| e.code())
        }
        "inclusion" => {
            let (index, size) = (number(case, "index"), number(case, "size"));
            verify_inclusion(
                index,
                size,
                &leaf(case),
                &hash(case, "root"),
                &hashes(case, "proof"),
            )
            .map_err(|e| e.code())
        }
        "consistency" => {
            let (old, new) = (number(case, "old_size"), number(case, "new_size"));
            let (old_root, new_root) = (hash(case, "old_root"), hash(case, "new_root"));
            verify_consistency(old, &old_root, new, &new_root, &hashes(case, "proof"))
                .map_err(|e| e.code())
        }
        "cosignature" => {
            let checkpoint =
                open_checkpoint(text(case, "checkpoint").as_bytes(), &key(case, "log")).unwrap();
            let lines = proofmark_tlog::parse_signature_lines(text(case, "line")).unwrap();
            let time = verify_cosignature(&checkpoint, &lines[0], &key(case, "witness"))
                .map_err(|e| e.code())?;
            assert_eq!(time.unix_s(), number(case, "time"));
            Ok(())
        }
        "tlog-proof" => {
            let proof = TlogProof::parse(text(case, "proof").as_bytes()).map_err(|e| e.code())?;
            let included = verify_tlog_proof(
                &leaf(case),
                &proof,
                &key(case, "log"),
                &keys(case, "witnesses"),
            )
            .map_err(|e| e.code())?;
            assert_eq!(
                u64::try_from(included.cosignatures().len()).unwrap(),
                number(case, "witnesses_counted")
            );
            Ok(())
        }
        "promise" => {
            let opened = open_promise(
                text(case, "promise").as_bytes(),
                &key(case, "log"),
                &leaf(case),
            );
            opened.map(drop).map_err(|e| e.code())
        }
        "add-checkpoint" => run_witness(case),
        "tile-path" => TilePath::parse(text(case, "path"))
            .map(drop)
            .map_err(|e| e.code()),
        "entry-bundle" => {
            let bytes = Base64::decode_vec(text(case, "bundle")).unwrap();
            let width = u16::try_from(number(case, "width")).unwrap();
            let entries = decode_entries(&bytes, width).map_err(|e| e.code())?;
            let entries: Vec<Value> = entries.iter().map(|entry| json!(base64(entry))).collect();
            assert_eq!(case["entries"], json!(entries));
            Ok(())
        }
        other => panic!("unknown operation {other}"),
    }
}

fn run_witness(case: &Value) -> Result<(), &'static str> {
    let known = case["state"].as_object().map(|_| WitnessedState {
        size: number(&case["state"], "size"),
        root: hash(&case["state"], "root"),
        time: CosignatureTime::from_unix_s(number(&case["state"], "time")).unwrap(),
    });
    let decision = match AddCheckpointRequest::parse(text(case, "request").as_bytes()) {
        Ok(request) => judge_add_checkpoint(known.as_ref(), &request, &keys(case, "vkeys")),
        Err(error) => Decision::Refuse(error.into()),
    };
    match decision {
        Decision::Cosign(_) => Ok(()),
        Decision::Refuse(refusal) => {
            assert_eq!(u64::from(refusal.status()), number(case, "status"));
            Err(refusal.code())
        }
    }
}

#[test]
fn the_files_are_those_that_this_crate_makes_and_say_what_it_does() {
    let write = std::env::var_os("PROOFMARK_WRITE_VECTORS").is_some();
    for (operation, cases) in all() {
        let made = json!({ "operation": operation, "cases": cases });
        let path = directory().join(format!("{operation}.json"));
        if write {
            fs::create_dir_all(directory()).unwrap();
            fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        }
        let stored: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(stored, made, "{operation}");
        for case in stored["cases"].as_array().unwrap() {
            let got = run(operation, case).err().unwrap_or("ok");
            assert_eq!(
                got,
                text(case, "expect"),
                "{operation}: {}",
                text(case, "description")
            );
        }
    }
    let files = fs::read_dir(directory())
        .unwrap()
        .map(|file| file.unwrap().path());
    let stored = files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    assert_eq!(stored.count(), all().len());
}

/// The tree of the vectors is the one of everybody's arithmetic.
#[test]
fn the_tree_of_the_vectors_is_a_frontier_too() {
    let mut frontier = Frontier::new();
    for index in 0..SIZE {
        frontier.append(leaf_hash(&entry(index))).unwrap();
    }
    assert_eq!(frontier.root(), checkpoint(SIZE).root);
}
