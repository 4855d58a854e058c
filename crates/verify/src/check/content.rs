//! Question and answer: what the bundle discloses, and what the caller presents, against the commitments.

use proofmark_openai::{Fields, Members};
use proofmark_receipt::{Claims, DisclosedValues, Disclosure, Salts, ScopeKey};

use super::{Cause, accepted, not_claimed};
use crate::Presented;
use crate::answer::{INFER, compare_with_disclosures, compare_with_salts, disclosed_choices};
use crate::report::{Row, RowName};

/// Checks every disclosure; the first that does not open rejects.
fn check_disclosures(claims: &Claims, disclosures: &[Disclosure]) -> Result<(), Cause> {
    for disclosure in disclosures {
        disclosure.check(claims)?;
        if let Disclosure::Scope {
            scope,
            key,
            values: DisclosedValues::Body(bytes),
        } = disclosure
            && scope != "answer"
        {
            check_body_fields(claims, scope, key, bytes)?;
        }
    }
    Ok(())
}

/// That the fields committed to are those of the disclosed body (§4.4).
fn check_body_fields(
    claims: &Claims,
    scope: &str,
    key: &ScopeKey,
    bytes: &[u8],
) -> Result<(), Cause> {
    let mismatch = || {
        Cause::rejected(
            "receipt.disclosure.mismatch",
            format!("the fields in scope {scope} are not those of the body"),
        )
    };
    let body = claims.body(scope).ok_or_else(mismatch)?;
    if !same_body(body, key, bytes) {
        return Err(mismatch());
    }
    Ok(())
}

fn same_body(body: &proofmark_receipt::Body, key: &ScopeKey, bytes: &[u8]) -> bool {
    // A body that is not a JSON object has no fields (§4.4).
    let members = Members::parse(bytes).ok();
    let fields = members.iter().flat_map(Fields::of);
    let fields = fields.map(|field| (field.name(), field.value.as_bytes()));
    key.commit_body(bytes.len() as u64, core::iter::once(bytes), fields) == *body
}

fn salts(claims: &Claims, presented: &Presented<'_>) -> Option<Salts> {
    presented
        .secret
        .as_ref()
        .map(|secret| Salts::new(secret, &claims.id))
}

/// Row about the answer; `true` beside it if the answer is opened or is the one presented.
pub(crate) fn check_answer(
    claims: &Claims,
    disclosures: &[Disclosure],
    presented: &Presented<'_>,
) -> (Row, bool) {
    match answer(claims, disclosures, presented) {
        Ok((row, shown)) => (row, shown),
        Err(cause) => (cause.into_row(RowName::Answer), false),
    }
}

fn answer(
    claims: &Claims,
    disclosures: &[Disclosure],
    presented: &Presented<'_>,
) -> Result<(Row, bool), Cause> {
    check_disclosures(claims, disclosures)?;
    let size: u64 = claims
        .output
        .iter()
        .fold(0, |sum, choice| sum.saturating_add(choice.text_bytes));
    let what = if claims.operation.name == INFER {
        let tensors = claims.output.iter().map(|choice| choice.fields);
        format!("{} tensor(s)", tensors.fold(0, u64::saturating_add))
    } else {
        format!("{} choice(s), {size} bytes of text", claims.output.len())
    };
    let Some(answer) = presented.answer else {
        let disclosed =
            !claims.output.is_empty() && disclosed_choices(claims, disclosures).is_some();
        return Ok(if disclosed {
            (
                accepted(
                    RowName::Answer,
                    format!("unchanged: {what}, opened by the bundle"),
                ),
                true,
            )
        } else {
            (
                not_claimed(
                    RowName::Answer,
                    format!("{what}, committed to but not shown here"),
                ),
                false,
            )
        });
    };
    let compared = match salts(claims, presented) {
        Some(salts) => compare_with_salts(claims, &salts, answer),
        None => compare_with_disclosures(claims, disclosures, answer).ok_or_else(|| {
            Cause::unavailable(
                "receipt.secret.missing",
                "the answer can only be compared with the receipt secret, or if the bundle discloses it",
            )
        })?,
    };
    compared
        .map_err(|mismatch| Cause::rejected("receipt.answer.mismatch", mismatch.to_string()))?;
    Ok((
        accepted(
            RowName::Answer,
            format!("unchanged: {what} match the answer given"),
        ),
        true,
    ))
}

/// Row about the question; `true` beside it if the question is opened or is the one presented.
pub(crate) fn check_question(
    claims: &Claims,
    disclosures: &[Disclosure],
    presented: &Presented<'_>,
) -> (Row, bool) {
    match question(claims, disclosures, presented) {
        Ok((row, shown)) => (row, shown),
        Err(cause) => (cause.into_row(RowName::Question), false),
    }
}

fn question(
    claims: &Claims,
    disclosures: &[Disclosure],
    presented: &Presented<'_>,
) -> Result<(Row, bool), Cause> {
    if let Some(nonce) = presented.nonce
        && claims.nonce.as_deref() != Some(nonce)
    {
        return Err(Cause::rejected(
            "receipt.nonce.mismatch",
            "the receipt does not carry the nonce that was sent",
        ));
    }
    let what = format!("{} bytes", claims.received.length);
    let disclosed = disclosures.iter().find_map(|disclosure| match disclosure {
        Disclosure::Scope {
            scope,
            values: DisclosedValues::Body(bytes),
            ..
        } if scope == "received" => Some(bytes),
        _ => None,
    });
    let Some(request) = presented.request else {
        return Ok(match disclosed {
            Some(_) => (
                accepted(
                    RowName::Question,
                    format!("bound: {what}, opened by the bundle"),
                ),
                true,
            ),
            None => (
                not_claimed(
                    RowName::Question,
                    format!("{what}, committed to but not shown here"),
                ),
                false,
            ),
        });
    };
    let same = match (salts(claims, presented), disclosed) {
        (Some(salts), _) => same_body(&claims.received, &salts.scope("received"), request),
        (None, Some(bytes)) => bytes.as_slice() == request,
        (None, None) => {
            return Err(Cause::unavailable(
                "receipt.secret.missing",
                "the request can only be compared with the receipt secret, or if the bundle discloses it",
            ));
        }
    };
    if same {
        Ok((
            accepted(
                RowName::Question,
                format!("bound: your request of {what} is inside the receipt"),
            ),
            true,
        ))
    } else {
        Err(Cause::rejected(
            "receipt.question.mismatch",
            "the request given is not the one that was signed",
        ))
    }
}
