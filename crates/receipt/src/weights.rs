//! Statements about a model's weights: what a named party computed from them (specs/01-receipt.md §8.7).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::ReceiptError;
use crate::cbor::Encoder;
use crate::cose::Typ;
use crate::statement::map_of;
use crate::vouched::{PartyStatement, Signed, Vouched};

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

impl PartyStatement for WeightsStatement {
    const TYP: Typ = Typ::Weights;
    const BYTES: &'static str = "bytes of a weights statement";

    fn fault(error: ReceiptError) -> ReceiptError {
        error.in_weights()
    }

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
pub type SignedWeights = Signed<WeightsStatement>;

/// A weights statement with what is needed to check it: a file of its own, and a part of proofs.
pub type VouchedWeights = Vouched<WeightsStatement>;
