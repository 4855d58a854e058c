//! The edge of a growing tree against tiles that are computed from all leaves at once.

use std::collections::BTreeMap;

use bytes::Bytes;
use proofmark_tlog::{
    BundleId, Hash, TILE_WIDTH, TileId, TilePath, bundles_for_growth, encode_entries, leaf_hash,
    node_hash, tiles_for_growth,
};
use proptest::prelude::*;

use super::*;
use crate::storage::ObjectName;

fn entries(count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|n| Bytes::from(vec![n as u8; n % 7]))
        .collect()
}

/// Every tile and bundle of the tree of these leaves, as tlog-tiles defines them.
fn naive_objects(entries: &[Bytes]) -> BTreeMap<ObjectName, Vec<u8>> {
    let size = entries.len() as u64;
    let mut levels = vec![
        entries
            .iter()
            .map(|entry| leaf_hash(entry))
            .collect::<Vec<Hash>>(),
    ];
    while let Some(below) = levels.last()
        && below.len() >= usize::from(TILE_WIDTH)
    {
        let mut nodes = below.clone();
        for _ in 0..8 {
            nodes = nodes
                .chunks_exact(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
        }
        levels.push(nodes);
    }
    let part =
        |start: u64, width: u16| start as usize * 256..start as usize * 256 + usize::from(width);
    let tiles = tiles_for_growth(0, size).map(|tile| {
        let hashes = &levels[usize::from(tile.level())][part(tile.index(), tile.width())];
        let bytes = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        (ObjectName::Tile(TilePath::Hashes(tile)), bytes)
    });
    let bundles = bundles_for_growth(0, size).map(|bundle| {
        let bytes = encode_entries(&entries[part(bundle.index(), bundle.width())]).unwrap();
        (ObjectName::Tile(TilePath::Entries(bundle)), bytes)
    });
    tiles.chain(bundles).collect()
}

fn grow(edge: &mut Edge, entries: &[Bytes]) -> Objects {
    edge.grow(
        entries
            .iter()
            .map(|entry| (leaf_hash(entry), entry.clone())),
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn growth_in_any_steps_writes_the_tiles_of_the_whole(steps in prop::collection::vec(0usize..700, 0..6)) {
        let all = entries(steps.iter().sum());
        let mut edge = Edge::default();
        let mut written = BTreeMap::new();
        let mut at = 0;
        for step in steps {
            let objects = grow(&mut edge, &all[at..at + step]);
            at += step;
            for (name, bytes) in objects {
                let before = written.insert(name, bytes.clone());
                prop_assert!(before.is_none_or(|before| before == bytes), "{name} changed");
            }
            let now = naive_objects(&all[..at]);
            for (name, bytes) in &now {
                prop_assert_eq!(written.get(name), Some(bytes), "{}", name);
            }
            // The edge survives encoding, and knows what is not full.
            let decoded = Edge::decode(&edge.encode().unwrap()).unwrap();
            prop_assert_eq!(&decoded, &edge);
            let partials: BTreeMap<_, _> = decoded.partials().unwrap().into_iter().collect();
            let expected: BTreeMap<_, _> =
                now.into_iter().filter(|(name, _)| matches!(name, ObjectName::Tile(path) if !is_full(path))).collect();
            prop_assert_eq!(partials, expected);
            edge = decoded;
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_edge_or_an_edge_with_one_encoding(
        size in prop_oneof![0u64..2000, any::<u64>()],
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend(rest);
        if let Some(edge) = Edge::decode(&bytes) {
            prop_assert_eq!(edge.encode().unwrap(), bytes);
        }
    }
}

#[test]
fn cut_and_extended_edges_are_refused() {
    let mut edge = Edge::default();
    grow(&mut edge, &entries(600));
    let bytes = edge.encode().unwrap();
    for len in 0..bytes.len() {
        assert_eq!(Edge::decode(&bytes[..len]), None, "{len} bytes");
    }
    assert_eq!(Edge::decode(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn places_that_became_full_are_named() {
    let names: Vec<String> = filled_between(200, 600)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "tile/0/000",
            "tile/0/001",
            "tile/entries/000",
            "tile/entries/001"
        ]
    );
    assert!(filled_between(256, 511).is_empty());
    assert!(is_full(&TilePath::Hashes(TileId::new(0, 0, 256).unwrap())));
    assert!(!is_full(&TilePath::Entries(BundleId::new(0, 255).unwrap())));
}
