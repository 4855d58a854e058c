//! The verifier of an opening (specs/05-proof.md §5).

use alloc::vec::Vec;

use super::claims::{Claims, horner};
use super::plan::{Level, Plan, REQUIRED_BITS};
use super::{Commitment, merkle};
use crate::field::{E, E_BYTES, F, eq_table};
use crate::reader::{Digest, Reader};
use crate::soundness::Account;
use crate::{Incoming, Rejection};

/// Verifies that the committed polynomial has `value` at `point`, and returns what the claim is worth.
///
/// The commitment and whatever the point depends on have to be in the transcript before.
///
/// # Errors
/// `proof.malformed`, `proof.weak`, and the codes of §5 that begin with `proof.opening`.
pub fn verify(
    commitment: &Commitment,
    point: &[E],
    value: E,
    incoming: &mut Incoming<'_>,
) -> Result<Account, Rejection> {
    let shape = &commitment.shape;
    if u32::try_from(point.len()).ok() != Some(shape.log2_size()) {
        return Err(Rejection::failed(
            "proof.opening.point",
            "the point has another number of variables than the polynomial",
        ));
    }
    commitment.absorb(incoming.transcript());
    incoming.transcript().absorb_extensions("point", point);
    incoming.transcript().absorb_extensions("value", &[value]);
    let plan = Plan::receive(shape, incoming)?;
    let account = plan.account();
    account.require(REQUIRED_BITS)?;

    let mut sum = value;
    let mut claims = Claims::at(point);
    let mut root = commitment.root;
    let mut levels = plan.levels().iter().enumerate().peekable();
    while let Some((number, level)) = levels.next() {
        let challenges = receive_rounds(level.log2_width, &mut sum, incoming)?;
        claims.bind(&challenges);
        let weights = eq_table(&challenges);
        // Values of the committed polynomial are in F, those of later vectors in E.
        let in_base = number == 0;
        if levels.peek().is_some() {
            let next = incoming.receive_digest("root")?;
            let opened = receive_positions(level, &root, &weights, in_base, incoming)?;
            let batch = incoming.transcript().challenge("batch");
            let mut power = E::ONE;
            for (x, folded) in opened {
                power *= batch;
                sum += power * folded;
                claims.add_powers(power, x);
            }
            root = next;
        } else {
            let length = 1_usize
                .checked_shl(level.log2_message)
                .unwrap_or(usize::MAX);
            let last = incoming.receive_extensions("vector", length)?;
            for (x, folded) in receive_positions(level, &root, &weights, in_base, incoming)? {
                if horner(&last, x) != folded {
                    return Err(Rejection::failed(
                        "proof.opening.position",
                        "an opened position is not that of the vector that was sent",
                    ));
                }
            }
            if claims.evaluate(&last) != sum {
                return Err(Rejection::failed(
                    "proof.opening.value",
                    "the vector that was sent does not have the claimed value",
                ));
            }
        }
    }
    Ok(account)
}

/// Sumcheck over the lanes: in each round the polynomial of degree two is given by its value at 0 and its leading coefficient.
fn receive_rounds(
    count: u32,
    sum: &mut E,
    incoming: &mut Incoming<'_>,
) -> Result<Vec<E>, Rejection> {
    (0..count)
        .map(|_| {
            let message = incoming.receive_extensions("round", 2)?;
            let (&[constant, leading], challenge) =
                (message.as_slice(), incoming.transcript().challenge("fold"))
            else {
                return Err(incoming.bound().malformed("two elements"));
            };
            // q(0) + q(1) is the sum, so the middle coefficient is sum − 2·q(0) − leading.
            let middle = *sum - constant.double() - leading;
            *sum = (leading * challenge + middle) * challenge + constant;
            Ok(challenge)
        })
        .collect()
}

/// Checks the work, draws positions, and reads their lanes: for each query the place x of the position and the folded lanes.
fn receive_positions(
    level: &Level,
    root: &Digest,
    weights: &[E],
    in_base: bool,
    incoming: &mut Incoming<'_>,
) -> Result<Vec<(F, E)>, Rejection> {
    if level.work_bits > 0 {
        let work = incoming.transcript().work();
        let nonce = incoming.receive("work", 8)?;
        let nonce = nonce.try_into().map_or(0, u64::from_le_bytes);
        if !work.is_done(nonce, level.work_bits) {
            return Err(Rejection::failed(
                "proof.opening.work",
                "the nonce does less work than the plan counts",
            ));
        }
    }
    let log2_length = level.log2_length();
    let queries = usize::try_from(level.queries).unwrap_or(usize::MAX);
    let indices = incoming
        .transcript()
        .indices("queries", queries, log2_length);
    let mut leaves = indices.clone();
    leaves.sort_unstable();
    leaves.dedup();
    let bytes_of_value = if in_base { 4 } else { E_BYTES };
    let leaf_bytes = weights.len().saturating_mul(bytes_of_value);
    let reader = incoming.bound();
    let lanes = merkle::receive(reader, root, &leaves, log2_length, leaf_bytes)?;
    let folded: Vec<E> = lanes
        .into_iter()
        .map(|bytes| fold(bytes, weights, in_base))
        .collect::<Result<_, _>>()?;
    indices
        .iter()
        .map(|index| {
            let place = leaves.binary_search(index).ok();
            let folded = place.and_then(|place| folded.get(place)).copied();
            let both = position(*index, log2_length).zip(folded);
            both.ok_or(incoming.bound().malformed("an opened position"))
        })
        .collect()
}

/// Σ_w weights[w]·lane[w].
fn fold(bytes: &[u8], weights: &[E], in_base: bool) -> Result<E, Rejection> {
    let mut reader = Reader::new(bytes);
    let mut sum = E::ZERO;
    for &weight in weights {
        sum += if in_base {
            weight * reader.base()?
        } else {
            weight * reader.extension()?
        };
    }
    Ok(sum)
}

/// The place x of a position of a code with 2^`log2_length` positions: ω^rev(index), rev being the reversal of its bits.
#[must_use]
pub fn position(index: u32, log2_length: u32) -> Option<F> {
    let reversed = index
        .reverse_bits()
        .checked_shr(u32::BITS.saturating_sub(log2_length))
        .unwrap_or(0);
    F::root_of_unity(log2_length).map(|root| root.pow(u64::from(reversed)))
}
