//! The signed receipt: a COSE_Sign1 over claims (specs/01-receipt.md §3).

use alloc::vec::Vec;

use crate::cose::{self, Sign1, Typ};
use crate::{Claims, ClaimsDigest, KeyId, PublicKey, ReceiptError, ReceiptId, SigningKey};

/// Bound of §1.3.
pub const RECEIPT_MAX_BYTES: usize = 64 * 1024;

/// A receipt that was decoded. Its signature is **not** verified: [`SignedReceipt::verify_signature`] does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    bytes: Vec<u8>,
    sign1: Sign1,
    claims: Claims,
    digest: ClaimsDigest,
}

/// Proof that the signature of one receipt was verified with one key. Only [`SignedReceipt::verify_signature`] makes
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureChecked {
    id: ReceiptId,
    kid: KeyId,
}

impl SignatureChecked {
    /// The receipt that was checked.
    pub fn receipt(&self) -> ReceiptId {
        self.id
    }

    /// The key that signed it.
    pub fn kid(&self) -> KeyId {
        self.kid
    }
}

fn check_size(bytes: &[u8]) -> Result<(), ReceiptError> {
    if bytes.len() > RECEIPT_MAX_BYTES {
        return Err(ReceiptError::TooLarge {
            what: "bytes of a receipt",
            limit: RECEIPT_MAX_BYTES,
            got: bytes.len(),
        });
    }
    Ok(())
}

impl SignedReceipt {
    /// Signs `claims`. The issuer claim must name `key`. Claims that [`SignedReceipt::decode`] would not give back are
    /// not signed: a text over its bound, a provenance that is not allowed, claims that contradict each other.
    pub fn sign(claims: Claims, key: &SigningKey) -> Result<Self, ReceiptError> {
        if claims.issuer.kid != key.kid() {
            return Err(ReceiptError::KidMismatch);
        }
        let values = claims.values();
        let digest = Claims::digest_of(values.iter());
        let payload = values.payload();
        if Claims::decode(&payload)? != claims {
            return Err(ReceiptError::Inconsistent {
                what: "an unknown claim at a position that is known",
            });
        }
        let (bytes, sign1) = cose::sign(Typ::Receipt, key, payload);
        check_size(&bytes)?;
        Ok(Self {
            bytes,
            sign1,
            claims,
            digest,
        })
    }

    /// Decodes a receipt from its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        check_size(bytes)?;
        let sign1 = cose::decode(bytes, Typ::Receipt)?;
        let claims = Claims::decode(&sign1.payload)?;
        if claims.issuer.kid != sign1.kid {
            return Err(ReceiptError::KidMismatch);
        }
        let digest = claims.digest();
        Ok(Self {
            bytes: bytes.to_vec(),
            sign1,
            claims,
            digest,
        })
    }

    /// Verifies the signature with `key`.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<SignatureChecked, ReceiptError> {
        self.sign1.verify(key)?;
        Ok(SignatureChecked {
            id: self.claims.id,
            kid: self.sign1.kid,
        })
    }

    /// The signed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the receipt says, believed or not.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Digest of the claims.
    pub fn digest(&self) -> ClaimsDigest {
        self.digest
    }

    /// Id of the key that the header names.
    pub fn kid(&self) -> KeyId {
        self.sign1.kid
    }
}
