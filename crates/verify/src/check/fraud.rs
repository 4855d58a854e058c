//! Fraud proofs: one step of the issuer's own signed trace that is wrong (specs/08-referee.md §4.4).

use proofmark_receipt::{Evidence, EvidenceState, SignedReceipt};
use proofmark_referee::{FRAUD_EVIDENCE, FraudProof};

use super::{Cause, IssuerChecked};
use crate::report::{Row, RowName};

/// Whether this evidence is a fraud proof that is there.
pub(crate) fn is_fraud(evidence: &Evidence) -> bool {
    evidence.kind == FRAUD_EVIDENCE
        && evidence.state == EvidenceState::Attached
        && evidence.data.is_some()
}

/// Row about one fraud proof. Whoever attached it, it rejects the receipt if it shows fraud, and takes nothing away if it does not.
pub(crate) fn check_fraud(
    data: &[u8],
    receipt: &SignedReceipt,
    issuer: Option<&IssuerChecked>,
) -> Row {
    let keys = issuer.map(|issuer| issuer.statement.keys.as_slice());
    let key = keys.and_then(|keys| keys.iter().find(|key| key.kid() == receipt.kid()));
    let Some(key) = key else {
        return Cause::unavailable(
            "receipt.issuer.no-statement",
            "a fraud proof, and no key statement for the key that signed",
        )
        .into_row(RowName::Evidence);
    };
    match FraudProof::decode(data).and_then(|proof| proof.judge(receipt, key)) {
        Ok(fraud) => Cause::rejected(
            "receipt.fraud",
            format!("refuted: the program does not give this answer; {fraud}"),
        )
        .into_row(RowName::Reexecuted),
        Err(error) => Cause::unavailable(
            "receipt.fraud.invalid",
            format!("a fraud proof that shows nothing: {error}"),
        )
        .into_row(RowName::Evidence),
    }
}
