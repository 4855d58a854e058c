//! Replay verdicts: who re-executed the program, and what came out (specs/01-receipt.md §7.2, §7.3).

use proofmark_receipt::{
    Claims, Evidence, EvidenceState, Execution, REPLAY_EVIDENCE, ReplayEvidence, ReplayStep,
    ReplayVerdict, SignedKeyStatement, SignedReceipt,
};

use super::{Cause, IssuerChecked, accepted, vouched};
use crate::Roots;
use crate::report::{Row, RowName};

/// Whether this evidence is a replay verdict that is there.
pub(crate) fn is_replay(evidence: &Evidence) -> bool {
    evidence.kind == REPLAY_EVIDENCE
        && evidence.state == EvidenceState::Attached
        && evidence.data.is_some()
}

/// Row about one replay verdict; beside it the name of the rooted replayer, not the issuer's, that confirms the receipt.
pub(crate) fn check_replay(
    data: &[u8],
    receipt: &SignedReceipt,
    issuer: Option<&IssuerChecked>,
    roots: &Roots,
    now: u64,
) -> (Row, Option<String>) {
    match replay(data, receipt, issuer, roots, now) {
        Ok((text, replayer)) => (accepted(RowName::Reexecuted, text), Some(replayer)),
        Err(cause) => (cause.into_row(RowName::Reexecuted), None),
    }
}

fn replay(
    data: &[u8],
    receipt: &SignedReceipt,
    issuer: Option<&IssuerChecked>,
    roots: &Roots,
    now: u64,
) -> Result<(String, String), Cause> {
    let evidence = ReplayEvidence::decode(data)?;
    let statement = SignedKeyStatement::decode(&evidence.key_statement)?;
    check_subject(evidence.signed.unverified(), receipt)?;
    let kid = statement.operator_kid();
    let Some((replayer, operator_key)) = roots.replayer(&kid) else {
        return Err(Cause::unavailable(
            "receipt.replay.unknown-replayer",
            format!("re-executed by somebody who is not among your replayers (operator key {kid})"),
        ));
    };
    if let Some(IssuerChecked {
        rooted: Ok((rooted, issuer_key)),
        ..
    }) = issuer
        && (issuer_key.kid() == kid || rooted.operator() == replayer.name)
    {
        return Err(Cause::unavailable(
            "receipt.replay.same-operator",
            "re-executed by the issuer's own operator, which shows nothing more than its signature",
        ));
    }
    let said = statement.verify(&operator_key)?;
    let verdict = vouched::check(&evidence, said, now)?;
    Ok((judge(verdict, &replayer.name)?, replayer.name.clone()))
}

/// That the verdict is about this receipt and its program.
fn check_subject(verdict: &ReplayVerdict, receipt: &SignedReceipt) -> Result<(), Cause> {
    let claims: &Claims = receipt.claims();
    let Execution::Executed(executed) = &claims.execution else {
        return Err(Cause::rejected(
            "receipt.replay.not-executed",
            "a replay of an answer that was relayed: there is no program to re-execute",
        ));
    };
    if verdict.receipt != claims.id
        || verdict.claims != receipt.digest()
        || verdict.closure != executed.closure
    {
        return Err(Cause::rejected(
            "receipt.replay.mismatch",
            "the replay is of another receipt, or of another program",
        ));
    }
    Ok(())
}

fn judge(verdict: &ReplayVerdict, by: &str) -> Result<String, Cause> {
    let steps = [
        (
            verdict.rendered,
            "the request does not render to the prompt that was executed",
        ),
        (
            verdict.tokenized,
            "the prompt does not tokenize to the ids that were executed",
        ),
        (verdict.executed, "the program gives another output"),
        (
            verdict.detokenized,
            "the output ids are not the answer's text",
        ),
    ];
    if let Some((_, why)) = steps.iter().find(|(step, _)| *step == ReplayStep::Differs) {
        let place = verdict.difference.map_or_else(String::new, |d| {
            format!(
                ": choice {}, output id {}: {} instead of {}",
                d.choice, d.position, d.expected, d.got
            )
        });
        return Err(Cause::rejected(
            "receipt.replay.differs",
            format!("re-executed by {by:?}, and {why}{place}"),
        ));
    }
    if !verdict.confirms() {
        return Err(Cause::unavailable(
            "receipt.replay.partial",
            format!("re-executed by {by:?}, but not from the request to the text"),
        ));
    }
    Ok(format!(
        "by replayer {by:?}: the same {} outputs, from the request to the text",
        verdict.compared
    ))
}
