//! Real logs of other operators and implementations, read from the directory that `PROOFMARK_SHARED` names.
//!
//! Compiled with feature `shared-vectors` only, and fails without the directory: it never passes without having run.

#![cfg(test)]

use std::{fs, io, path::PathBuf};

use proofmark_tlog::{
    Checkpoint, Frontier, Hash, TILE_WIDTH, TileId, VerifierKey, consistency_proof, decode_entries,
    inclusion_proof, leaf_hash, open_checkpoint, open_note, root_from_tiles, verify_consistency,
    verify_inclusion,
};
use serde_json::Value;

fn directory(log: &str) -> PathBuf {
    let shared = std::env::var_os("PROOFMARK_SHARED")
        .expect("PROOFMARK_SHARED must name the directory with vectors/tlog");
    PathBuf::from(shared).join("vectors/tlog").join(log)
}

fn read(log: &str, path: &str) -> Vec<u8> {
    fs::read(directory(log).join(path)).unwrap_or_else(|error| panic!("{log}/{path}: {error}"))
}

/// Reads a tile, or the full one in its place.
fn tiles(log: &'static str) -> impl FnMut(TileId) -> io::Result<Vec<u8>> {
    move |tile| {
        let at = |tile: TileId| directory(log).join(tile.to_string());
        fs::read(at(tile)).or_else(|_| fs::read(at(tile.full())))
    }
}

/// Transparency-dev's Tessera: a log of 15 entries with the checkpoint of every size.
#[test]
fn tessera_log_is_consistent_at_every_size() {
    const LOG: &str = "tessera-log";
    let key = VerifierKey::parse(
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx",
    )
    .unwrap();
    let checkpoints: Vec<_> = (0..=15)
        .map(|size| open_checkpoint(&read(LOG, &format!("checkpoint.{size}")), &key).unwrap())
        .collect();
    let mut frontier = Frontier::new();
    for size in 1..=15u64 {
        let checkpoint = &checkpoints[usize::try_from(size).unwrap()];
        assert_eq!(checkpoint.size(), size);
        assert_eq!(
            root_from_tiles(size, &mut tiles(LOG)).unwrap(),
            *checkpoint.root()
        );
        let width = u16::try_from(size).unwrap();
        let bundle = read(LOG, &format!("tile/entries/000.p/{size}"));
        let entries = decode_entries(&bundle, width).unwrap();
        frontier.append(leaf_hash(entries.last().unwrap())).unwrap();
        assert_eq!(frontier.root(), *checkpoint.root());
        for (index, entry) in (0u64..).zip(&entries) {
            let proof = inclusion_proof(size, index, &mut tiles(LOG)).unwrap();
            verify_inclusion(index, size, &leaf_hash(entry), checkpoint.root(), &proof).unwrap();
            let wrong = (index + 1) % size;
            assert!(
                size == 1
                    || verify_inclusion(wrong, size, &leaf_hash(entry), checkpoint.root(), &proof)
                        .is_err()
            );
        }
        for old in &checkpoints[..=usize::try_from(size).unwrap()] {
            let proof = consistency_proof(old.size(), size, &mut tiles(LOG)).unwrap();
            verify_consistency(old.size(), old.root(), size, checkpoint.root(), &proof).unwrap();
        }
    }
}

/// Sunlight's test witness and mirror: cosignatures, one beside an RFC 6962 signature, and tiles of two levels.
#[test]
fn sunlight_cosignatures_open_and_the_mirror_has_its_tiles() {
    const LOG: &str = "sunlight-mirror";
    let id = "000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706";
    let open = |note: &str, facts: &str, ignored: usize| {
        let facts: Value = serde_json::from_slice(&read(LOG, facts)).unwrap();
        let key = VerifierKey::parse(facts["verifier_keys"][0].as_str().unwrap()).unwrap();
        let text = String::from_utf8(read(LOG, note)).unwrap();
        let opened = open_note(text.as_bytes(), std::slice::from_ref(&key)).unwrap();
        assert_eq!(opened.verified()[0].time().unwrap().unix_s(), 0x6954_6780);
        assert_eq!(opened.ignored(), ignored);
        assert_eq!(opened.note().to_string(), text);
        let altered = text.replace("\n300\n", "\n301\n");
        assert_eq!(
            open_note(altered.as_bytes(), &[key]).unwrap_err().code(),
            "note.signature.invalid"
        );
        Checkpoint::parse_text(opened.text()).unwrap()
    };
    let witnessed = open(
        &format!("witness_{id}_checkpoint"),
        "witness_witness.v0.json",
        1,
    );
    let mirrored = open(
        &format!("witness_mirror_{id}_checkpoint"),
        "witness_mirror_mirror.v0.json",
        0,
    );
    assert_eq!((witnessed.size, mirrored.size), (300, 300));
    assert_eq!(
        root_from_tiles(300, &mut tiles(LOG)).unwrap(),
        mirrored.root
    );
}

/// A stretch of a production Certificate Transparency log: full tiles and the partial one within the last.
#[test]
fn sunlight_production_tiles_prove_their_leaves() {
    const LOG: &str = "sunlight-navigli2025h2";
    // Level 0 only: the tree of the first 778 leaves stands on three full tiles and a partial one.
    let size = 3 * u64::from(TILE_WIDTH) + 10;
    let level_0 = |tile: TileId| -> io::Result<Vec<u8>> {
        if tile.level() == 0 {
            return tiles(LOG)(tile);
        }
        let full = (0..u64::from(tile.width())).map(|index| {
            let leaves = read(LOG, &format!("tile/0/{index:03}"));
            let mut frontier = Frontier::new();
            for leaf in leaves.chunks_exact(Hash::LEN) {
                frontier.append(Hash::from_slice(leaf).unwrap()).unwrap();
            }
            *frontier.root().as_bytes()
        });
        Ok(full.flatten().collect())
    };
    let root = root_from_tiles(size, &mut { level_0 }).unwrap();
    let partial = read(LOG, "tile/0/003.p/10");
    assert!(read(LOG, "tile/0/003").starts_with(&partial));
    for index in [0, 255, 256, 511, 600, 768, 777] {
        let tile = read(LOG, &format!("tile/0/{:03}", index / 256));
        let at = usize::try_from(index % 256).unwrap() * Hash::LEN;
        let leaf = Hash::from_slice(&tile[at..at + Hash::LEN]).unwrap();
        let proof = inclusion_proof(size, index, &mut { level_0 }).unwrap();
        verify_inclusion(index, size, &leaf, &root, &proof).unwrap();
    }
}

/// Proofs served by a production log of 961,984,011 leaves.
#[test]
fn proofs_of_a_production_log_verify() {
    use base64ct::{Base64, Encoding};
    const LOG: &str = "azul-ct-proofs";
    let json = |path: &str| -> Value { serde_json::from_slice(&read(LOG, path)).unwrap() };
    let hashes = |value: &Value| -> Vec<Hash> {
        let texts = value.as_array().unwrap().iter();
        texts
            .map(|text| Hash::parse_base64(text.as_str().unwrap()).unwrap())
            .collect()
    };
    let sth = json("get-sth");
    let (size, root) = (
        sth["tree_size"].as_u64().unwrap(),
        Hash::parse_base64(sth["sha256_root_hash"].as_str().unwrap()).unwrap(),
    );

    let proof = json(
        "get-proof-by-hash-tree-size-961984011-hash-nCs3mfIydh9x4CKyQ-2Bu2xtmpxmFggA5MLymHwNQSlLg-3D",
    );
    let index = proof["leaf_index"].as_u64().unwrap();
    let path = hashes(&proof["audit_path"]);
    let entry = json("get-entries-start-10000-end-10000");
    let leaf = leaf_hash(
        &Base64::decode_vec(entry["entries"][0]["leaf_input"].as_str().unwrap()).unwrap(),
    );
    assert_eq!(index, 10_000);
    verify_inclusion(index, size, &leaf, &root, &path).unwrap();
    assert_eq!(
        verify_inclusion(index + 1, size, &leaf, &root, &path)
            .unwrap_err()
            .code(),
        "log.inclusion.root-mismatch"
    );

    let path = hashes(&json("get-sth-consistency-first-3654490-second-961984011")["consistency"]);
    // The old root is the one that the tests of the crate tlog_tiles state for the same proof.
    let old_root = Hash::parse_base64("AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ=").unwrap();
    verify_consistency(3_654_490, &old_root, size, &root, &path).unwrap();
    let error = verify_consistency(3_654_490, &leaf, size, &root, &path).unwrap_err();
    assert_eq!(error.code(), "log.consistency.root-mismatch");
}
