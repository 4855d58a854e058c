//! Newtypes for digests, and how they are made (§6).

use core::fmt;

use proofmark_tlog::{Frontier, leaf_hash};
use sha2::{Digest as _, Sha256};

/// Domain separators (§6).
pub(crate) const PROGRAM_DOMAIN: &[u8] = b"proofmark/program/1/program\n";
pub(crate) const CLOSURE_DOMAIN: &[u8] = b"proofmark/program/1/closure\n";
pub(crate) const TENSOR_DOMAIN: &[u8] = b"proofmark/program/1/tensor\n";
pub(crate) const DRAW_DOMAIN: &[u8] = b"proofmark/program/1/draw\n";

/// Bytes of the weights file under one leaf of the weights root (§6.2); the last leaf may be shorter.
pub const WEIGHTS_LEAF_BYTES: usize = 16_384;

macro_rules! digest_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0 {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

digest_newtype!(
    /// Digest of a program file (§6.1).
    ProgramDigest
);
digest_newtype!(
    /// RFC 6962 root over the weights file (§6.2).
    WeightsRoot
);
digest_newtype!(
    /// Digest of a manifest: it names a model, whole (§6.3).
    ClosureDigest
);
digest_newtype!(
    /// Digest of a tensor of integers with its shape (§6.4).
    TensorDigest
);
digest_newtype!(
    /// SHA-256 of a file's bytes.
    FileDigest
);

/// SHA-256 over the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Digest of the bytes of a program file (§6.1).
pub fn program_digest(file: &[u8]) -> ProgramDigest {
    ProgramDigest(sha256(&[PROGRAM_DOMAIN, file]))
}

/// Root of the bytes of a weights file (§6.2). Reads every byte once.
pub fn weights_root(file: &[u8]) -> WeightsRoot {
    let mut hasher = WeightsHasher::new();
    hasher.update(file);
    hasher.finish()
}

/// Makes a weights root of a file that comes in pieces.
#[derive(Debug, Clone)]
pub struct WeightsHasher {
    frontier: Frontier,
    pending: alloc::vec::Vec<u8>,
}

impl Default for WeightsHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl WeightsHasher {
    /// Of no bytes so far.
    pub fn new() -> Self {
        Self {
            frontier: Frontier::new(),
            pending: alloc::vec::Vec::new(),
        }
    }

    /// Takes the next bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        if !self.pending.is_empty() {
            let missing = WEIGHTS_LEAF_BYTES.saturating_sub(self.pending.len());
            let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.pending.extend_from_slice(head);
            bytes = rest;
            if self.pending.len() < WEIGHTS_LEAF_BYTES {
                return;
            }
            append(&mut self.frontier, &self.pending);
            self.pending.clear();
        }
        while let Some((leaf, rest)) = bytes.split_at_checked(WEIGHTS_LEAF_BYTES) {
            append(&mut self.frontier, leaf);
            bytes = rest;
        }
        self.pending.extend_from_slice(bytes);
    }

    /// The root over all bytes taken.
    pub fn finish(mut self) -> WeightsRoot {
        if !self.pending.is_empty() {
            append(&mut self.frontier, &self.pending);
        }
        WeightsRoot(*self.frontier.root().as_bytes())
    }
}

fn append(frontier: &mut Frontier, leaf: &[u8]) {
    // A frontier refuses at 2^63 leaves, more than any memory has.
    let appended = frontier.append(leaf_hash(leaf));
    debug_assert!(appended.is_ok());
}

/// Digest of a tensor (§6.4): `dimensions` of the whole tensor, the position axis first if it has one.
pub fn tensor_digest(dimensions: &[u32], elements: &[i32]) -> TensorDigest {
    let mut hasher = Sha256::new();
    hasher.update(TENSOR_DOMAIN);
    hasher.update([u8::try_from(dimensions.len()).unwrap_or(u8::MAX)]);
    for dimension in dimensions {
        hasher.update(dimension.to_le_bytes());
    }
    for piece in elements.chunks(1024) {
        let mut bytes = alloc::vec::Vec::with_capacity(piece.len().saturating_mul(4));
        for element in piece {
            bytes.extend_from_slice(&element.to_le_bytes());
        }
        hasher.update(&bytes);
    }
    TensorDigest(hasher.finalize().into())
}
