//! Comparison with other implementations: tlog_tiles and signed_note (Cloudflare), ct-merkle.

use std::cell::RefCell;

use ct_merkle::{ConsistencyProof, InclusionProof, mem_backed_tree::MemoryBackedTree};
use proofmark_tlog::{
    Checkpoint, Hash, Note, Origin, TILE_WIDTH, TilePath, consistency_proof, inclusion_proof,
    leaf_hash, open_note, tiles_for_growth, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use sha2::Sha256;
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::{HashReader, Tile, tlog::Error};

use crate::{
    naive::{MemoryLog, entry, seeded},
    notes::signer,
};

/// Storage as tlog_tiles wants it: node hashes in the order of their making.
#[derive(Default)]
struct Stored(RefCell<Vec<tlog_tiles::Hash>>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        let hashes = self.0.borrow();
        Ok(indexes
            .iter()
            .map(|at| hashes[usize::try_from(*at).unwrap()])
            .collect())
    }
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash::from_bytes(hash.0)).collect()
}

fn theirs(hash: &Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

#[test]
fn proofs_agree_with_tlog_tiles() {
    const SIZE: u64 = 530;
    let log = MemoryLog::new(SIZE);
    let stored = Stored::default();
    for index in 0..SIZE {
        let hashes = tlog_tiles::stored_hashes(index, &entry(index), &stored).unwrap();
        stored.0.borrow_mut().extend(hashes);
    }
    let mut reader = |tile| log.read(tile);
    for size in (1..=SIZE)
        .filter(|size| size % 23 == 0 || size.is_power_of_two() || (255..260).contains(size))
    {
        let root = &log.roots[usize::try_from(size).unwrap()];
        assert_eq!(tlog_tiles::tree_hash(size, &stored).unwrap(), theirs(root));
        for index in (0..size).step_by(7) {
            let proof = tlog_tiles::prove_record(size, index, &stored).unwrap();
            assert_eq!(inclusion_proof(size, index, &mut reader), Ok(ours(&proof)));
            let leaf = leaf_hash(&entry(index));
            assert_eq!(
                verify_inclusion(index, size, &leaf, root, &ours(&proof)),
                Ok(())
            );
            tlog_tiles::check_record(&proof, size, theirs(root), index, theirs(&leaf)).unwrap();
        }
        for old in (1..=size).step_by(5) {
            let proof = tlog_tiles::prove_tree(size, old, &stored).unwrap();
            assert_eq!(consistency_proof(old, size, &mut reader), Ok(ours(&proof)));
            let old_root = &log.roots[usize::try_from(old).unwrap()];
            assert_eq!(
                verify_consistency(old, old_root, size, root, &ours(&proof)),
                Ok(())
            );
        }
    }
}

#[test]
fn proofs_agree_with_ct_merkle() {
    let log = MemoryLog::new(300);
    let mut reader = |tile| log.read(tile);
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=300u64 {
        tree.push(entry(size - 1));
        let root = &log.roots[usize::try_from(size).unwrap()];
        assert_eq!(tree.root().as_bytes()[..], root.as_bytes()[..]);
        if size % 29 > 1 && !size.is_power_of_two() {
            continue;
        }
        for index in 0..size {
            let proof = inclusion_proof(size, index, &mut reader).unwrap();
            let bytes: Vec<u8> = proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
            assert_eq!(
                tree.prove_inclusion(usize::try_from(index).unwrap())
                    .as_bytes(),
                bytes
            );
            let parsed = InclusionProof::<Sha256>::try_from_bytes(bytes).unwrap();
            tree.root()
                .verify_inclusion(&entry(index), index, &parsed)
                .unwrap();
        }
        for old in 1..size {
            let proof = consistency_proof(old, size, &mut reader).unwrap();
            let bytes: Vec<u8> = proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let added = usize::try_from(size - old).unwrap();
            assert_eq!(
                tree.prove_consistency(added).as_bytes(),
                bytes,
                "{old} to {size}"
            );
            assert!(ConsistencyProof::<Sha256>::try_from_bytes(bytes).is_ok());
        }
    }
}

/// The path that tlog_tiles prints, without the height that it puts in front.
fn without_height(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn tiles_of_growth_agree(start in 0u64..1 << 40, shift in 0u32..40, added in 0u64..3000) {
        let (old, new) = (start >> shift, (start >> shift) + added);
        let theirs: Vec<String> = Tile::new_tiles(8, old, new).iter().map(without_height).collect();
        let ours: Vec<String> = tiles_for_growth(old, new).map(|tile| tile.to_string()).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn paths_agree(level in 0u8..9, index: u64, shift in 0u32..64, width in 1u32..=256) {
        let tile = Tile::new(8, level, index >> shift, width, false);
        let path = without_height(&tile);
        if let Ok(TilePath::Hashes(parsed)) = TilePath::parse(&path) {
            prop_assert_eq!((parsed.level(), parsed.index(), u32::from(parsed.width())), (level, index >> shift, width));
            prop_assert_eq!(Tile::from_path(&tile.path()).unwrap(), tile);
        } else {
            // Only tiles of trees that are too large are missing.
            let first = u128::from(index >> shift) * u128::from(TILE_WIDTH);
            prop_assert!(((first + u128::from(width)) << (8 * u32::from(level))) > 1 << 62);
        }
    }

    #[test]
    fn notes_and_checkpoints_agree(size in 0u64..=1 << 62, seed: u8, bit in 0usize..4096, root: [u8; 32]) {
        let log = signer("example.com/log", seed);
        let text = format!("example.com/log\n{size}\n{}\n", Hash::from_bytes(root));
        let note = log.sign(&text).unwrap().to_string().into_bytes();
        let list = || VerifierList::new(vec![Box::new(StandardVerifier::new(&log.to_string()).unwrap())]);
        let accepted = |bytes: &[u8]| signed_note::Note::from_bytes(bytes).and_then(|note| note.verify(&list())).is_ok();
        prop_assert!(accepted(&note));

        let mut changed = note.clone();
        let at = bit % (note.len() * 8);
        changed[at / 8] ^= 1 << (at % 8);
        prop_assert_eq!(Note::parse(&changed).is_ok(), signed_note::Note::from_bytes(&changed).is_ok());
        prop_assert!(!accepted(&changed));
        prop_assert!(open_note(&changed, &[log.vkey().clone()]).is_err());

        let parsed = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        let expected = Checkpoint { origin: Origin::parse(parsed.origin()).unwrap(), size: parsed.size(), root: Hash::from_bytes(parsed.hash().0) };
        // A tree without leaves has one root: only this crate insists.
        prop_assert!(size == 0 || Checkpoint::parse_text(&text) == Ok(expected));
    }
}
