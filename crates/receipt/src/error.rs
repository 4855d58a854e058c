//! What can be wrong with a receipt, each with its stable code (specs/01-receipt.md §12).

use alloc::string::String;

use crate::EvidenceDigest;

/// Whose problem an error is: the three kinds that no tool may fold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes were read and a check failed, or they are not of the format at all.
    Rejected,
    /// This version, or this reader, is not able to check it.
    Unavailable,
}

/// Why a receipt, statement or bundle was not accepted by this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The bytes are damaged, or were written by something that does not follow §1.
    #[error("not canonical CBOR of this shape: expected {expected} at byte {at}")]
    Malformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset in the decoded structure.
        at: usize,
    },
    /// A bound of §1.3 is exceeded: a writer's fault, or an attack.
    #[error("{got} {what}, more than the allowed {limit}")]
    TooLarge {
        /// What was counted, such as `bytes of a receipt`.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// The number found.
        got: usize,
    },
    /// Written by a later version: update the verifier.
    #[error("version {got:?} is not known to this version")]
    VersionUnknown {
        /// The profile or magic found.
        got: String,
    },
    /// A mandatory claim is absent: the issuer's fault.
    #[error("the mandatory claim at position {position} is missing")]
    ClaimMissing {
        /// Position of §4.2.
        position: u8,
    },
    /// The issuer signed a claim as somebody's word whose word it can't be.
    #[error("provenance {got} is not allowed for the claim at position {position}")]
    Provenance {
        /// Position of §4.2.
        position: u8,
        /// The provenance found.
        got: u64,
    },
    /// The issuer contradicts itself.
    #[error("claims contradict each other: {what}")]
    Inconsistent {
        /// Which rule of §4.3.
        what: &'static str,
    },
    /// Signed with an algorithm that this version does not check.
    #[error("algorithm {alg} is not supported by this version")]
    AlgorithmUnsupported {
        /// The COSE algorithm id.
        alg: i64,
    },
    /// Names a suite that is not in the table of §2.2: written by a later version.
    #[error("suite {suite} is not known to this version")]
    SuiteUnknown {
        /// The suite's id.
        suite: u64,
    },
    /// Changed after it was signed, or signed by another key.
    #[error("the signature is not valid for this key")]
    SignatureInvalid,
    /// The header names another key than the claims or the key given.
    #[error("the key id in the header is not that of the key")]
    KidMismatch,
    /// A key statement or operator statement that was not signed by the operator key that it names.
    #[error("the statement is not signed by the operator key")]
    StatementSignatureInvalid,
    /// A key statement or operator statement of another shape.
    #[error("malformed statement: expected {expected} at byte {at}")]
    StatementMalformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset.
        at: usize,
    },
    /// A revocation that was not signed by the operator key that it names.
    #[error("the revocation is not signed by the operator key")]
    RevocationSignatureInvalid,
    /// A revocation, registry leaf or registry snapshot of another shape.
    #[error("malformed revocation, registry leaf or snapshot: expected {expected} at byte {at}")]
    RevocationMalformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset.
        at: usize,
    },
    /// A disclosed value does not open its commitment: somebody edited it.
    #[error("the disclosed value does not open the commitment in scope {scope}")]
    DisclosureMismatch {
        /// The scope of §5.3.
        scope: String,
    },
    /// A disclosure of a scope that this version or the receipt does not have.
    #[error("malformed disclosure: {what}")]
    DisclosureMalformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Evidence about another receipt, or about other claims: it says nothing here.
    #[error("the evidence is bound to another receipt")]
    EvidenceOtherReceipt,
    /// A replay verdict of another shape.
    #[error("malformed replay verdict: expected {expected} at byte {at}")]
    ReplayMalformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset.
        at: usize,
    },
    /// A replay verdict that was not signed by the node key that it names.
    #[error("the replay verdict is not signed by the node key")]
    ReplaySignatureInvalid,
    /// Audit statement not of its shape.
    #[error("not an audit statement: expected {expected} at byte {at}")]
    AuditMalformed {
        /// What was expected.
        expected: &'static str,
        /// Offset in bytes.
        at: usize,
    },
    /// Audit statement not signed by the key that it names.
    #[error("the audit statement is not signed by the auditor")]
    AuditSignatureInvalid,
    /// Proof evidence of another shape.
    #[error("malformed proof of inference: expected {expected} at byte {at}")]
    ProofMalformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset.
        at: usize,
    },
    /// A weights statement of another shape.
    #[error("malformed weights statement: expected {expected} at byte {at}")]
    WeightsMalformed {
        /// What the format has at that place.
        expected: &'static str,
        /// Offset.
        at: usize,
    },
    /// A weights statement that was not signed by the node key that it names.
    #[error("the weights statement is not signed by the node key")]
    WeightsSignatureInvalid,
    /// Evidence whose data was exchanged.
    #[error("the evidence data has the digest {got}, expected {expected}")]
    EvidenceDigestMismatch {
        /// The digest in the evidence.
        expected: EvidenceDigest,
        /// Digest of the data.
        got: EvidenceDigest,
    },
}

impl ReceiptError {
    /// The stable code of specs/01-receipt.md §12.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "receipt.malformed",
            Self::TooLarge { .. } => "receipt.too-large",
            Self::VersionUnknown { .. } => "receipt.version-unknown",
            Self::ClaimMissing { .. } => "receipt.claim.missing",
            Self::Provenance { .. } => "receipt.claim.provenance",
            Self::Inconsistent { .. } => "receipt.claim.inconsistent",
            Self::AlgorithmUnsupported { .. } | Self::SuiteUnknown { .. } => {
                "receipt.algorithm.unsupported"
            }
            Self::SignatureInvalid => "receipt.signature.invalid",
            Self::KidMismatch => "receipt.signature.kid-mismatch",
            Self::StatementSignatureInvalid => "receipt.statement.signature-invalid",
            Self::StatementMalformed { .. } => "receipt.statement.malformed",
            Self::RevocationSignatureInvalid | Self::RevocationMalformed { .. } => {
                "receipt.revocation.malformed"
            }
            Self::DisclosureMismatch { .. } => "receipt.disclosure.mismatch",
            Self::DisclosureMalformed { .. } => "receipt.disclosure.malformed",
            Self::EvidenceOtherReceipt => "receipt.evidence.other-receipt",
            Self::ReplayMalformed { .. } => "receipt.replay.malformed",
            Self::ReplaySignatureInvalid => "receipt.replay.signature-invalid",
            Self::AuditMalformed { .. } => "receipt.audit.malformed",
            Self::AuditSignatureInvalid => "receipt.audit.signature-invalid",
            Self::ProofMalformed { .. } => "receipt.proof.malformed",
            Self::WeightsMalformed { .. } => "receipt.weights.malformed",
            Self::WeightsSignatureInvalid => "receipt.weights.signature-invalid",
            Self::EvidenceDigestMismatch { .. } => "receipt.evidence.digest-mismatch",
        }
    }

    /// Whether a check failed, or could not be made.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::VersionUnknown { .. }
            | Self::AlgorithmUnsupported { .. }
            | Self::SuiteUnknown { .. } => ErrorKind::Unavailable,
            _ => ErrorKind::Rejected,
        }
    }

    /// The same fault, found inside a key statement or operator statement.
    pub(crate) fn in_statement(self) -> Self {
        match self {
            Self::Malformed { expected, at } => Self::StatementMalformed { expected, at },
            Self::SignatureInvalid | Self::KidMismatch => Self::StatementSignatureInvalid,
            other => other,
        }
    }

    /// The same fault, found inside a replay verdict.
    pub(crate) fn in_replay(self) -> Self {
        match self {
            Self::Malformed { expected, at } => Self::ReplayMalformed { expected, at },
            Self::TooLarge { what, got, .. } => Self::ReplayMalformed {
                expected: what,
                at: got,
            },
            Self::SignatureInvalid | Self::KidMismatch => Self::ReplaySignatureInvalid,
            other => other,
        }
    }

    /// The same fault, found inside an audit statement.
    pub(crate) fn in_audit(self) -> Self {
        match self {
            Self::Malformed { expected, at } => Self::AuditMalformed { expected, at },
            Self::TooLarge { what, got, .. } => Self::AuditMalformed {
                expected: what,
                at: got,
            },
            Self::SignatureInvalid | Self::KidMismatch => Self::AuditSignatureInvalid,
            other => other,
        }
    }

    /// The same fault, found inside proof evidence.
    pub(crate) fn in_proof(self) -> Self {
        match self {
            Self::Malformed { expected, at } => Self::ProofMalformed { expected, at },
            Self::TooLarge { what, got, .. } => Self::ProofMalformed {
                expected: what,
                at: got,
            },
            other => other,
        }
    }

    /// The same fault, found inside a weights statement.
    pub(crate) fn in_weights(self) -> Self {
        match self {
            Self::Malformed { expected, at } => Self::WeightsMalformed { expected, at },
            Self::TooLarge { what, got, .. } => Self::WeightsMalformed {
                expected: what,
                at: got,
            },
            Self::SignatureInvalid | Self::KidMismatch => Self::WeightsSignatureInvalid,
            other => other,
        }
    }

    /// The same fault, found inside a revocation, registry leaf or snapshot.
    pub(crate) fn in_revocation(self) -> Self {
        match self {
            Self::Malformed { expected, at } => Self::RevocationMalformed { expected, at },
            Self::SignatureInvalid | Self::KidMismatch => Self::RevocationSignatureInvalid,
            other => other,
        }
    }
}
