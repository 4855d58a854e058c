//! Newtypes for 32-byte values, so that a commitment is never passed where a digest is meant.

use core::fmt;

use sha2::{Digest as _, Sha256};

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
    /// Root of the claims tree: what evidence, log leaves and chains bind (specs/01-receipt.md §5.1).
    ClaimsDigest
);
digest_newtype!(
    /// Salted commitment to one field (§5.4).
    Commitment
);
digest_newtype!(
    /// RFC 6962 root over field commitments (§5.5).
    Root
);
digest_newtype!(
    /// Key id: hash of suite and public key (§2.3).
    KeyId
);
digest_newtype!(
    /// Digest of the bytes of a signed statement (§8.1).
    StatementDigest
);
digest_newtype!(
    /// Digest of a piece of evidence (§7).
    EvidenceDigest
);

impl Root {
    /// Root of a tree without fields: SHA-256 of nothing (§5.5).
    pub const EMPTY: Self = Self(*proofmark_tlog::EMPTY_ROOT.as_bytes());
}

/// SHA-256 over the concatenation of `parts`, the first of which is a domain separator.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
