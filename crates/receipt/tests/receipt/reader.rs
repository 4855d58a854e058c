//! The checks of this crate in the order in which a verifier makes them.

use proofmark_receipt::{
    Bundle, ErrorKind, EvidenceState, PublicKey, ReceiptError, ReceiptLeaf, RegistryLeaf,
    SignedKeyStatement, SignedOperatorStatement, SignedReceipt, SignedRevocation, Snapshot, Suite,
};

use crate::case::{Expected, Format};

/// Keys that the reader was given.
pub(crate) struct Keys {
    pub(crate) node: PublicKey,
    pub(crate) operator: PublicKey,
}

fn of_error(error: &ReceiptError) -> Expected {
    match error.kind() {
        ErrorKind::Rejected => Expected::Rejected(error.code()),
        ErrorKind::Unavailable => Expected::CouldNotCheck(error.code()),
    }
}

/// What this crate says about `bytes`.
pub(crate) fn read(format: Format, bytes: &[u8], keys: &Keys) -> Expected {
    let result = match format {
        Format::Bundle => read_bundle(bytes, keys),
        Format::KeyStatement => SignedKeyStatement::decode(bytes)
            .and_then(|signed| signed.verify(&keys.operator).map(|_| Expected::Accepted)),
        Format::OperatorStatement => SignedOperatorStatement::decode(bytes)
            .and_then(|signed| signed.verify(&keys.operator).map(|_| Expected::Accepted)),
        Format::Revocation => SignedRevocation::decode(bytes)
            .and_then(|signed| signed.verify(&keys.operator).map(|_| Expected::Accepted)),
        Format::RegistryLeaf => RegistryLeaf::decode(bytes).map(|_| Expected::Accepted),
        Format::Snapshot => Snapshot::decode(bytes).map(|_| Expected::Accepted),
        Format::LogLeaf => ReceiptLeaf::decode(bytes).map(|_| Expected::Accepted),
    };
    result.unwrap_or_else(|error| of_error(&error))
}

fn read_bundle(bytes: &[u8], keys: &Keys) -> Result<Expected, ReceiptError> {
    let bundle = Bundle::decode(bytes)?;
    let receipt = SignedReceipt::decode(&bundle.receipt)?;
    receipt.verify_signature(&keys.node)?;
    if let Some(statement) = &bundle.key_statement {
        SignedKeyStatement::decode(statement)?.verify(&keys.operator)?;
    }
    let claims = receipt.claims();
    for disclosure in &bundle.disclosures {
        disclosure.check(claims)?;
    }
    for evidence in &bundle.evidence {
        evidence.check(&claims.id, &receipt.digest())?;
    }
    let is_unknown = |code| Ok(Expected::CouldNotCheck(code));
    if claims.unknown_critical().is_some() {
        return is_unknown("receipt.claim.unknown-critical");
    }
    if bundle
        .evidence
        .iter()
        .any(|e| e.state == EvidenceState::Attached)
    {
        return is_unknown("receipt.evidence.unknown-type");
    }
    if bundle
        .countersignatures
        .iter()
        .any(|c| c.suite != Suite::Ed25519)
    {
        return is_unknown("receipt.countersignature.unsupported-suite");
    }
    Ok(Expected::Accepted)
}
