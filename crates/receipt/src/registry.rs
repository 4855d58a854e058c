//! Leaves of the registry log: the statements that an operator published, in order (specs/01-receipt.md §8.5).

use alloc::string::String;
use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::{
    ReceiptError, SignedKeyStatement, SignedOperatorStatement, SignedRevocation, SignedWeights,
};

const MAGIC: &str = "proofmark/registry/1";

/// What a registry leaf holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryKind {
    /// A signed operator statement.
    Operator,
    /// A signed key statement.
    KeyStatement,
    /// A signed revocation.
    Revocation,
    /// A signed weights statement.
    Weights,
    /// A kind of a later version; skipped.
    Other(String),
}

/// One leaf of a registry log (§8.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryLeaf {
    /// What it holds.
    pub kind: RegistryKind,
    /// The signed statement.
    pub statement: Vec<u8>,
}

impl RegistryLeaf {
    /// The leaf of an operator statement.
    pub fn operator(statement: &SignedOperatorStatement) -> Self {
        Self {
            kind: RegistryKind::Operator,
            statement: statement.as_bytes().to_vec(),
        }
    }

    /// The leaf of a key statement.
    pub fn key_statement(statement: &SignedKeyStatement) -> Self {
        Self {
            kind: RegistryKind::KeyStatement,
            statement: statement.as_bytes().to_vec(),
        }
    }

    /// The leaf of a revocation.
    pub fn revocation(revocation: &SignedRevocation) -> Self {
        Self {
            kind: RegistryKind::Revocation,
            statement: revocation.as_bytes().to_vec(),
        }
    }

    /// The leaf of a weights statement.
    pub fn weights(statement: &SignedWeights) -> Self {
        Self {
            kind: RegistryKind::Weights,
            statement: statement.as_bytes().to_vec(),
        }
    }

    /// The leaf's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match &self.kind {
            RegistryKind::Operator => "operator",
            RegistryKind::KeyStatement => "key-statement",
            RegistryKind::Revocation => "revocation",
            RegistryKind::Weights => "weights",
            RegistryKind::Other(kind) => kind,
        };
        let mut e = Encoder::new();
        e.array(3).text(MAGIC).text(kind).bytes(&self.statement);
        e.into_bytes()
    }

    /// Decodes a leaf. Whether its statement is signed, and by whom, is not checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        Self::read(bytes).map_err(ReceiptError::in_revocation)
    }

    fn read(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let mut d = Decoder::new(bytes);
        d.array_exact(3)?;
        let magic = d.text()?;
        if magic != MAGIC {
            return Err(ReceiptError::VersionUnknown { got: magic.into() });
        }
        let kind = match d.text()? {
            "operator" => RegistryKind::Operator,
            "key-statement" => RegistryKind::KeyStatement,
            "revocation" => RegistryKind::Revocation,
            "weights" => RegistryKind::Weights,
            other => RegistryKind::Other(other.into()),
        };
        let statement = d.bytes()?.to_vec();
        d.finish()?;
        Ok(Self { kind, statement })
    }
}
