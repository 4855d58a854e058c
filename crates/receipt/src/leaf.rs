//! The receipts log's leaf: 36 bytes that define populations without telling anything of the content (§9).

use crate::{Audit, Claims, ClaimsDigest, Execution, ReceiptError};

/// What a logged receipt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafKind {
    /// Forwarded to somebody else's API.
    Relayed,
    /// Executed by the signer.
    Executed,
}

/// One leaf of a receipts log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptLeaf {
    /// Relayed or executed.
    pub kind: LeafKind,
    /// Value class, 0 unstated.
    pub value_class: u8,
    /// Audit permission.
    pub audit: Option<Audit>,
    /// Digest of the receipt's claims.
    pub claims: ClaimsDigest,
}

impl ReceiptLeaf {
    /// The leaf that follows from `claims`.
    pub fn of(claims: &Claims) -> Self {
        Self {
            kind: match claims.execution {
                Execution::Relayed { .. } => LeafKind::Relayed,
                Execution::Executed(_) => LeafKind::Executed,
            },
            value_class: claims.log.value_class,
            audit: claims.audit.map(|(_, audit)| audit),
            claims: claims.digest(),
        }
    }

    /// The 36 bytes.
    pub fn encode(&self) -> [u8; 36] {
        let kind = match self.kind {
            LeafKind::Relayed => 1,
            LeafKind::Executed => 2,
        };
        let audit = match self.audit {
            None => 0,
            Some(Audit::Given) => 1,
            Some(Audit::Refused) => 2,
        };
        let mut bytes = [0_u8; 36];
        let (head, digest) = bytes.split_at_mut(4);
        head.copy_from_slice(&[1, kind, self.value_class, audit]);
        digest.copy_from_slice(self.claims.as_bytes());
        bytes
    }

    /// Decodes a leaf.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let malformed = |at| ReceiptError::Malformed {
            expected: "a leaf of a receipts log",
            at,
        };
        let (head, digest) = bytes.split_at_checked(4).ok_or(malformed(0))?;
        let claims = ClaimsDigest(digest.try_into().map_err(|_| malformed(4))?);
        let [1, kind, value_class, audit] = *head else {
            return Err(malformed(0));
        };
        let kind = match kind {
            1 => LeafKind::Relayed,
            2 => LeafKind::Executed,
            _ => return Err(malformed(1)),
        };
        let audit = match audit {
            0 => None,
            1 => Some(Audit::Given),
            2 => Some(Audit::Refused),
            _ => return Err(malformed(3)),
        };
        Ok(Self {
            kind,
            value_class,
            audit,
            claims,
        })
    }
}
