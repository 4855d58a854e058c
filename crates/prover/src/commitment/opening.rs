//! Openings, the prover's side (specs/05-proof.md §5).

use proofmark_field::{DEGREE, E, F, eq_table};
use proofmark_kernels::field::{Planes, Rows, find_nonce, pair_round};
use proofmark_proof::Outgoing;
use proofmark_proof::commitment::{Level, Plan, position};

use super::tree::{Tree, to_words};
use super::{Committed, Values, lanes};
use crate::{Machine, ProverError};

/// Proves the polynomial's value at `point`, which is returned, with the plan for its shape.
///
/// The commitment and whatever the point depends on have to be in the transcript before.
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

/// Proves the polynomial's value at `point` with a plan for its shape. A verifier refuses a weaker one than [`open`]'s.
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
    let Machine { pool, isa } = machine;
    let commitment = &committed.commitment;
    let shape = &commitment.shape;
    if point.len() != shape.log2_size() as usize {
        return Err(ProverError::Length {
            what: "variables of the point",
            expected: u64::from(shape.log2_size()),
            got: point.len() as u64,
        });
    }
    let width = 1_usize << shape.log2_width();
    let (rows, last) = point.split_at(shape.log2_message() as usize);
    // The polynomial in its last variables, the first ones being at the point.
    let sums = lanes::sum_over_rows(machine, committed.values, width, rows);
    let weights = eq_table(last);
    let value: E = sums.iter().zip(&weights).map(|(&a, &b)| a * b).sum();

    commitment.absorb(outgoing.transcript());
    outgoing.transcript().absorb_extensions("point", point);
    outgoing.transcript().absorb_extensions("value", &[value]);
    let bytes = plan.to_bytes();
    let (levels, bytes) = bytes.split_at(1);
    outgoing.send("levels", levels);
    outgoing.send("plan", bytes);

    let mut sums = Planes::new(width, |lane| sums[lane]);
    let mut weights = Planes::new(width, |lane| weights[lane]);
    let fold = send_rounds(machine, &mut sums, &mut weights, outgoing);
    let folded = lanes::fold(machine, committed.values, &eq_table(&fold));
    let mut vector = Planes::new(folded.len(), |row| folded[row]);
    let (scale, coefficients) = (weights.at(0), eq_table(rows));
    let mut claim = Planes::new(vector.len(), |row| scale * coefficients[row]);

    let mut before: Option<Tree> = None;
    let mut levels = plan.levels().iter().peekable();
    while let Some(level) = levels.next() {
        let Some(next) = levels.peek() else {
            outgoing.send_extensions("vector", &vector.to_vec());
            send_positions(machine, level, committed, before.as_ref(), outgoing);
            break;
        };
        let width = 1 << next.log2_width;
        let code = (next.log2_message, next.log2_inverse_rate);
        let values = vector.to_base();
        let after = Tree::new(machine, Rows::Base(&values), DEGREE * width, code, true);
        outgoing.send("root", &after.root());
        let places = send_positions(machine, level, committed, before.as_ref(), outgoing);
        let batch = outgoing.transcript().challenge("batch");
        let powers = std::iter::successors(Some(batch), |&power| Some(power * batch));
        let coefficients: Vec<E> = powers.take(places.len()).collect();
        claim.add_powers(&coefficients, &places, pool, isa);
        // Lanes first, so that a lane's variable is the first one.
        (vector, claim) = (vector.transposed(width), claim.transposed(width));
        for _ in 0..next.log2_width {
            send_round(machine, &mut vector, &mut claim, outgoing);
        }
        before = Some(after);
    }
    Ok(value)
}

/// Sumcheck of Σ a·b over all variables, which are set to the challenges in both.
fn send_rounds(
    machine: Machine<'_>,
    a: &mut Planes,
    b: &mut Planes,
    outgoing: &mut Outgoing,
) -> Vec<E> {
    let mut challenges = Vec::new();
    while a.len() > 1 {
        challenges.push(send_round(machine, a, b, outgoing));
    }
    challenges
}

/// One round of the sumcheck of Σ a·b, over the first variable.
fn send_round(machine: Machine<'_>, a: &mut Planes, b: &mut Planes, outgoing: &mut Outgoing) -> E {
    let Machine { pool, isa } = machine;
    let (constant, leading) = pair_round(a, b, pool, isa);
    outgoing.send_extensions("round", &[constant, leading]);
    let challenge = outgoing.transcript().challenge("fold");
    a.bind(challenge, pool, isa);
    b.bind(challenge, pool, isa);
    challenge
}

/// Does the work, draws positions, and opens them in the tree, which is the commitment's unless another is given; returns
/// their places x.
fn send_positions(
    machine: Machine<'_>,
    level: &Level,
    committed: &Committed<'_>,
    tree: Option<&Tree>,
    outgoing: &mut Outgoing,
) -> Vec<F> {
    if level.work_bits > 0 {
        let work = outgoing.transcript().work();
        let (key, state) = (to_words(&work.key), to_words(&work.state));
        let nonce = find_nonce(machine.pool, machine.isa, &key, &state, level.work_bits);
        outgoing.send("work", &nonce.to_le_bytes());
    }
    let log2_length = level.log2_length();
    let places = |indices: &[u32]| -> Vec<F> {
        indices
            .iter()
            .filter_map(|&index| position(index, log2_length))
            .collect()
    };
    let indices = outgoing
        .transcript()
        .indices("queries", level.queries as usize, log2_length);
    let mut leaves = indices.clone();
    leaves.sort_unstable();
    leaves.dedup();
    let tree = tree.unwrap_or(&committed.tree);
    let words = match (tree.words(&leaves), committed.values) {
        (Some(words), _) => words,
        (None, Values::I8(matrix)) => {
            lanes::at_places(machine, matrix, 1 << level.log2_width, &places(&leaves))
        }
        // Words of other codes than that of small integers are kept.
        (None, Values::Base(_)) => Vec::new(),
    };
    outgoing.send_bound(&tree.open(&leaves, &words));
    places(&indices)
}
