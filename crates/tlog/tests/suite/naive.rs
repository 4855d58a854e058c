//! Trees to test against: RFC 6962 word for word, a tile store in memory, and a vast tree that is mostly equal leaves.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    convert::Infallible,
};

use proofmark_tlog::{
    EMPTY_ROOT, Frontier, Hash, TILE_HEIGHT, TILE_WIDTH, TileId, leaf_hash, node_hash,
    tiles_for_growth,
};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};

/// The entry at an index.
pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// RFC 6962 section 2.1, recursion and all; hashes of ranges are remembered.
#[derive(Default)]
pub(crate) struct NaiveTree {
    known: RefCell<HashMap<(u64, u64), Hash>>,
}

impl NaiveTree {
    /// MTH(D[from:to]).
    pub(crate) fn root(&self, from: u64, to: u64) -> Hash {
        if let Some(hash) = self.known.borrow().get(&(from, to)) {
            return *hash;
        }
        let hash = match to - from {
            0 => EMPTY_ROOT,
            1 => leaf_hash(&entry(from)),
            n => {
                let k = split(n);
                node_hash(&self.root(from, from + k), &self.root(from + k, to))
            }
        };
        self.known.borrow_mut().insert((from, to), hash);
        hash
    }

    /// PATH(m, D[from:to]), m counted from `from` (section 2.1.1).
    pub(crate) fn inclusion(&self, m: u64, from: u64, to: u64) -> Vec<Hash> {
        let n = to - from;
        if n == 1 {
            return Vec::new();
        }
        let k = split(n);
        let (mut path, sibling) = if m < k {
            (self.inclusion(m, from, from + k), self.root(from + k, to))
        } else {
            (
                self.inclusion(m - k, from + k, to),
                self.root(from, from + k),
            )
        };
        path.push(sibling);
        path
    }

    /// PROOF(m, D[n]) (section 2.1.2).
    pub(crate) fn consistency(&self, m: u64, n: u64) -> Vec<Hash> {
        self.subproof(m, 0, n, true)
    }

    fn subproof(&self, m: u64, from: u64, to: u64, whole: bool) -> Vec<Hash> {
        let n = to - from;
        if m == n {
            return if whole {
                Vec::new()
            } else {
                vec![self.root(from, to)]
            };
        }
        let k = split(n);
        let (mut path, sibling) = if m <= k {
            (
                self.subproof(m, from, from + k, whole),
                self.root(from + k, to),
            )
        } else {
            (
                self.subproof(m - k, from + k, to, false),
                self.root(from, from + k),
            )
        };
        path.push(sibling);
        path
    }
}

/// Largest power of two smaller than n.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// A log of [`entry`] leaves: frontier, root of every size, and full tiles.
pub(crate) struct MemoryLog {
    pub(crate) frontier: Frontier,
    pub(crate) roots: Vec<Hash>,
    tiles: BTreeMap<(u8, u64), Vec<u8>>,
}

impl MemoryLog {
    pub(crate) fn new(size: u64) -> Self {
        let mut log = Self {
            frontier: Frontier::new(),
            roots: vec![EMPTY_ROOT],
            tiles: BTreeMap::new(),
        };
        for index in 0..size {
            let tiles = &mut log.tiles;
            let appended = log
                .frontier
                .append_with(leaf_hash(&entry(index)), |node, hash| {
                    if node.level.is_multiple_of(TILE_HEIGHT) {
                        let level = u8::try_from(node.level / TILE_HEIGHT).unwrap();
                        let tile = tiles
                            .entry((level, node.index / u64::from(TILE_WIDTH)))
                            .or_default();
                        assert_eq!(tile.len() / 32, usize::try_from(node.index % 256).unwrap());
                        tile.extend_from_slice(hash.as_bytes());
                    }
                });
            assert_eq!(appended, Ok(index));
            log.roots.push(log.frontier.root());
        }
        log
    }

    /// The tile with exactly the width asked for.
    pub(crate) fn read(&self, tile: TileId) -> Result<Vec<u8>, Infallible> {
        let bytes = &self.tiles[&(tile.level(), tile.index())];
        Ok(bytes[..tile.byte_length()].to_vec())
    }

    /// The widest tile at the place asked for.
    pub(crate) fn read_widest(&self, tile: TileId) -> Result<Vec<u8>, Infallible> {
        Ok(self.tiles[&(tile.level(), tile.index())].clone())
    }

    /// All tiles of the tree, each with its width.
    pub(crate) fn tile_ids(&self) -> Vec<TileId> {
        tiles_for_growth(0, self.frontier.size()).collect()
    }

    pub(crate) fn tile_count(&self) -> usize {
        self.tiles.len()
    }
}

/// A tree of any size whose leaves are all equal, but for one that is marked.
pub(crate) struct VastTree {
    marked: u64,
    plain: Vec<Hash>,
}

impl VastTree {
    pub(crate) fn new(marked: u64) -> Self {
        let mut plain = vec![leaf_hash(b"plain")];
        for level in 0..63 {
            plain.push(node_hash(&plain[level], &plain[level]));
        }
        Self { marked, plain }
    }

    pub(crate) fn marked_leaf() -> Hash {
        leaf_hash(b"marked")
    }

    /// Hash of a complete subtree.
    pub(crate) fn node(&self, level: u32, index: u64) -> Hash {
        if self.marked >> level != index {
            return self.plain[level as usize];
        }
        if level == 0 {
            return Self::marked_leaf();
        }
        node_hash(
            &self.node(level - 1, 2 * index),
            &self.node(level - 1, 2 * index + 1),
        )
    }

    /// Root of the first `size` leaves, from the complete subtrees on its right edge.
    pub(crate) fn root(&self, size: u64) -> Hash {
        let mut root = None;
        for level in (0..63).filter(|level| size >> level & 1 == 1) {
            let peak = self.node(level, (size >> level) - 1);
            root = Some(root.map_or(peak, |right| node_hash(&peak, &right)));
        }
        root.unwrap_or(EMPTY_ROOT)
    }

    pub(crate) fn read(&self, tile: TileId) -> Result<Vec<u8>, Infallible> {
        let first = tile.index() * u64::from(TILE_WIDTH);
        let level = u32::from(tile.level()) * TILE_HEIGHT;
        let nodes = (first..first + u64::from(tile.width())).map(|index| self.node(level, index));
        Ok(nodes.flat_map(|hash| *hash.as_bytes()).collect())
    }
}

/// Configuration of property tests: the same cases on every run, unless `PROPTEST_RNG_SEED` names another seed.
pub(crate) fn seeded(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(u64::from(cases)),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        ..default
    }
}

/// All single-bit changes of some bytes.
pub(crate) fn bit_flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}
