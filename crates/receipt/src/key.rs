//! Suites, public keys, key ids and the Ed25519 signing key (specs/01-receipt.md §2.2–2.3).

use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::Signer as _;

use crate::cbor::Decoder;
use crate::digest::sha256;
use crate::{KeyId, ReceiptError};

/// A signature algorithm with its key and signature format. Only [`Suite::Ed25519`] is implemented; the others have
/// an id and a countersignature slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// Ed25519 (RFC 8032), COSE -19.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, COSE -9.
    P256,
    /// ECDSA on secp256k1 with SHA-256, COSE -47.
    Secp256k1,
    /// ML-DSA-65 (FIPS 204), COSE -49.
    MlDsa65,
}

impl Suite {
    /// The id in this format.
    pub fn id(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::P256 => 2,
            Self::Secp256k1 => 3,
            Self::MlDsa65 => 4,
        }
    }

    /// The suite with this id.
    pub fn from_id(id: u64) -> Option<Self> {
        [Self::Ed25519, Self::P256, Self::Secp256k1, Self::MlDsa65]
            .into_iter()
            .find(|suite| u64::from(suite.id()) == id)
    }

    /// The COSE algorithm id (RFC 9053, RFC 9864).
    pub fn cose_alg(self) -> i64 {
        match self {
            Self::Ed25519 => -19,
            Self::P256 => -9,
            Self::Secp256k1 => -47,
            Self::MlDsa65 => -49,
        }
    }

    /// Reads a suite's id; a suite of a later version is [`ReceiptError::SuiteUnknown`].
    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        let suite = d.uint()?;
        Self::from_id(suite).ok_or(ReceiptError::SuiteUnknown { suite })
    }

    /// Length of a public key in bytes.
    pub fn key_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::P256 | Self::Secp256k1 => 33,
            Self::MlDsa65 => 1952,
        }
    }

    /// Name for displays.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "P-256",
            Self::Secp256k1 => "secp256k1",
            Self::MlDsa65 => "ML-DSA-65",
        }
    }
}

fn kid_of(suite: Suite, public_key: &[u8]) -> KeyId {
    KeyId(sha256(&[
        b"proofmark/receipt/1/key\n",
        &[suite.id()],
        public_key,
    ]))
}

/// A public key with its suite. Holding one says nothing about whether it is to be believed.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    suite: Suite,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// A key from its bytes; the length must be the suite's.
    pub fn new(suite: Suite, bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() == suite.key_bytes() {
            Ok(Self {
                suite,
                bytes: bytes.to_vec(),
            })
        } else {
            Err(ReceiptError::Malformed {
                expected: "a public key of the suite's length",
                at: 0,
            })
        }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key id (§2.3).
    pub fn kid(&self) -> KeyId {
        kid_of(self.suite, &self.bytes)
    }

    /// Verifies a signature strictly; [`ReceiptError::AlgorithmUnsupported`] for suites that are not implemented.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), ReceiptError> {
        if self.suite != Suite::Ed25519 {
            return Err(ReceiptError::AlgorithmUnsupported {
                alg: self.suite.cose_alg(),
            });
        }
        let bytes = <[u8; 32]>::try_from(self.bytes.as_slice())
            .map_err(|_| ReceiptError::SignatureInvalid)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes)
            .map_err(|_| ReceiptError::SignatureInvalid)?;
        let signature = ed25519_dalek::Signature::from_slice(signature)
            .map_err(|_| ReceiptError::SignatureInvalid)?;
        key.verify_strict(message, &signature)
            .map_err(|_| ReceiptError::SignatureInvalid)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, kid {})", self.suite.name(), self.kid())
    }
}

/// An Ed25519 signing key. Whoever has it can sign as its owner; it is zeroized on drop and never printed.
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    kid: KeyId,
}

impl SigningKey {
    /// A key from its 32-byte seed, which the caller draws from a secure source and zeroizes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let kid = kid_of(Suite::Ed25519, key.verifying_key().as_bytes());
        Self { key, kid }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey {
            suite: Suite::Ed25519,
            bytes: self.key.verifying_key().as_bytes().to_vec(),
        }
    }

    /// The key id.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(kid {}, secret redacted)", self.kid)
    }
}
