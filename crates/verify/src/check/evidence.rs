//! Evidence and countersignatures beside the signed bytes (specs/01-receipt.md §7, §10.4).

use proofmark_receipt::{Bundle, Evidence, EvidenceState, KeyStatement, SignedReceipt};

use super::{
    Cause, IssuerChecked, ProofContext, check_audit, check_fraud, check_proof, check_replay,
    is_audit, is_fraud, is_proof, is_replay, not_claimed,
};
use crate::established::{AuditedPopulation, ProvenInference};
use crate::report::{Row, RowName};
use crate::{KnownModel, Roots};

/// The rows of all evidence.
pub(crate) struct EvidenceFound {
    pub(crate) rows: Vec<Row>,
    /// Names of the rooted replayers, other than the issuer, who confirm the receipt.
    pub(crate) replayers: Vec<String>,
    /// Populations that the receipt is in, of which a rooted auditor says something.
    pub(crate) audits: Vec<AuditedPopulation>,
    /// Proofs that hold.
    pub(crate) proofs: Vec<ProvenInference>,
}

/// One row per piece of evidence. `index` is where the receipt stands in its log, as far as that was shown.
pub(crate) fn check_evidence(
    bundle: &Bundle,
    receipt: &SignedReceipt,
    issuer: Option<&IssuerChecked>,
    index: Option<u64>,
    model: Option<&KnownModel<'_>>,
    roots: &Roots,
    now: u64,
) -> EvidenceFound {
    let mut found = EvidenceFound {
        rows: Vec::new(),
        replayers: Vec::new(),
        audits: Vec::new(),
        proofs: Vec::new(),
    };
    let context = ProofContext {
        receipt,
        disclosures: &bundle.disclosures,
        issuer,
        model,
        replayed: false,
        roots,
        now,
    };
    // A proof may rely on a replayer for the steps around it.
    let (proofs, others): (Vec<&Evidence>, Vec<&Evidence>) = bundle
        .evidence
        .iter()
        .partition(|evidence| is_proof(evidence));
    for evidence in others.into_iter().chain(proofs) {
        let row = match (check_binding(evidence, receipt), &evidence.data) {
            (Err(cause), _) => cause.into_row(RowName::Evidence),
            (Ok(()), Some(data)) if is_replay(evidence) => {
                let (row, replayer) = check_replay(data, receipt, issuer, roots, now);
                found.replayers.extend(replayer);
                row
            }
            (Ok(()), Some(data)) if is_fraud(evidence) => check_fraud(data, receipt, issuer),
            (Ok(()), Some(data)) if is_audit(evidence) => {
                let (row, population) = check_audit(data, issuer, index, roots, now);
                found.audits.extend(population);
                row
            }
            (Ok(()), Some(data)) if is_proof(evidence) => {
                let replayed = !found.replayers.is_empty();
                let context = ProofContext {
                    replayed,
                    ..context
                };
                let (row, proven) = check_proof(data, context);
                found.proofs.extend(proven);
                row
            }
            (Ok(()), _) => unchecked(evidence),
        };
        found.rows.push(row);
    }
    found
}

/// That the evidence is about this receipt, and is what its digest says.
fn check_binding(evidence: &Evidence, receipt: &SignedReceipt) -> Result<(), Cause> {
    if evidence.receipt != receipt.claims().id || evidence.claims != receipt.digest() {
        return Err(Cause::rejected(
            "receipt.evidence.other-receipt",
            "evidence about another receipt",
        ));
    }
    if let Some(data) = &evidence.data
        && evidence.digest != Some(Evidence::digest_of(data))
    {
        return Err(Cause::rejected(
            "receipt.evidence.digest-mismatch",
            "the evidence is not what its digest says",
        ));
    }
    Ok(())
}

fn unchecked(evidence: &Evidence) -> Row {
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
