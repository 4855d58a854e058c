//! Openings, the prover's side (specs/05-proof.md §5).

use proofmark_field::{DEGREE, E, F, eq_table};
use proofmark_proof::Outgoing;
use proofmark_proof::commitment::{Level, Plan, position};

use super::tree::Tree;
use super::{Committed, code};
use crate::{Machine, ProverError};

/// Proves the polynomial's value at `point`, which is returned, with the plan for its shape.
///
/// # Errors
/// If the point has another number of variables than the polynomial.
pub fn open(
    machine: Machine<'_>,
    committed: &Committed<'_>,
    point: &[E],
    outgoing: &mut Outgoing,
) -> Result<E, ProverError> {
    let plan = Plan::for_shape(&committed.commitment.shape);
    open_with(machine, committed, &plan, point, outgoing)
}

/// Proves the polynomial's value at `point` with some plan for its shape.
///
/// # Errors
/// If the point has another number of variables than the polynomial.
pub fn open_with(
    machine: Machine<'_>,
    committed: &Committed<'_>,
    plan: &Plan,
    point: &[E],
    outgoing: &mut Outgoing,
) -> Result<E, ProverError> {
    let _ = machine;
    let commitment = &committed.commitment;
    let shape = &commitment.shape;
    if point.len() != shape.log2_size() as usize {
        return Err(ProverError::Length {
            what: "variables of the point",
            expected: u64::from(shape.log2_size()),
            got: point.len() as u64,
        });
    }
    let width = 1 << shape.log2_width();
    let (rows, lanes) = point.split_at(shape.log2_message() as usize);
    // The values' sums over the rows, weighted with eq of the first variables: the polynomial in the last ones.
    let mut sums = vec![E::ZERO; width];
    for (row, weight) in eq_table(rows).into_iter().enumerate() {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += weight * committed.values.at(row * width + lane);
        }
    }
    let weights = eq_table(lanes);
    let value: E = sums.iter().zip(&weights).map(|(&a, &b)| a * b).sum();

    commitment.absorb(outgoing.transcript());
    outgoing.transcript().absorb_extensions("point", point);
    outgoing.transcript().absorb_extensions("value", &[value]);
    let bytes = plan.to_bytes();
    outgoing.send("levels", &bytes[..1]);
    outgoing.send("plan", &bytes[1..]);

    let mut sum = value;
    let (mut a, mut b) = (sums, weights);
    let challenges = send_rounds(&mut a, &mut b, shape.log2_width(), &mut sum, outgoing);
    let fold = eq_table(&challenges);
    let mut vector: Vec<E> = (0..1_usize << shape.log2_message())
        .map(|row| {
            let terms = fold.iter().enumerate();
            let values = &committed.values;
            terms
                .map(|(lane, &w)| w * values.at(row * width + lane))
                .sum()
        })
        .collect();
    // The coefficients of the claim on the vector.
    let mut claim: Vec<E> = eq_table(rows).into_iter().map(|w| w * b[0]).collect();
    let mut tree: Option<Tree> = None;

    let mut levels = plan.levels().iter().peekable();
    while let Some(level) = levels.next() {
        let before = tree.as_ref().unwrap_or(&committed.tree);
        let Some(next) = levels.peek() else {
            outgoing.send_extensions("vector", &vector);
            send_positions(level, before, outgoing);
            break;
        };
        let width = 1 << next.log2_width;
        let words: Vec<F> = vector.iter().flat_map(|value| value.0).collect();
        let code = code::encode(&words, DEGREE * width, next.log2_inverse_rate);
        let after = Tree::new(code, DEGREE * width);
        outgoing.send("root", &after.root());
        let places = send_positions(level, before, outgoing);
        let batch = outgoing.transcript().challenge("batch");
        let mut power = E::ONE;
        for x in places {
            power *= batch;
            let mut coefficient = power;
            for (claim, value) in claim.iter_mut().zip(&vector) {
                *claim += coefficient;
                sum += coefficient * *value;
                coefficient = coefficient * x;
            }
        }
        let challenges = send_rounds(&mut vector, &mut claim, next.log2_width, &mut sum, outgoing);
        debug_assert_eq!(challenges.len() as u32, next.log2_width);
        tree = Some(after);
    }
    Ok(value)
}

/// Sumcheck of Σ a·b over the last `count` variables, which are set to the challenges in both.
fn send_rounds(
    a: &mut Vec<E>,
    b: &mut Vec<E>,
    count: u32,
    sum: &mut E,
    outgoing: &mut Outgoing,
) -> Vec<E> {
    (0..count)
        .map(|round| {
            // The variable's bit: rows stay apart, and within a row halves are folded.
            let half = 1_usize << (count - round - 1);
            let (mut constant, mut leading) = (E::ZERO, E::ZERO);
            for (a, b) in a.chunks_exact(2 * half).zip(b.chunks_exact(2 * half)) {
                let ((a0, a1), (b0, b1)) = (a.split_at(half), b.split_at(half));
                for i in 0..half {
                    constant += a0[i] * b0[i];
                    leading += (a1[i] - a0[i]) * (b1[i] - b0[i]);
                }
            }
            outgoing.send_extensions("round", &[constant, leading]);
            let challenge = outgoing.transcript().challenge("fold");
            let middle = *sum - constant.double() - leading;
            *sum = (leading * challenge + middle) * challenge + constant;
            for values in [&mut *a, &mut *b] {
                let mut place = 0;
                for row in (0..values.len()).step_by(2 * half) {
                    for i in row..row + half {
                        values[place] = values[i] + (values[i + half] - values[i]) * challenge;
                        place += 1;
                    }
                }
                values.truncate(place);
            }
            challenge
        })
        .collect()
}

/// Does the work, draws positions, and opens them; returns their places x.
fn send_positions(level: &Level, tree: &Tree, outgoing: &mut Outgoing) -> Vec<F> {
    if level.work_bits > 0 {
        let work = outgoing.transcript().work();
        let nonce = (0..u64::MAX).find(|&nonce| work.is_done(nonce, level.work_bits));
        outgoing.send("work", &nonce.unwrap_or_default().to_le_bytes());
    }
    let log2_length = level.log2_length();
    let indices = outgoing
        .transcript()
        .indices("queries", level.queries as usize, log2_length);
    let mut leaves = indices.clone();
    leaves.sort_unstable();
    leaves.dedup();
    outgoing.send_bound(&tree.open(&leaves));
    indices
        .iter()
        .filter_map(|&index| position(index, log2_length))
        .collect()
}
