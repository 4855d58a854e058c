//! RFC 6962 section 2.1 (RFC 9162 section 2.1) Merkle trees over SHA-256: hashes, proofs, compact ranges.

mod frontier;
mod hash;
mod path;
mod proof;

pub use frontier::{Frontier, FrontierError};
pub use hash::{EMPTY_ROOT, Hash, leaf_hash, node_hash};
pub use path::{MAX_PROOF_HASHES, MAX_TREE_SIZE, NodeId};
pub use proof::{ProofError, verify_consistency, verify_inclusion};

pub(crate) use frontier::{fold_peaks, peak_nodes};
pub(crate) use path::{consistency_path, inclusion_path};
