//! Verification of inclusion proofs (RFC 9162 section 2.1.3.2) and consistency proofs (section 2.1.4.2).

use crate::{
    ErrorKind,
    merkle::{
        EMPTY_ROOT, Hash, MAX_TREE_SIZE, node_hash,
        path::{PathShape, shift_right},
    },
};

/// Why a Merkle proof was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The index does not lie in the tree, or the tree is larger than [`MAX_TREE_SIZE`]. The prover's fault.
    #[error("leaf {index} does not lie in a tree of {size} leaves")]
    InclusionIndex {
        /// Index that the proof is about.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The number of hashes is not the one that index and size call for. The prover's fault.
    #[error("inclusion proof has {got} hashes, expected {expected}")]
    InclusionLength {
        /// Hashes that a proof for this index and size has.
        expected: usize,
        /// Hashes in the proof.
        got: usize,
    },
    /// The proof leads to another root: the leaf is not at this index of this tree.
    #[error("inclusion proof leads to root {got}, expected {expected}")]
    InclusionRoot {
        /// Root of the tree.
        expected: Hash,
        /// Root that the proof leads to.
        got: Hash,
    },
    /// The old tree is larger than the new one, or the new one larger than [`MAX_TREE_SIZE`].
    #[error("no consistency proof leads from size {old} to size {new}")]
    ConsistencySizes {
        /// Size of the old tree.
        old: u64,
        /// Size of the new tree.
        new: u64,
    },
    /// The number of hashes is not the one that the two sizes call for. The prover's fault.
    #[error("consistency proof has {got} hashes, expected {expected}")]
    ConsistencyLength {
        /// Hashes that a proof between these sizes has.
        expected: usize,
        /// Hashes in the proof.
        got: usize,
    },
    /// The proof does not lead to the old root: the new tree does not extend the old one.
    #[error("consistency proof leads to old root {got}, expected {expected}")]
    ConsistencyOldRoot {
        /// Root of the old tree.
        expected: Hash,
        /// Old root that the proof leads to.
        got: Hash,
    },
    /// The proof does not lead to the new root: it is about another tree.
    #[error("consistency proof leads to new root {got}, expected {expected}")]
    ConsistencyNewRoot {
        /// Root of the new tree.
        expected: Hash,
        /// New root that the proof leads to.
        got: Hash,
    },
}

impl ProofError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::InclusionIndex { .. } | Self::InclusionLength { .. } => "log.inclusion.malformed",
            Self::InclusionRoot { .. } => "log.inclusion.root-mismatch",
            Self::ConsistencySizes { .. } | Self::ConsistencyLength { .. } => {
                "log.consistency.malformed"
            }
            Self::ConsistencyOldRoot { .. } | Self::ConsistencyNewRoot { .. } => {
                "log.consistency.root-mismatch"
            }
        }
    }

    /// Whether the proof could not be read or was found wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InclusionIndex { .. }
            | Self::InclusionLength { .. }
            | Self::ConsistencySizes { .. }
            | Self::ConsistencyLength { .. } => ErrorKind::Malformed,
            Self::InclusionRoot { .. }
            | Self::ConsistencyOldRoot { .. }
            | Self::ConsistencyNewRoot { .. } => ErrorKind::Rejected,
        }
    }
}

/// Verifies that `leaf_hash` is leaf `index` of the tree of `size` leaves with this `root`.
///
/// `root` must come from a checkpoint that the caller trusts; the proof itself is untrusted.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf_hash: &Hash,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let last = match size.checked_sub(1) {
        Some(last) if index <= last && size <= MAX_TREE_SIZE => last,
        _ => return Err(ProofError::InclusionIndex { index, size }),
    };
    let shape = PathShape::new(index, last);
    let expected = saturating_usize(shape.inner).saturating_add(saturating_usize(shape.border));
    let split = (proof.len() == expected)
        .then(|| proof.split_at_checked(saturating_usize(shape.inner)))
        .flatten();
    let Some((inner, border)) = split else {
        return Err(ProofError::InclusionLength {
            expected,
            got: proof.len(),
        });
    };
    let got = chain_border(chain_inner(*leaf_hash, index, inner), border);
    if got == *root {
        Ok(())
    } else {
        Err(ProofError::InclusionRoot {
            expected: *root,
            got,
        })
    }
}

/// Verifies that the tree of `new_size` leaves with `new_root` starts with the tree of `old_size` leaves with `old_root`.
///
/// Every tree extends the empty one, whose root is [`EMPTY_ROOT`]; equal sizes need equal roots; in both cases the proof is empty.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size || new_size > MAX_TREE_SIZE {
        return Err(ProofError::ConsistencySizes {
            old: old_size,
            new: new_size,
        });
    }
    let (Some(old_last), Some(new_last)) = (old_size.checked_sub(1), new_size.checked_sub(1))
    else {
        return check_trivial(&EMPTY_ROOT, old_root, proof);
    };
    if old_size == new_size {
        return check_trivial(new_root, old_root, proof);
    }

    let shape = PathShape::new(old_last, new_last);
    let level = old_size.trailing_zeros();
    let inner_len = saturating_usize(shape.inner.saturating_sub(level));
    let complete = shift_right(old_last, level) == 0;
    let expected = inner_len
        .saturating_add(saturating_usize(shape.border))
        .saturating_add(usize::from(!complete));
    let length = ProofError::ConsistencyLength {
        expected,
        got: proof.len(),
    };
    if proof.len() != expected {
        return Err(length);
    }
    // RFC 9162 section 2.1.4.2 step 2: a complete old tree is its own first node.
    let (seed, path) = if complete {
        (*old_root, proof)
    } else {
        proof
            .split_first()
            .map(|(first, rest)| (*first, rest))
            .ok_or(length)?
    };
    let (inner, border) = path.split_at_checked(inner_len).ok_or(length)?;

    let mask = shift_right(old_last, level);
    let got = chain_border(chain_inner_left(seed, mask, inner), border);
    if got != *old_root {
        return Err(ProofError::ConsistencyOldRoot {
            expected: *old_root,
            got,
        });
    }
    let got = chain_border(chain_inner(seed, mask, inner), border);
    if got != *new_root {
        return Err(ProofError::ConsistencyNewRoot {
            expected: *new_root,
            got,
        });
    }
    Ok(())
}

/// The cases in which an empty proof is the proof: the old root must be the one that is already known.
fn check_trivial(expected: &Hash, old_root: &Hash, proof: &[Hash]) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::ConsistencyLength {
            expected: 0,
            got: proof.len(),
        });
    }
    if old_root != expected {
        return Err(ProofError::ConsistencyOldRoot {
            expected: *expected,
            got: *old_root,
        });
    }
    Ok(())
}

/// Hashes upward where siblings lie on either side: bit `i` of `index` says on which.
fn chain_inner(seed: Hash, index: u64, siblings: &[Hash]) -> Hash {
    (0u32..).zip(siblings).fold(seed, |hash, (level, sibling)| {
        if shift_right(index, level) & 1 == 0 {
            node_hash(&hash, sibling)
        } else {
            node_hash(sibling, &hash)
        }
    })
}

/// Like [`chain_inner`] with the right siblings left out: what the old tree did not have yet.
fn chain_inner_left(seed: Hash, index: u64, siblings: &[Hash]) -> Hash {
    (0u32..).zip(siblings).fold(seed, |hash, (level, sibling)| {
        if shift_right(index, level) & 1 == 0 {
            hash
        } else {
            node_hash(sibling, &hash)
        }
    })
}

/// Hashes upward along the right border: every sibling is on the left.
fn chain_border(seed: Hash, siblings: &[Hash]) -> Hash {
    siblings
        .iter()
        .fold(seed, |hash, sibling| node_hash(sibling, &hash))
}

/// A count of at most 64 as a length.
fn saturating_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
