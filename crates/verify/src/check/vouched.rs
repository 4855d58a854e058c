//! Statements of parties: who signed them, and when.

use proofmark_receipt::{
    AuditStatement, KeyStatement, PartyStatement, ReplayVerdict, Vouched, WeightsStatement,
};

use super::Cause;
use super::issuer::CLOCK_TOLERANCE_S;

/// A kind of statement, and what is said where its signature does not hold.
pub(super) trait Kind: PartyStatement {
    const CODE: &'static str;
    const NOT_ENDORSED: &'static str;
    const OUTSIDE: &'static str;
    const FUTURE: &'static str;

    /// Unix seconds, the party's clock.
    fn at(&self) -> u64;
}

impl Kind for ReplayVerdict {
    const CODE: &'static str = "receipt.replay.signature-invalid";
    const NOT_ENDORSED: &'static str =
        "the replayer's key statement does not endorse the key that signed";
    const OUTSIDE: &'static str =
        "replayed outside of the validity of the replayer's key statement";
    const FUTURE: &'static str = "the replay says that it was made in the future";

    fn at(&self) -> u64 {
        self.replayed_at
    }
}

impl Kind for AuditStatement {
    const CODE: &'static str = "receipt.audit.signature-invalid";
    const NOT_ENDORSED: &'static str =
        "the auditor's key statement does not endorse the key that signed";
    const OUTSIDE: &'static str = "audited outside of the validity of the auditor's key statement";
    const FUTURE: &'static str = "the audit says that it was made in the future";

    fn at(&self) -> u64 {
        self.audited_at
    }
}

impl Kind for WeightsStatement {
    const CODE: &'static str = "receipt.weights.signature-invalid";
    const NOT_ENDORSED: &'static str =
        "the party's key statement does not endorse the key that signed about the weights";
    const OUTSIDE: &'static str = "the weights were computed outside of the validity of the party's key statement, or in the future";
    const FUTURE: &'static str = Self::OUTSIDE;

    fn at(&self) -> u64 {
        self.computed_at
    }
}

/// The statement, if a key signed it that the key statement endorses, while that was valid, and not in the future.
pub(super) fn check<'v, S: Kind>(
    vouched: &'v Vouched<S>,
    said: &KeyStatement,
    now: u64,
) -> Result<&'v S, Cause> {
    let invalid = |why| Cause::rejected(S::CODE, why);
    let kid = vouched.signed.kid();
    let key = said.keys.iter().find(|key| key.kid() == kid);
    let key = key.ok_or_else(|| invalid(S::NOT_ENDORSED))?;
    let statement = vouched.signed.verify(key)?;
    if !(said.not_before..=said.not_after).contains(&statement.at()) {
        return Err(invalid(S::OUTSIDE));
    }
    if statement.at() > now.saturating_add(CLOCK_TOLERANCE_S) {
        return Err(invalid(S::FUTURE));
    }
    Ok(statement)
}
