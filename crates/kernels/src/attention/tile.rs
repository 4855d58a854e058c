//! A few queries of one group against the cache.

use std::cell::RefCell;
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::{Attention, BLOCK, KvBlock, weights};
use crate::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Kind;
use crate::isa::compiled;
use crate::round::Divisor;

/// Queries of a tile at most.
pub(super) const LANES: usize = 8;

/// What the rows of a job look at.
pub(super) struct View<'a> {
    pub(super) q: &'a [i16],
    pub(super) first: usize,
    pub(super) blocks: &'a [KvBlock<'a>],
    pub(super) start: usize,
}

/// A thread's buffers, kept from tile to tile.
#[derive(Default)]
pub(super) struct Scratch {
    /// Pairs of elements: [queries, d/2, 2].
    q: Vec<i16>,
    /// [queries, positions], from the tile's first block.
    scores: Vec<i32>,
    /// [queries, positions].
    weights: Vec<i16>,
    /// Σ w·v: [queries, e].
    sums: Vec<i64>,
    /// Results of a query.
    y: Vec<i16>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Scratch {
    /// Lends the thread's buffers; new ones, if they are lent already.
    pub(super) fn with(run: impl FnOnce(&mut Self)) {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => run(&mut scratch),
            Err(_) => run(&mut Self::default()),
        });
    }
}

impl Attention {
    /// Computes queries of a group (a query is a head of a row, `row·h + head`) and hands out each one's results.
    pub(super) fn tile(
        &self,
        isa: Isa,
        view: &View<'_>,
        group: usize,
        queries: Range<usize>,
        scratch: &mut Scratch,
        mut done: impl FnMut(usize, &[i16]),
    ) {
        let (d, e) = (self.layout.key, self.layout.value);
        let seen = |query: usize| self.visible(view.first + query / self.heads);
        // The tile's blocks, and the position of the first of them.
        let from = (seen(queries.start).start - view.start) / BLOCK;
        let to = (seen(queries.end - 1).end - view.start).div_ceil(BLOCK);
        let blocks = &view.blocks[from..to];
        let origin = view.start + from * BLOCK;
        let positions = blocks.len() * BLOCK;

        let padded = d.next_multiple_of(2);
        scratch.q.clear();
        for query in queries.clone() {
            scratch
                .q
                .extend_from_slice(&view.q[self.place(group, query) * d..][..d]);
            scratch
                .q
                .resize(scratch.q.len().next_multiple_of(padded), 0);
        }
        scratch.scores.resize(queries.len() * positions, 0);
        let key_len = self.layout.group_key_len();
        for (block, at) in blocks.iter().zip((0..).step_by(BLOCK)) {
            let keys = &block.keys[group * key_len..][..key_len];
            scores(
                isa,
                keys,
                &scratch.q,
                padded,
                &mut scratch.scores[at..],
                positions,
            );
        }

        scratch.weights.clear();
        scratch.weights.resize(queries.len() * positions, 0);
        let mut totals = [0_i64; LANES];
        for (lane, query) in queries.clone().enumerate() {
            let range = seen(query);
            let range =
                lane * positions + range.start - origin..lane * positions + range.end - origin;
            let (x, w) = (&scratch.scores[range.clone()], &mut scratch.weights[range]);
            totals[lane] = weights::weigh(isa, x, self.multiplier, self.shift, w);
        }

        scratch.sums.clear();
        scratch.sums.resize(queries.len() * e, 0);
        let value_len = self.layout.group_value_len();
        for (block, at) in blocks.iter().zip((0..).step_by(BLOCK)) {
            let values = &block.values[group * value_len..][..value_len];
            add_values(
                isa,
                values,
                &scratch.weights[at..],
                positions,
                e,
                &mut scratch.sums,
            );
        }

        scratch.y.resize(e, 0);
        for (lane, query) in queries.enumerate() {
            let total = Divisor::new(totals[lane]);
            for (y, &sum) in scratch.y.iter_mut().zip(&scratch.sums[lane * e..][..e]) {
                *y = self.bounds.clamp(total.rdiv(sum << self.fraction)) as i16;
            }
            done(query, &scratch.y);
        }
    }
}

/// `scores[lane·stride + j] = Σ_i q[lane, i] · k[j, i]` for the 64 positions j of a block.
fn scores(isa: Isa, keys: &[i16], q: &[i16], padded: usize, scores: &mut [i32], stride: usize) {
    #[cfg(target_arch = "x86_64")]
    if isa.kind() == Kind::Avx512Vnni {
        // SAFETY: an `Isa` is made only where the processor has the features.
        unsafe { avx512::scores(keys, q, padded, scores, stride) };
        return;
    }
    compiled!(isa, <> scores_body(keys: &[i16], q: &[i16], padded: usize, scores: &mut [i32], stride: usize));
}

#[inline(always)]
fn scores_body(keys: &[i16], q: &[i16], padded: usize, scores: &mut [i32], stride: usize) {
    for (lane, q) in q.chunks_exact(padded).enumerate() {
        let scores = &mut scores[lane * stride..][..BLOCK];
        scores.fill(0);
        for (q, k) in q.chunks_exact(2).zip(keys.chunks_exact(2 * BLOCK)) {
            let (q0, q1) = (i32::from(q[0]), i32::from(q[1]));
            for (score, k) in scores.iter_mut().zip(k.chunks_exact(2)) {
                let pair = (q0 * i32::from(k[0])).wrapping_add(q1 * i32::from(k[1]));
                *score = score.wrapping_add(pair);
            }
        }
    }
}

/// `sums[lane, i] += Σ_j w[lane·stride + j] · v[j, i]` over the 64 positions j of a block.
fn add_values(isa: Isa, values: &[i16], w: &[i16], stride: usize, e: usize, sums: &mut [i64]) {
    #[cfg(target_arch = "x86_64")]
    let from = if isa.kind() == Kind::Avx512Vnni {
        // SAFETY: an `Isa` is made only where the processor has the features.
        unsafe { avx512::add_values(values, w, stride, e, sums) }
    } else {
        0
    };
    #[cfg(not(target_arch = "x86_64"))]
    let from = 0;
    if from < e {
        let elements = from..e;
        compiled!(isa, <> add_values_body(
            values: &[i16], w: &[i16], stride: usize, e: usize, elements: Range<usize>, sums: &mut [i64]
        ));
    }
}

#[inline(always)]
fn add_values_body(
    values: &[i16],
    w: &[i16],
    stride: usize,
    e: usize,
    elements: Range<usize>,
    sums: &mut [i64],
) {
    for (lane, sums) in sums.chunks_exact_mut(e).enumerate() {
        let w = &w[lane * stride..][..BLOCK];
        let sums = &mut sums[elements.clone()];
        for (w, values) in w.chunks_exact(2).zip(values.chunks_exact(2 * e)) {
            let (w0, w1) = (i32::from(w[0]), i32::from(w[1]));
            if w0 | w1 == 0 {
                continue;
            }
            let values = &values[2 * elements.start..2 * elements.end];
            for (sum, v) in sums.iter_mut().zip(values.chunks_exact(2)) {
                // |w| ≤ 2^14 and |v| ≤ 2^15: a pair is at most 2^30.
                *sum += i64::from(w0 * i32::from(v[0]) + w1 * i32::from(v[1]));
            }
        }
    }
}
