//! Signed objects whose payload another crate defines (specs/08-referee.md): a COSE_Sign1 with the headers of §3.2.

use alloc::vec::Vec;

use crate::cose::{self, Typ};
use crate::{KeyId, PublicKey, ReceiptError, SigningKey};

/// A payload signed by a key, of one type. Decoding does **not** verify the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedObject {
    bytes: Vec<u8>,
    sign1: cose::Sign1,
}

impl SignedObject {
    /// Signs `payload` as an object of the type `typ`.
    pub fn sign(typ: Typ, payload: Vec<u8>, key: &SigningKey) -> Self {
        let (bytes, sign1) = cose::sign(typ, key, payload);
        Self { bytes, sign1 }
    }

    /// Decodes an object of the type `typ` and of at most `limit` bytes; an object of another type is malformed.
    pub fn decode(typ: Typ, bytes: &[u8], limit: usize) -> Result<Self, ReceiptError> {
        if bytes.len() > limit {
            return Err(ReceiptError::TooLarge {
                what: "bytes of a signed object",
                limit,
                got: bytes.len(),
            });
        }
        Ok(Self {
            sign1: cose::decode(bytes, typ)?,
            bytes: bytes.to_vec(),
        })
    }

    /// The payload, if `key` signed it.
    pub fn verify(&self, key: &PublicKey) -> Result<&[u8], ReceiptError> {
        self.sign1.verify(key)?;
        Ok(&self.sign1.payload)
    }

    /// The payload, believed or not.
    pub fn unverified(&self) -> &[u8] {
        &self.sign1.payload
    }

    /// The key that it names.
    pub fn kid(&self) -> KeyId {
        self.sign1.kid
    }

    /// The signed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
