//! The executor's word for a whole trace (specs/08-referee.md §3).

use alloc::vec::Vec;

use proofmark_receipt::cbor::{Decoder, Encoder, MapReader};
use proofmark_receipt::{ClaimsDigest, KeyId, PublicKey, ReceiptId, SignedObject, SigningKey, Typ};
use proofmark_tlog::Hash;

use crate::RefereeError;
use crate::error::malformed;

/// Longest statement in bytes.
pub const MAX_STATEMENT_BYTES: usize = 1024;

/// What an executor says of one choice of one receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStatement {
    /// The receipt.
    pub receipt: ReceiptId,
    /// Its claims.
    pub claims: ClaimsDigest,
    /// The closure that was executed.
    pub closure: [u8; 32],
    /// Index of the choice.
    pub choice: u32,
    /// Positions of the trace.
    pub positions: u64,
    /// The trace root.
    pub root: Hash,
}

/// Goes to the value of the next member, which is this one.
fn member<'d>(
    d: &mut Decoder<'d>,
    map: &mut MapReader<'d>,
    wanted: i64,
) -> Result<(), RefereeError> {
    if d.next_key(map)? == Some(wanted) {
        return Ok(());
    }
    Err(malformed("all members of a trace statement"))
}

impl TraceStatement {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.map(7).uint(0).uint(1);
        e.uint(1).bytes(self.receipt.as_bytes());
        e.uint(2).bytes(self.claims.as_bytes());
        e.uint(3).bytes(&self.closure);
        e.uint(4).uint(self.choice.into());
        e.uint(5).uint(self.positions);
        e.uint(6).bytes(self.root.as_bytes());
        e.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Self, RefereeError> {
        let mut d = Decoder::new(payload);
        let mut map = d.map()?;
        member(&mut d, &mut map, 0)?;
        if d.uint()? != 1 {
            return Err(malformed("version 1 of a trace statement"));
        }
        member(&mut d, &mut map, 1)?;
        let receipt = ReceiptId::from_bytes(d.array_of()?)?;
        member(&mut d, &mut map, 2)?;
        let claims = ClaimsDigest(d.array_of()?);
        member(&mut d, &mut map, 3)?;
        let closure = d.array_of()?;
        member(&mut d, &mut map, 4)?;
        let choice = d.u32()?;
        member(&mut d, &mut map, 5)?;
        let positions = d.uint()?;
        member(&mut d, &mut map, 6)?;
        let root = Hash::from_bytes(d.array_of()?);
        if d.next_key(&mut map)?.is_some() {
            return Err(malformed("a member of a trace statement"));
        }
        d.finish()?;
        Ok(Self {
            receipt,
            claims,
            closure,
            choice,
            positions,
            root,
        })
    }
}

/// A trace statement signed by the key of its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTrace {
    object: SignedObject,
    statement: TraceStatement,
}

impl SignedTrace {
    /// Signs `statement`.
    pub fn sign(statement: &TraceStatement, key: &SigningKey) -> Self {
        Self {
            object: SignedObject::sign(Typ::Trace, statement.encode(), key),
            statement: statement.clone(),
        }
    }

    /// Decodes it; the signature is **not** verified.
    ///
    /// # Errors
    /// [`RefereeError::Receipt`] or [`RefereeError::Malformed`] for bytes of another shape.
    pub fn decode(bytes: &[u8]) -> Result<Self, RefereeError> {
        let object = SignedObject::decode(Typ::Trace, bytes, MAX_STATEMENT_BYTES)?;
        let statement = TraceStatement::decode(object.unverified())?;
        Ok(Self { object, statement })
    }

    /// The statement, if `key` signed it.
    ///
    /// # Errors
    /// [`RefereeError::Statement`].
    pub fn verify(&self, key: &PublicKey) -> Result<&TraceStatement, RefereeError> {
        let what = "it is not signed by the receipt's key";
        let verified = self.object.verify(key);
        verified.map_err(|_| RefereeError::Statement { what })?;
        Ok(&self.statement)
    }

    /// The key that it names.
    pub fn kid(&self) -> KeyId {
        self.object.kid()
    }

    /// The signed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.object.as_bytes()
    }
}
