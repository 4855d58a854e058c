//! Evidence and countersignatures beside the signed bytes (specs/01-receipt.md §7, §10.4).

use proofmark_receipt::{Bundle, Evidence, EvidenceState, KeyStatement, SignedReceipt};

use super::{Cause, not_claimed};
use crate::report::{Row, RowName};

/// One row per piece of evidence.
pub(crate) fn check_evidence(bundle: &Bundle, receipt: &SignedReceipt) -> Vec<Row> {
    bundle
        .evidence
        .iter()
        .map(|evidence| evidence_row(evidence, receipt))
        .collect()
}

fn evidence_row(evidence: &Evidence, receipt: &SignedReceipt) -> Row {
    if evidence.receipt != receipt.claims().id || evidence.claims != receipt.digest() {
        return Cause::rejected(
            "receipt.evidence.other-receipt",
            "evidence about another receipt",
        )
        .into_row(RowName::Evidence);
    }
    if let Some(data) = &evidence.data
        && evidence.digest != Some(Evidence::digest_of(data))
    {
        return Cause::rejected(
            "receipt.evidence.digest-mismatch",
            "the evidence is not what its digest says",
        )
        .into_row(RowName::Evidence);
    }
    match evidence.state {
        EvidenceState::Pending => not_claimed(
            RowName::Evidence,
            format!("{}: promised, not there yet", evidence.kind),
        ),
        EvidenceState::Attached => Cause::unavailable(
            "receipt.evidence.unknown-type",
            format!("{}: this version can't check it", evidence.kind),
        )
        .into_row(RowName::Evidence),
    }
}

/// One row per countersignature, and one per mandatory suite that is missing.
pub(crate) fn check_countersignatures(bundle: &Bundle, statement: &KeyStatement) -> Vec<Row> {
    let unsupported = bundle.countersignatures.iter().map(|countersignature| {
        Cause::unavailable(
            "receipt.countersignature.unsupported-suite",
            format!(
                "{}: this version can't check it",
                countersignature.suite.name()
            ),
        )
        .into_row(RowName::Countersignature)
    });
    let missing = statement
        .mandatory_suites
        .iter()
        .filter(|suite| {
            !bundle
                .countersignatures
                .iter()
                .any(|countersignature| countersignature.suite == **suite)
        })
        .map(|suite| {
            Cause::rejected(
                "receipt.countersignature.missing",
                format!(
                    "the key statement demands a countersignature with {}",
                    suite.name()
                ),
            )
            .into_row(RowName::Countersignature)
        });
    unsupported.chain(missing).collect()
}
