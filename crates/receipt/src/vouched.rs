//! Statements of parties about receipts, signed by their node keys: replay verdicts, audit statements, weights statements.

use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::cose::{self, Typ};
use crate::statement::STATEMENT_MAX_BYTES;
use crate::{ClaimsDigest, Evidence, KeyId, PublicKey, ReceiptError, ReceiptId, SigningKey};

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::ReplayVerdict {}
    impl Sealed for crate::AuditStatement {}
    impl Sealed for crate::WeightsStatement {}
}

/// What a node key can sign about the doings of others.
pub trait PartyStatement: sealed::Sealed + Sized {
    /// The type of the signed object.
    #[doc(hidden)]
    const TYP: Typ;
    /// What the limit of its bytes is called.
    #[doc(hidden)]
    const BYTES: &'static str;
    /// Places an error in this kind of statement.
    #[doc(hidden)]
    fn fault(error: ReceiptError) -> ReceiptError;
    /// The payload.
    #[doc(hidden)]
    fn encode(&self) -> Vec<u8>;
    /// Reads a payload.
    #[doc(hidden)]
    fn decode(payload: &[u8]) -> Result<Self, ReceiptError>;
}

/// A statement signed by a node key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<S> {
    bytes: Vec<u8>,
    sign1: cose::Sign1,
    statement: S,
}

impl<S: PartyStatement> Signed<S> {
    /// Signs `statement` with a node key; what does not decode is not signed.
    pub fn sign(statement: &S, node: &SigningKey) -> Result<Self, ReceiptError> {
        Self::decode(&cose::sign(S::TYP, node, statement.encode()).0)
    }

    /// Decodes it; the signature is **not** verified.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > STATEMENT_MAX_BYTES {
            return Err(S::fault(ReceiptError::TooLarge {
                what: S::BYTES,
                limit: STATEMENT_MAX_BYTES,
                got: bytes.len(),
            }));
        }
        let sign1 = cose::decode(bytes, S::TYP).map_err(S::fault)?;
        let statement = S::decode(&sign1.payload).map_err(S::fault)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            sign1,
            statement,
        })
    }

    /// The statement, if `node` signed it.
    pub fn verify(&self, node: &PublicKey) -> Result<&S, ReceiptError> {
        self.sign1.verify(node).map_err(S::fault)?;
        Ok(&self.statement)
    }

    /// What it says, believed or not.
    pub fn unverified(&self) -> &S {
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

/// A signed statement with the key statement that endorses the key: the data of a piece of evidence, or a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched<S> {
    /// What the party says.
    pub signed: Signed<S>,
    /// Bytes of the key statement that endorses the key which signed it.
    pub key_statement: Vec<u8>,
}

impl<S: PartyStatement> Vouched<S> {
    pub(crate) fn put(&self, e: &mut Encoder) {
        e.array(2)
            .bytes(self.signed.as_bytes())
            .bytes(&self.key_statement);
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        d.array_exact(2)?;
        Ok(Self {
            signed: Signed::decode(d.bytes()?)?,
            key_statement: d.bytes()?.to_vec(),
        })
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        self.put(&mut e);
        e.into_bytes()
    }

    /// Decodes it; no signature is verified.
    pub fn decode(data: &[u8]) -> Result<Self, ReceiptError> {
        let mut d = Decoder::new(data);
        Self::read(&mut d)
            .and_then(|vouched| d.finish().map(|()| vouched))
            .map_err(S::fault)
    }

    /// This as evidence of a type about a receipt.
    pub(crate) fn evidence(
        &self,
        kind: &str,
        receipt: ReceiptId,
        claims: ClaimsDigest,
    ) -> Evidence {
        let by = Some(self.signed.kid());
        Evidence::attached(kind, receipt, claims, by, self.encode())
    }
}
