//! The 32-byte hash of a tree node and the two ways to make one.

use alloc::string::String;
use core::fmt;

use sha2::{Digest, Sha256};

use crate::encoding::{base64_decode, base64_encode};

/// RFC 6962 section 2.1: the first byte of what is hashed for a leaf.
const LEAF_PREFIX: u8 = 0x00;
/// RFC 6962 section 2.1: the first byte of what is hashed for an inner node.
const NODE_PREFIX: u8 = 0x01;

/// SHA-256 hash of a leaf, of an inner node, or of a whole tree.
///
/// `Display` is standard base64, as in notes; `{:x}` is lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// The root of the tree without leaves: SHA-256 of the empty string (RFC 6962 section 2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

impl Hash {
    /// Length of a hash in bytes.
    pub const LEN: usize = 32;

    /// Takes 32 bytes as a hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Takes a slice of exactly 32 bytes as a hash.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses the base64 form (44 characters, one spelling).
    pub fn parse_base64(text: &str) -> Option<Self> {
        // Longer input is refused before it is decoded.
        if text.len() != 44 {
            return None;
        }
        Self::from_slice(&base64_decode(text)?)
    }

    /// The base64 form, as in checkpoints and proofs.
    pub fn to_base64(&self) -> String {
        base64_encode(&self.0)
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::LowerHex for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self:x})")
    }
}

/// Hash of a leaf: SHA-256(0x00 || entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update([LEAF_PREFIX]);
    sha.update(entry);
    Hash(sha.finalize().into())
}

/// Hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut sha = Sha256::new();
    sha.update([NODE_PREFIX]);
    sha.update(left.0);
    sha.update(right.0);
    Hash(sha.finalize().into())
}
