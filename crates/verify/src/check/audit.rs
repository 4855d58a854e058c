//! Audit statements: a population that the receipt is in, and what an auditor found in it (specs/06-confidence.md §9).

use proofmark_receipt::{
    AUDIT_EVIDENCE, AuditEvidence, AuditStatement, Evidence, EvidenceState, KeyStatement,
    SignedKeyStatement,
};

use super::{Cause, IssuerChecked, accepted, vouched};
use crate::Roots;
use crate::established::AuditedPopulation;
use crate::report::{Row, RowName};

/// Whether this evidence is an audit statement that is there.
pub(crate) fn is_audit(evidence: &Evidence) -> bool {
    evidence.kind == AUDIT_EVIDENCE
        && evidence.state == EvidenceState::Attached
        && evidence.data.is_some()
}

/// Row about one audit statement, and the population if a rooted auditor that is not the issuer vouches for it. `index` is
/// where the receipt stands in its log, as far as that was shown.
pub(crate) fn check_audit(
    data: &[u8],
    issuer: Option<&IssuerChecked>,
    index: Option<u64>,
    roots: &Roots,
    now: u64,
) -> (Row, Option<AuditedPopulation>) {
    match audit(data, issuer, index, roots, now) {
        Ok(population) => (
            accepted(RowName::Audited, tell(&population)),
            Some(population),
        ),
        Err(cause) => (cause.into_row(RowName::Audited), None),
    }
}

fn tell(population: &AuditedPopulation) -> String {
    let statement = &population.statement;
    format!(
        "one of {} auditable answers, of which {:?} re-executed {}, drawn by {}: {} findings; {} more without permission",
        statement.auditable,
        population.auditor,
        statement.audited,
        drawn_by(statement.beacon),
        statement.findings,
        statement.without_permission
    )
}

/// What the draw rests on: nothing of a beacon is checked here but that the auditor names it.
fn drawn_by((kind, number, _): (u64, u64, [u8; 32])) -> String {
    match (kind, number) {
        (1, round) => format!("drand round {round} as the auditor says it was"),
        (2, height) => format!("the hash of block {height} as the auditor says it was"),
        (_, 0) => "secrets of auditors, of whom one has to be honest".into(),
        (_, withheld) => format!("nobody: {withheld} secrets were withheld, so all were"),
    }
}

fn audit(
    data: &[u8],
    issuer: Option<&IssuerChecked>,
    index: Option<u64>,
    roots: &Roots,
    now: u64,
) -> Result<AuditedPopulation, Cause> {
    let evidence = AuditEvidence::decode(data)?;
    let key_statement = SignedKeyStatement::decode(&evidence.key_statement)?;
    let kid = key_statement.operator_kid();
    let Some((auditor, operator_key)) = roots.replayer(&kid) else {
        return Err(Cause::unavailable(
            "receipt.audit.unknown-auditor",
            format!("audited by somebody who is not among your replayers (operator key {kid})"),
        ));
    };
    let Some(IssuerChecked {
        rooted: Ok((rooted, issuer_key)),
        statement: issuer_statement,
        ..
    }) = issuer
    else {
        return Err(Cause::unavailable(
            "receipt.audit.position-unknown",
            "audited, but who issued the receipt is not known",
        ));
    };
    if issuer_key.kid() == kid || rooted.operator() == auditor.name {
        return Err(Cause::unavailable(
            "receipt.audit.same-operator",
            "audited by the issuer's own operator, which shows nothing more than its signature",
        ));
    }
    let said = key_statement.verify(&operator_key)?;
    let statement = vouched::check(&evidence, said, now)?;
    check_population(statement, issuer_statement, index)?;
    Ok(AuditedPopulation {
        auditor: auditor.name.clone(),
        statement: statement.clone(),
    })
}

/// That the receipt is in the population that the statement speaks of.
fn check_population(
    statement: &AuditStatement,
    issuer: &KeyStatement,
    index: Option<u64>,
) -> Result<(), Cause> {
    let Some(index) = index else {
        return Err(Cause::unavailable(
            "receipt.audit.position-unknown",
            "audited, but where the receipt stands in its log was not shown",
        ));
    };
    if statement.log != issuer.receipts_log || !(statement.from..statement.to).contains(&index) {
        return Err(Cause::rejected(
            "receipt.audit.other-population",
            "the audit is of a population that the receipt is not in",
        ));
    }
    Ok(())
}
