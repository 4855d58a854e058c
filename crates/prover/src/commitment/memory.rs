//! What a commitment and its openings take, before they are made.

use proofmark_proof::commitment::{Level, Plan, Shape};

use super::LOG2_KEPT;

/// Bytes of an element of E.
const E_BYTES: u64 = 20;

/// Bytes of memory that a commitment and one opening take at their peak, besides the values themselves. `small`: whether the
/// values are small integers.
#[must_use]
pub fn memory_bytes(shape: &Shape, small: bool, threads: usize) -> u64 {
    let keeps = !small || shape.log2_size() <= LOG2_KEPT;
    let plan = Plan::for_shape(shape);
    let stays = code_bytes(shape.log2_length(), 4 << shape.log2_width(), keeps);
    let height = 1 << shape.log2_message();
    let making = making_bytes(
        shape.log2_message(),
        shape.log2_inverse_rate(),
        1 << shape.log2_width(),
        threads,
    );
    // The folded values, their claim, both before and after a transposition, and what each was made of.
    let vectors = 8 * E_BYTES * height;
    let later: u64 = plan
        .levels()
        .iter()
        .skip(1)
        .map(|level| later_bytes(level, threads))
        .sum();
    let positions = plan
        .levels()
        .first()
        .map_or(0, |level| opened_bytes(level, keeps));
    stays + making.max(vectors + later + positions)
}

/// A tree, and the words of the code if they are kept.
fn code_bytes(log2_length: u32, position_bytes: u64, keeps: bool) -> u64 {
    let length = 1_u64 << log2_length;
    length * (64 + if keeps { position_bytes } else { 0 })
}

/// What encoding and hashing take: strips of 64 lanes, and chaining values of chunks of 256 lanes.
fn making_bytes(log2_message: u32, log2_inverse_rate: u32, lanes: u64, threads: usize) -> u64 {
    let (height, cosets, chunks) = (
        1_u64 << log2_message,
        1_u64 << log2_inverse_rate,
        lanes.div_ceil(256),
    );
    let tasks = (threads as u64).min(cosets * chunks);
    let task = height * (4 * lanes.min(64) + 32);
    let values = 32 * height * cosets * chunks;
    values + tasks * task
}

/// A level of an opening but the first: its tree and its code, and making them.
fn later_bytes(level: &Level, threads: usize) -> u64 {
    let lanes = 5 << level.log2_width;
    code_bytes(level.log2_length(), 4 * lanes, true)
        + making_bytes(level.log2_message, level.log2_inverse_rate, lanes, threads)
}

/// Positions that are opened: powers of their places and digits of these, if they are computed again, and their words.
fn opened_bytes(level: &Level, keeps: bool) -> u64 {
    let queries = u64::from(level.queries);
    let powers = if keeps {
        0
    } else {
        (12 * queries) << level.log2_message.min(12)
    };
    powers + ((12 * queries) << level.log2_width)
}
