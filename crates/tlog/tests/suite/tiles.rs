//! Tile coordinates, paths, entry bundles, and proofs from tiles.

use std::convert::Infallible;

use proofmark_tlog::{
    BundleError, BundleId, EMPTY_ROOT, ErrorKind, MAX_ENTRY_BYTES, MAX_TREE_SIZE, TileError,
    TileId, TilePath, bundles_for_growth, consistency_proof, decode_entries, encode_entries,
    frontier_from_tiles, inclusion_proof, leaf_hash, root_from_tiles, tiles_for_growth,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use crate::naive::{MemoryLog, NaiveTree, VastTree, entry, seeded};

#[test]
fn paths_are_those_of_the_specification() {
    let tile = |level, index, width| TileId::new(level, index, width).unwrap().to_string();
    assert_eq!(tile(0, 0, 256), "tile/0/000");
    assert_eq!(tile(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(tile(3, 1000, 5), "tile/3/x001/000.p/5");
    assert_eq!(tile(0, 1_000_000, 1), "tile/0/x001/x000/000.p/1");
    assert_eq!(
        BundleId::new(273, 112).unwrap().to_string(),
        "tile/entries/273.p/112"
    );
}

#[test]
fn paths_have_one_spelling() {
    for good in [
        "tile/0/000",
        "tile/7/000.p/64",
        "tile/entries/x001/234",
        "tile/0/x018/x014/x398/x509/x481/983",
    ] {
        assert_eq!(
            TilePath::parse(good)
                .map(|path| path.to_string())
                .as_deref(),
            Ok(good)
        );
    }
    let bad = [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/00a",
        "tile/0/x000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/8/000",
        "tile/7/000",
        "tile/63/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000 ",
        "tile/0/../000",
        "tile/0/000/..",
        "tile/entries/../checkpoint",
        "tile/data/000",
        "tile/0/+01",
        "tile/0/\u{0661}\u{0661}\u{0661}",
        "tile/0/x018/x014/x398/x509/x481/984",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/001",
    ];
    for path in bad {
        let error = TilePath::parse(path).expect_err(path);
        assert_eq!(
            (error.code(), error.kind()),
            ("log.tile.path-malformed", ErrorKind::Malformed)
        );
    }
}

#[test]
fn coordinates_stay_within_the_largest_tree() {
    assert!(TileId::new(0, 0, 0).is_none());
    assert!(TileId::new(0, 0, 257).is_none());
    assert!(TileId::new(7, 0, 64).is_some());
    assert!(TileId::new(7, 0, 65).is_none());
    assert!(TileId::new(8, 0, 1).is_none());
    assert!(TileId::new(0, u64::MAX, 256).is_none());
    assert!(BundleId::new(MAX_TREE_SIZE / 256 - 1, 256).is_some());
    assert!(BundleId::new(MAX_TREE_SIZE / 256, 1).is_none());
    let partial = TileId::in_tree(0, 1, 300).unwrap();
    assert_eq!(
        (partial.width(), partial.is_full(), partial.full().is_full()),
        (44, false, true)
    );
    assert_eq!(TileId::in_tree(0, 2, 300), None);
    assert_eq!(BundleId::in_tree(1, 300).unwrap().entries(), 256..300);
}

#[test]
fn growth_touches_the_tiles_of_the_specification() {
    // The example of tlog-tiles: 70,000 entries.
    let tiles: Vec<TileId> = tiles_for_growth(0, 70_000).collect();
    let count = |level, full| {
        tiles
            .iter()
            .filter(|tile| tile.level() == level && tile.is_full() == full)
            .count()
    };
    assert_eq!(
        [
            count(0, true),
            count(0, false),
            count(1, true),
            count(1, false)
        ],
        [273, 1, 1, 1]
    );
    assert_eq!([count(2, true), count(2, false)], [0, 1]);
    let partial: Vec<String> = tiles
        .iter()
        .filter(|tile| !tile.is_full())
        .map(TileId::to_string)
        .collect();
    assert_eq!(
        partial,
        ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    );

    let names = |old, new| {
        tiles_for_growth(old, new)
            .map(|tile| tile.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(255, 256), ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(names(256, 257), ["tile/0/001.p/1"]);
    assert_eq!(names(0, 0), [""; 0]);
    assert_eq!(names(9, 9), [""; 0]);
    assert_eq!(names(9, 3), [""; 0]);
    let bundles: Vec<String> = bundles_for_growth(500, 600)
        .map(|bundle| bundle.to_string())
        .collect();
    assert_eq!(bundles, ["tile/entries/001", "tile/entries/002.p/88"]);
}

#[test]
fn proofs_from_tiles_are_those_of_the_definition() {
    let tree = NaiveTree::default();
    let log = MemoryLog::new(600);
    for size in (0..=600).filter(|size| size % 97 < 2 || (254..258).contains(size)) {
        let mut reader = |tile| log.read(tile);
        assert_eq!(root_from_tiles(size, &mut reader), Ok(tree.root(0, size)));
        for index in 0..size {
            let proof = inclusion_proof(size, index, &mut reader).unwrap();
            assert_eq!(proof, tree.inclusion(index, 0, size), "{index} in {size}");
        }
        for old in 1..=size {
            let proof = consistency_proof(old, size, &mut reader).unwrap();
            assert_eq!(proof, tree.consistency(old, size), "{old} to {size}");
        }
        assert_eq!(consistency_proof(0, size, &mut reader), Ok(Vec::new()));
    }
}

#[test]
fn a_wider_tile_serves_in_place_of_a_partial_one() {
    let log = MemoryLog::new(700);
    for size in [1, 255, 256, 257, 511, 600] {
        let proof = inclusion_proof(size, size / 2, &mut |tile| log.read_widest(tile)).unwrap();
        assert_eq!(
            proof,
            inclusion_proof(size, size / 2, &mut |tile| log.read(tile)).unwrap()
        );
    }
}

#[test]
fn three_levels_of_tiles_hold_the_tree() {
    let size = 66_000;
    let log = MemoryLog::new(size);
    assert_eq!(log.tile_ids().len(), log.tile_count());
    let frontier = frontier_from_tiles(size, &mut |tile| log.read(tile)).unwrap();
    assert_eq!(frontier, log.frontier);
    for index in [0, 1, 255, 256, 65_535, 65_536, 65_999] {
        let mut read = 0;
        let proof = inclusion_proof(size, index, &mut |tile| {
            read += 1;
            log.read(tile)
        })
        .unwrap();
        let at = usize::try_from(size).unwrap();
        assert_eq!(
            verify_inclusion(
                index,
                size,
                &leaf_hash(&entry(index)),
                &log.roots[at],
                &proof
            ),
            Ok(())
        );
        assert!(read <= 6, "{read} tiles read for leaf {index}");
    }
}

#[test]
fn bad_tiles_are_reported_with_their_name() {
    let log = MemoryLog::new(300);
    let tile = TileId::in_tree(0, 1, 300).unwrap();
    let cut = |length: usize| {
        let read = |id: TileId| {
            let bytes = log.read(id)?;
            Ok::<_, Infallible>(if id == tile { vec![7; length] } else { bytes })
        };
        inclusion_proof(300, 299, &mut { read })
    };
    for length in [0, 31, 43 * 32, 44 * 32 - 1, 44 * 32 + 1, 257 * 32] {
        let error = cut(length).unwrap_err();
        assert_eq!(
            error,
            TileError::Length {
                tile,
                expected: 44 * 32,
                got: length
            }
        );
        assert_eq!(
            (error.code(), error.kind()),
            ("log.tile.malformed", ErrorKind::Malformed)
        );
    }
    // A tile of the right length and wrong contents yields a proof that does not verify.
    let proof = cut(44 * 32).unwrap();
    assert!(verify_inclusion(299, 300, &leaf_hash(&entry(299)), &log.roots[300], &proof).is_err());

    let error = inclusion_proof(300, 0, &mut |_| Err::<Vec<u8>, _>(std::fmt::Error)).unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("log.tile.unavailable", ErrorKind::Unavailable)
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn questions_about_other_trees_are_refused() {
    let log = MemoryLog::new(10);
    let mut reader = |tile| log.read(tile);
    assert_eq!(
        inclusion_proof(10, 10, &mut reader),
        Err(TileError::Index {
            index: 10,
            size: 10
        })
    );
    assert_eq!(
        inclusion_proof(0, 0, &mut reader),
        Err(TileError::Index { index: 0, size: 0 })
    );
    assert_eq!(
        consistency_proof(5, 4, &mut reader),
        Err(TileError::Sizes { old: 5, new: 4 })
    );
    let beyond = MAX_TREE_SIZE + 1;
    assert_eq!(
        consistency_proof(5, beyond, &mut reader),
        Err(TileError::Sizes {
            old: 5,
            new: beyond
        })
    );
    assert_eq!(
        root_from_tiles(beyond, &mut reader),
        Err(TileError::Index {
            index: beyond,
            size: beyond
        })
    );
    assert_eq!(root_from_tiles(0, &mut reader), Ok(EMPTY_ROOT));
}

#[test]
fn bundles_refuse_what_is_not_exactly_their_entries() {
    let entries: Vec<Vec<u8>> = (0..256).map(entry).collect();
    let bytes = encode_entries(&entries).unwrap();
    assert_eq!(decode_entries(&bytes, 256).unwrap(), entries);
    assert_eq!(
        decode_entries(&bytes, 255),
        Err(BundleError::TrailingBytes {
            got: 2 + entries[255].len()
        })
    );
    assert_eq!(
        decode_entries(&bytes[..bytes.len() - 1], 256),
        Err(BundleError::Truncated { at: 255 })
    );
    assert_eq!(
        decode_entries(&[0], 1),
        Err(BundleError::Truncated { at: 0 })
    );
    assert_eq!(decode_entries(&[0, 0], 1), Ok(vec![&[][..]]));
    assert_eq!(decode_entries(&[], 0), Err(BundleError::Count { got: 0 }));
    assert_eq!(
        decode_entries(&bytes, 257),
        Err(BundleError::Count { got: 257 })
    );
    assert_eq!(
        encode_entries::<Vec<u8>>(&[]),
        Err(BundleError::Count { got: 0 })
    );
    assert_eq!(
        encode_entries(&vec![b""; 257]),
        Err(BundleError::Count { got: 257 })
    );
    let longest = vec![1; MAX_ENTRY_BYTES];
    let bytes = encode_entries(&[&longest]).unwrap();
    assert_eq!(decode_entries(&bytes, 1).unwrap(), [&longest[..]]);
    let error = encode_entries(&[vec![], vec![1; MAX_ENTRY_BYTES + 1]]).unwrap_err();
    assert_eq!(
        error,
        BundleError::EntryTooLong {
            at: 1,
            got: MAX_ENTRY_BYTES + 1
        }
    );
}

proptest! {
    #![proptest_config(seeded(256))]

    #[test]
    fn proofs_of_vast_trees_verify(size in 1..=MAX_TREE_SIZE, shift in 0u32..63, index: u64, old: u64) {
        let size = (size >> shift).max(1);
        let (index, old) = (index % size, 1 + old % size);
        let tree = VastTree::new(index);
        let root = tree.root(size);
        prop_assert_eq!(root_from_tiles(size, &mut |tile| tree.read(tile)), Ok(root));
        let proof = inclusion_proof(size, index, &mut |tile| tree.read(tile)).unwrap();
        prop_assert!(proof.len() <= 63);
        prop_assert_eq!(verify_inclusion(index, size, &VastTree::marked_leaf(), &root, &proof), Ok(()));
        prop_assert!(verify_inclusion(index ^ 1, size, &VastTree::marked_leaf(), &root, &proof).is_err() || size == 1);

        let proof = consistency_proof(old, size, &mut |tile| tree.read(tile)).unwrap();
        prop_assert!(proof.len() <= 63);
        prop_assert_eq!(verify_consistency(old, &tree.root(old), size, &root, &proof), Ok(()));
        // The tree with another leaf marked is another history.
        let fork = VastTree::new(if index < old { old } else { 0 });
        let same = fork.root(old) == tree.root(old);
        prop_assert!(same || verify_consistency(old, &fork.root(old), size, &root, &proof).is_err());
    }

    #[test]
    fn every_tile_prints_and_parses(level in 0u8..8, index: u64, shift in 0u32..63, width in 1u16..=256) {
        if let Some(tile) = TileId::new(level, index >> shift, width) {
            prop_assert_eq!(TilePath::parse(&tile.to_string()), Ok(TilePath::Hashes(tile)));
        }
        if let Some(bundle) = BundleId::new(index >> shift, width) {
            prop_assert_eq!(TilePath::parse(&bundle.to_string()), Ok(TilePath::Entries(bundle)));
        }
    }

    #[test]
    fn accepted_paths_are_canonical(path in "(tile/)?([0-9]|entries)/(x?[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(parsed) = TilePath::parse(&path) {
            prop_assert_eq!(parsed.to_string(), path);
        }
    }

    #[test]
    fn decoded_bundles_encode_to_the_same_bytes(bytes in prop::collection::vec(0u8..4, 0..200), width in 1u16..20) {
        if let Ok(entries) = decode_entries(&bytes, width) {
            prop_assert_eq!(encode_entries(&entries).unwrap(), bytes);
        }
    }
}
