//! Statements about a model's weights: what a named party computed from them (specs/01-receipt.md §8.7).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::cose::{self, Typ};
use crate::statement::{STATEMENT_MAX_BYTES, map_of};
use crate::{KeyId, PublicKey, ReceiptError, SigningKey};

/// "I have the weights of this model, checked its program with them, and the commitment to them is W."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsStatement {
    /// Digest of the model's closure.
    pub closure: [u8; 32],
    /// The proof system whose commitment it is, such as `proofmark:proof:draft-1`.
    pub system: String,
    /// W, the digest of the commitment.
    pub weights: [u8; 32],
    /// Unix seconds at which it was computed, the party's clock.
    pub computed_at: u64,
}

impl WeightsStatement {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.map(5)
            .uint(0)
            .uint(1)
            .uint(1)
            .bytes(&self.closure)
            .uint(2)
            .text(&self.system)
            .uint(3)
            .bytes(&self.weights)
            .uint(4)
            .uint(self.computed_at);
        e.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Self, ReceiptError> {
        let (mut closure, mut system, mut weights, mut computed_at) = (None, None, None, None);
        map_of(payload, |d, key| {
            match key {
                1 => closure = Some(d.array_of()?),
                2 => system = Some(d.text()?.to_string()),
                3 => weights = Some(d.array_of()?),
                4 => computed_at = Some(d.uint()?),
                _ => return Err(d.malformed("a member of a weights statement")),
            }
            Ok(())
        })?;
        let missing = || ReceiptError::Malformed {
            expected: "all members of a weights statement",
            at: payload.len(),
        };
        Ok(Self {
            closure: closure.ok_or_else(missing)?,
            system: system.ok_or_else(missing)?,
            weights: weights.ok_or_else(missing)?,
            computed_at: computed_at.ok_or_else(missing)?,
        })
    }
}

/// A weights statement signed by a node key of the party that computed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedWeights {
    bytes: Vec<u8>,
    sign1: cose::Sign1,
    statement: WeightsStatement,
}

impl SignedWeights {
    /// Signs `statement` with a node key.
    pub fn sign(statement: &WeightsStatement, node: &SigningKey) -> Result<Self, ReceiptError> {
        Self::decode(&cose::sign(Typ::Weights, node, statement.encode()).0)
    }

    /// Decodes it; the signature is **not** verified.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > STATEMENT_MAX_BYTES {
            return Err(ReceiptError::TooLarge {
                what: "bytes of a weights statement",
                limit: STATEMENT_MAX_BYTES,
                got: bytes.len(),
            }
            .in_weights());
        }
        let sign1 = cose::decode(bytes, Typ::Weights).map_err(ReceiptError::in_weights)?;
        let statement =
            WeightsStatement::decode(&sign1.payload).map_err(ReceiptError::in_weights)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            sign1,
            statement,
        })
    }

    /// The statement, if `node` signed it.
    pub fn verify(&self, node: &PublicKey) -> Result<&WeightsStatement, ReceiptError> {
        self.sign1.verify(node).map_err(ReceiptError::in_weights)?;
        Ok(&self.statement)
    }

    /// What it says, believed or not.
    pub fn unverified(&self) -> &WeightsStatement {
        &self.statement
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

/// A weights statement with what is needed to check it: a file of its own, and a part of proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VouchedWeights {
    /// What the party says.
    pub statement: SignedWeights,
    /// Bytes of the key statement that endorses the key which signed it.
    pub key_statement: Vec<u8>,
}

impl VouchedWeights {
    pub(crate) fn put(&self, e: &mut Encoder) {
        e.array(2)
            .bytes(self.statement.as_bytes())
            .bytes(&self.key_statement);
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        d.array_exact(2)?;
        Ok(Self {
            statement: SignedWeights::decode(d.bytes()?)?,
            key_statement: d.bytes()?.to_vec(),
        })
    }

    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        self.put(&mut e);
        e.into_bytes()
    }

    /// Decodes a file; no signature is verified.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let mut d = Decoder::new(bytes);
        Self::read(&mut d)
            .and_then(|vouched| d.finish().map(|()| vouched))
            .map_err(ReceiptError::in_weights)
    }
}
