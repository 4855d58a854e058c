//! Whether the key, or the operator key behind it, was revoked, as of a snapshot of the registry log
//! (specs/01-receipt.md §8.3, §8.6).

use proofmark_receipt::{
    Claims, KeyId, KeyStatement, PublicKey, RegistryKind, RegistryLeaf, Revocation,
    RevocationReason, SignedRevocation, Snapshot,
};
use proofmark_tlog::{Frontier, leaf_hash};

use super::{Cause, WitnessedAt, accepted, open_witnessed_checkpoint};
use crate::report::{Row, RowName};
use crate::roots::LogKind;
use crate::{Roots, format_utc};

/// What is known of the receipt when its key is checked.
pub(crate) struct Subject<'s> {
    pub(crate) claims: &'s Claims,
    pub(crate) statement: &'s KeyStatement,
    pub(crate) operator: &'s str,
    pub(crate) operator_key: &'s PublicKey,
    pub(crate) witnessed: Option<&'s WitnessedAt>,
}

/// Row about revocation; `true` beside it if the key was not revoked as of a witnessed snapshot.
pub(crate) fn check_revocation(
    subject: &Subject<'_>,
    snapshots: &[Snapshot],
    roots: &Roots,
) -> (Row, bool) {
    if snapshots.is_empty() {
        let cause = Cause::unavailable(
            "receipt.revocation.unknown",
            "no snapshot of the registry log: whether the key was revoked is not known",
        );
        return (cause.into_row(RowName::Revocation), false);
    }
    let mut best: Option<Result<WitnessedAt, Cause>> = None;
    for snapshot in snapshots {
        match check_snapshot(subject, snapshot, roots) {
            Ok(witnessed) => {
                let newer = match (&best, &witnessed) {
                    (Some(Ok(best)), Ok(new)) => new.unix_s > best.unix_s,
                    (Some(Ok(_)), Err(_)) => false,
                    _ => true,
                };
                if newer {
                    best = Some(witnessed);
                }
            }
            Err(cause) => return (cause.into_row(RowName::Revocation), false),
        }
    }
    match best {
        Some(Ok(witnessed)) => (
            accepted(
                RowName::Revocation,
                format!("not revoked as of {}", format_utc(witnessed.unix_s)),
            ),
            true,
        ),
        Some(Err(cause)) => {
            let why = format!("not revoked, says the registry log alone: {}", cause.why);
            (Cause { why, ..cause }.into_row(RowName::Revocation), false)
        }
        None => (
            Cause::unavailable("receipt.revocation.unknown", "no snapshot could be read")
                .into_row(RowName::Revocation),
            false,
        ),
    }
}

/// When a quorum saw the snapshot, or why there is none; an error if it is not genuine or revokes the key.
fn check_snapshot(
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    roots: &Roots,
) -> Result<Result<WitnessedAt, Cause>, Cause> {
    let root = roots
        .log(&subject.statement.registry_log, LogKind::Registry)
        .filter(|root| root.operator == subject.operator)
        .ok_or_else(|| {
            Cause::unavailable(
                "log.unknown",
                "the registry log is not among your trust roots",
            )
        })?;
    let (checkpoint, witnessed) = open_witnessed_checkpoint(&snapshot.checkpoint, root, roots)?;
    let mut frontier = Frontier::new();
    for leaf in &snapshot.leaves {
        frontier
            .append(leaf_hash(leaf))
            .map_err(|_| malformed("more leaves than a log can have"))?;
    }
    if checkpoint.size() != snapshot.leaves.len() as u64 || *checkpoint.root() != frontier.root() {
        return Err(Cause::rejected(
            "receipt.snapshot.root-mismatch",
            "the leaves of the registry snapshot are not those of its checkpoint",
        ));
    }
    for leaf in &snapshot.leaves {
        check_leaf(subject, leaf)?;
    }
    Ok(witnessed)
}

fn malformed(why: impl std::fmt::Display) -> Cause {
    Cause::rejected("receipt.revocation.malformed", why.to_string())
}

fn check_leaf(subject: &Subject<'_>, leaf: &[u8]) -> Result<(), Cause> {
    let leaf = RegistryLeaf::decode(leaf).map_err(malformed)?;
    if leaf.kind != RegistryKind::Revocation {
        return Ok(());
    }
    let signed = SignedRevocation::decode(&leaf.statement).map_err(malformed)?;
    if signed.operator_kid() != subject.operator_key.kid() {
        // Another operator key's word about its own keys.
        return Ok(());
    }
    let revocation = signed.verify(subject.operator_key).map_err(malformed)?;
    if applies(subject, revocation) {
        let whose = if revocation.kid == subject.claims.issuer.kid {
            "the key that signed"
        } else {
            "the operator key"
        };
        return Err(Cause::rejected(
            "receipt.revoked",
            format!("{whose} was revoked as of {}", format_utc(revocation.since)),
        ));
    }
    Ok(())
}

/// §8.3: a witnessed time before the revocation always saves a receipt; the issuer's own clock does so only if nobody
/// else had the key.
fn applies(subject: &Subject<'_>, revocation: &Revocation) -> bool {
    let kids: [KeyId; 2] = [subject.claims.issuer.kid, subject.operator_key.kid()];
    if !kids.contains(&revocation.kid) {
        return false;
    }
    if let Some(witnessed) = subject.witnessed {
        return witnessed.unix_s >= revocation.since;
    }
    match revocation.reason {
        RevocationReason::Superseded | RevocationReason::Ceased => {
            subject.claims.issued_at >= revocation.since
        }
        RevocationReason::Unspecified | RevocationReason::Compromised => true,
    }
}
