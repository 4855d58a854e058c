//! RFC 6962 trees whose nodes are ranges of leaves: subset openings and frontiers (specs/08-referee.md §4.2, §5.2).

use alloc::vec::Vec;

use proofmark_tlog::{EMPTY_ROOT, Hash, node_hash};

/// Leaves `start`, without `end`, of a tree: one of its nodes, if it came from splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First leaf.
    pub start: u64,
    /// Behind the last leaf.
    pub end: u64,
}

impl Span {
    /// The root of a tree of `size` leaves.
    pub fn whole(size: u64) -> Self {
        Self {
            start: 0,
            end: size,
        }
    }

    /// Number of leaves.
    pub fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn contains(self, index: u64) -> bool {
        (self.start..self.end).contains(&index)
    }

    /// The two halves of a node of more than one leaf.
    pub fn halves(self) -> Option<[Self; 2]> {
        let last = self.len().checked_sub(1).filter(|last| *last > 0)?;
        // The largest power of two below the length.
        let middle = self.start.checked_add(1_u64.checked_shl(last.ilog2())?)?;
        let (start, end) = (self.start, self.end);
        Some([Self { start, end: middle }, Self { start: middle, end }])
    }

    /// The nodes `depth` levels below, from the left; leaves above that level among them.
    pub fn frontier(self, depth: u32) -> Vec<Self> {
        let mut nodes = Vec::from([self]);
        for _ in 0..depth {
            nodes = nodes
                .into_iter()
                .flat_map(|node| match node.halves() {
                    Some(halves) => Vec::from(halves),
                    None => Vec::from([node]),
                })
                .collect();
        }
        nodes
    }
}

/// Hash of a node whose frontier at `depth` has these hashes; `None` if there are too few or too many.
pub(crate) fn fold_frontier(span: Span, depth: u32, hashes: &[Hash]) -> Option<Hash> {
    fn fold<'h>(span: Span, depth: u32, rest: &mut impl Iterator<Item = &'h Hash>) -> Option<Hash> {
        match (span.halves(), depth.checked_sub(1)) {
            (Some([left, right]), Some(below)) => Some(node_hash(
                &fold(left, below, rest)?,
                &fold(right, below, rest)?,
            )),
            _ => rest.next().copied(),
        }
    }
    let mut rest = hashes.iter();
    let hash = fold(span, depth, &mut rest)?;
    rest.next().is_none().then_some(hash)
}

/// Somebody who knows hashes of nodes.
pub trait Nodes {
    /// Hash of a node that splitting the whole tree leads to, if it is known.
    fn node(&self, span: Span) -> Option<Hash>;
}

/// A tree in memory.
#[derive(Debug, Clone)]
pub struct MerkleTree {
    /// Hashes of complete nodes of 1, 2, 4, … leaves.
    levels: Vec<Vec<Hash>>,
    size: u64,
}

impl MerkleTree {
    /// The tree over these leaf hashes.
    pub fn new(leaves: Vec<Hash>) -> Self {
        let size = leaves.len() as u64;
        let mut levels = Vec::from([leaves]);
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let (pairs, _) = last.as_chunks::<2>();
            let above = pairs.iter().map(|[a, b]| node_hash(a, b)).collect();
            levels.push(above);
        }
        Self { levels, size }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.node(Span::whole(self.size)).unwrap_or(EMPTY_ROOT)
    }
}

impl Nodes for MerkleTree {
    fn node(&self, span: Span) -> Option<Hash> {
        let len = span.len();
        if len.is_power_of_two() && span.start.is_multiple_of(len) {
            let level = self.levels.get(usize::try_from(len.ilog2()).ok()?)?;
            let index = span.start.checked_shr(len.ilog2())?;
            return level.get(usize::try_from(index).ok()?).copied();
        }
        let [left, right] = span.halves()?;
        Some(node_hash(&self.node(left)?, &self.node(right)?))
    }
}

/// The hashes that lead from the leaves at `wanted` (ascending) to the root of `span`; `None` if one is not known.
pub(crate) fn prove(nodes: &impl Nodes, span: Span, wanted: &[u64]) -> Option<Vec<Hash>> {
    fn walk(nodes: &impl Nodes, span: Span, wanted: &[u64], proof: &mut Vec<Hash>) -> Option<()> {
        if wanted.is_empty() {
            proof.push(nodes.node(span)?);
            return Some(());
        }
        let Some([left, right]) = span.halves() else {
            return Some(());
        };
        let (a, b) = wanted.split_at_checked(wanted.partition_point(|at| left.contains(*at)))?;
        walk(nodes, left, a, proof)?;
        walk(nodes, right, b, proof)
    }
    let mut proof = Vec::new();
    walk(nodes, span, wanted, &mut proof)?;
    Some(proof)
}

/// The root of a tree of `size` leaves of which some, ascending by index, and the hashes of [`prove`] are given. Every index must lie in
/// the tree, and every hash be used.
pub(crate) fn subset_root(size: u64, opened: &[(u64, Hash)], proof: &[Hash]) -> Option<Hash> {
    fn walk<'h>(
        span: Span,
        opened: &[(u64, Hash)],
        proof: &mut impl Iterator<Item = &'h Hash>,
    ) -> Option<Hash> {
        if opened.is_empty() {
            return proof.next().copied();
        }
        let Some([left, right]) = span.halves() else {
            return match opened {
                [(at, hash)] if span.contains(*at) => Some(*hash),
                _ => None,
            };
        };
        let middle = opened.partition_point(|(at, _)| *at < left.end);
        let (a, b) = opened.split_at_checked(middle)?;
        Some(node_hash(&walk(left, a, proof)?, &walk(right, b, proof)?))
    }
    let ascending = opened.is_sorted_by(|a, b| a.0 < b.0);
    if size == 0 || !ascending || opened.last().is_none_or(|(at, _)| *at >= size) {
        return None;
    }
    let mut rest = proof.iter();
    let root = walk(Span::whole(size), opened, &mut rest)?;
    rest.next().is_none().then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofmark_tlog::{Frontier, leaf_hash};
    use std::vec::Vec;

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_rfc_6962() {
        let mut frontier = Frontier::new();
        for size in 1..70 {
            frontier
                .append(leaf_hash(&(size - 1_u64).to_be_bytes()))
                .unwrap();
            assert_eq!(
                MerkleTree::new(leaves(size)).root(),
                frontier.root(),
                "{size}"
            );
        }
    }

    #[test]
    fn every_subset_leads_to_the_root_and_no_other_bytes_do() {
        for size in 1..11_u64 {
            let (all, span) = (leaves(size), Span::whole(size));
            let tree = MerkleTree::new(all.clone());
            for subset in 1_u64..1 << size {
                let wanted: Vec<u64> = (0..size).filter(|i| subset >> i & 1 == 1).collect();
                let proof = prove(&tree, span, &wanted).unwrap();
                let mut opened: Vec<(u64, Hash)> =
                    wanted.iter().map(|i| (*i, all[*i as usize])).collect();
                assert_eq!(subset_root(size, &opened, &proof), Some(tree.root()));
                let mut longer = proof.clone();
                longer.push(tree.root());
                assert_eq!(subset_root(size, &opened, &longer), None);
                if let Some((_, shorter)) = proof.split_last() {
                    assert_eq!(subset_root(size, &opened, shorter), None);
                }
                opened[0].1 = leaf_hash(b"another");
                assert_ne!(subset_root(size, &opened, &proof), Some(tree.root()));
            }
        }
        assert_eq!(subset_root(3, &[(3, EMPTY_ROOT)], &[]), None);
        assert_eq!(
            subset_root(u64::MAX, &[(1, EMPTY_ROOT), (1, EMPTY_ROOT)], &[]),
            None
        );
        assert_eq!(subset_root(0, &[], &[]), None);
    }

    #[test]
    fn frontiers_fold_to_their_node() {
        for size in 1..80 {
            let tree = MerkleTree::new(leaves(size));
            for depth in 0..8 {
                let spans = Span::whole(size).frontier(depth);
                let mut hashes: Vec<Hash> =
                    spans.iter().map(|span| tree.node(*span).unwrap()).collect();
                assert_eq!(
                    fold_frontier(Span::whole(size), depth, &hashes),
                    Some(tree.root())
                );
                hashes.push(EMPTY_ROOT);
                assert_eq!(fold_frontier(Span::whole(size), depth, &hashes), None);
                hashes.truncate(hashes.len() - 2);
                assert_eq!(fold_frontier(Span::whole(size), depth, &hashes), None);
            }
        }
    }
}
