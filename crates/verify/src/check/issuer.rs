//! Who signed the receipt, and whether a rooted operator endorses that key (specs/01-receipt.md §8.2).

use proofmark_receipt::{
    Bundle, KeyStatement, PublicKey, SignatureChecked, SignedKeyStatement, SignedReceipt,
    StatementDigest,
};

use super::Cause;
use crate::Roots;

/// How far a clock may be ahead, in seconds.
pub(super) const CLOCK_TOLERANCE_S: u64 = 300;

/// Proof that a key statement was signed by a rooted operator. Only [`check_issuer`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerRooted {
    operator: String,
}

impl IssuerRooted {
    pub(crate) fn operator(&self) -> &str {
        &self.operator
    }
}

/// An issuer that was checked as far as it could be.
pub(crate) struct IssuerChecked {
    pub(crate) statement: KeyStatement,
    pub(crate) signature: SignatureChecked,
    /// The rooted operator with its key, or why there is none.
    pub(crate) rooted: Result<(IssuerRooted, PublicKey), Cause>,
}

/// Checks signature, statement and operator. The signature is checked even where the operator is not rooted, so that
/// a damaged bundle is rejected everywhere.
pub(crate) fn check_issuer(
    bundle: &Bundle,
    receipt: &SignedReceipt,
    roots: &Roots,
    now: u64,
) -> Result<IssuerChecked, Cause> {
    let bytes = bundle.key_statement.as_ref().ok_or_else(|| {
        Cause::unavailable(
            "receipt.issuer.no-statement",
            "the bundle has no key statement for the key that signed",
        )
    })?;
    let claims = receipt.claims();
    if StatementDigest::of(bytes) != claims.issuer.statement {
        return Err(Cause::rejected(
            "receipt.statement.digest-mismatch",
            "the key statement is not the one that the receipt names",
        ));
    }
    let statement = SignedKeyStatement::decode(bytes)?;
    let said = statement.unverified();
    let key = said
        .keys
        .iter()
        .find(|key| key.kid() == receipt.kid())
        .ok_or_else(|| {
            Cause::rejected(
                "receipt.statement.key-not-listed",
                "the key statement does not endorse the key that signed",
            )
        })?;
    let signature = receipt.verify_signature(key)?;
    let rooted = check_operator(&statement, roots)?;
    if !(said.not_before..=said.not_after).contains(&claims.issued_at) {
        return Err(Cause::rejected(
            "receipt.statement.outside-validity",
            "the receipt was issued outside of the validity of its key statement",
        ));
    }
    let log_name = said.receipts_log.split('+').next().unwrap_or_default();
    if claims.log.origin != log_name {
        return Err(Cause::rejected(
            "receipt.statement.log-mismatch",
            "the receipt names another log than its key statement",
        ));
    }
    if claims.issued_at > now.saturating_add(CLOCK_TOLERANCE_S) {
        return Err(Cause::rejected(
            "receipt.issued-in-future",
            "the receipt says that it was issued in the future",
        ));
    }
    Ok(IssuerChecked {
        statement: said.clone(),
        signature,
        rooted,
    })
}

/// The operator's signature, if the operator is rooted; not being rooted is no rejection.
fn check_operator(
    statement: &SignedKeyStatement,
    roots: &Roots,
) -> Result<Result<(IssuerRooted, PublicKey), Cause>, Cause> {
    let kid = statement.operator_kid();
    let Some((operator, key)) = roots.operator(&kid) else {
        return Ok(Err(Cause::unavailable(
            "receipt.issuer.unknown",
            format!("the operator key {kid} is not among your trust roots"),
        )));
    };
    statement.verify(&key)?;
    Ok(Ok((
        IssuerRooted {
            operator: operator.name.clone(),
        },
        key,
    )))
}
