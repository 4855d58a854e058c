//! Attention and softmax (specs/04-program.md §3.3, §3.4).
//!
//! Keys and values are cached in blocks of [`BLOCK`] positions of one layer, see [`KvLayout`]. All the query rows and
//! heads of a group that look at a block share its loads.

#![expect(
    unsafe_code,
    reason = "calls code compiled for the instruction set that was detected; tasks write to disjoint rows"
)]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod cache;
mod tile;
mod weights;

use crate::Isa;
use crate::pool::{Parts, Pool};
use crate::round::{Bounds, Divisor};
pub use cache::{BLOCK, KvBlock, KvLayout};
use tile::{LANES, Scratch, View};
pub use weights::{WEIGHTS, exp_weight};

/// An attention operator: shapes and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// Groups and widths of keys and values.
    pub layout: KvLayout,
    /// h: query heads of a group.
    pub heads: usize,
    /// m: the multiplier of scores, |m| ≤ 65,535.
    pub multiplier: i32,
    /// s: the shift of scores, at most 62.
    pub shift: u32,
    /// a: results are `o·2^a / Z`, at most 16.
    pub fraction: u32,
    /// W: how many positions a row sees, itself included; 0: all up to its own.
    pub window: usize,
    /// The declared range of the results.
    pub bounds: Bounds,
}

/// Rows of one sequence: positions `first` … that attend to what a cache holds.
#[derive(Debug)]
pub struct AttentionJob<'a> {
    /// [rows, G·h, d].
    pub q: &'a [i16],
    /// The position of the first row; row r is at `first + r`.
    pub first: usize,
    /// The blocks of the cache, the first of which begins at position `start`.
    pub blocks: &'a [KvBlock<'a>],
    /// A multiple of [`BLOCK`]; beyond 0 only if no row sees earlier positions.
    pub start: usize,
    /// [rows, G·h, e].
    pub out: &'a mut [i16],
}

impl Attention {
    /// Runs jobs of one layer, shared out among the threads of a pool. |Σ q·k| < 2^31, |A·m| < 2^62 and
    /// |Σ w·v|·2^a < 2^62 are the caller's.
    ///
    /// # Panics
    /// If lengths and dimensions differ, an attribute is out of its range, or a row sees a position that no block holds.
    pub fn run(&self, isa: Isa, pool: &Pool, jobs: &mut [AttentionJob<'_>]) {
        self.check();
        let heads = self.layout.groups * self.heads;
        // Pieces of work: (job, group, first query, queries), a query being a head of a row.
        let mut tasks = Vec::new();
        for (number, job) in jobs.iter().enumerate() {
            let rows = self.check_job(job);
            for group in 0..self.layout.groups {
                let queries = rows * self.heads;
                tasks.extend(
                    (0..queries)
                        .step_by(LANES)
                        .map(|query| (number, group, query)),
                );
            }
        }
        let outs: Vec<(Parts<'_, i16>, View<'_>)> = jobs
            .iter_mut()
            .map(|job| {
                let view = View {
                    q: job.q,
                    first: job.first,
                    blocks: job.blocks,
                    start: job.start,
                };
                (Parts::new(job.out), view)
            })
            .collect();
        pool.run(tasks.len(), &|task| {
            let (number, group, query) = tasks[task];
            let (out, view) = &outs[number];
            let queries = view.q.len() / (heads * self.layout.key) * self.heads;
            let count = LANES.min(queries - query);
            Scratch::with(|scratch| {
                self.tile(
                    isa,
                    view,
                    group,
                    query..query + count,
                    scratch,
                    |query, y| {
                        let place = self.place(group, query) * self.layout.value;
                        // SAFETY: a query of a group is in one task, and its results lie nowhere else.
                        unsafe { out.slice(place, place + y.len()) }.copy_from_slice(y);
                    },
                );
            });
        });
    }

    /// The number of a query's head among all heads of all rows.
    fn place(&self, group: usize, query: usize) -> usize {
        let (row, head) = (query / self.heads, query % self.heads);
        (row * self.layout.groups + group) * self.heads + head
    }

    fn check(&self) {
        let KvLayout { groups, key, value } = self.layout;
        assert!(
            groups > 0 && key > 0 && value > 0 && self.heads > 0,
            "{self:?}"
        );
        assert!(self.multiplier.unsigned_abs() < 1 << 16, "{self:?}");
        assert!(self.shift <= 62 && self.fraction <= 16, "{self:?}");
        self.bounds.fit::<i16>();
    }

    /// The job's rows.
    fn check_job(&self, job: &AttentionJob<'_>) -> usize {
        let heads = self.layout.groups * self.heads;
        let rows = job.q.len() / (heads * self.layout.key);
        assert_eq!(
            job.q.len(),
            rows * heads * self.layout.key,
            "q is [{rows}, {heads}, d]"
        );
        assert_eq!(
            job.out.len(),
            rows * heads * self.layout.value,
            "out is [{rows}, {heads}, e]"
        );
        assert!(
            job.start.is_multiple_of(BLOCK),
            "a cache from {}",
            job.start
        );
        assert!(
            job.first + rows <= job.start + job.blocks.len() * BLOCK,
            "rows beyond the cache"
        );
        assert!(
            job.start <= self.visible(job.first).start,
            "a row sees what the cache has dropped"
        );
        for block in job.blocks {
            assert_eq!(block.keys.len(), self.layout.key_len(), "keys of a block");
            assert_eq!(
                block.values.len(),
                self.layout.value_len(),
                "values of a block"
            );
        }
        rows
    }

    /// The positions that the row at a position sees.
    fn visible(&self, position: usize) -> std::ops::Range<usize> {
        let from = match self.window {
            0 => 0,
            window => (position + 1).saturating_sub(window),
        };
        from..position + 1
    }
}

/// `y_j = clamp(rdiv(w_j·2^15, Z), lo, hi)` for each row of `n` scores x, with `w_j = w(M − u_j)`, `u = rshift(x·m, s)`,
/// M the largest u of the row and Z the sum of its w.
///
/// # Panics
/// If lengths differ, `n` is 0 or does not divide them, s > 62, or the range is wider than `i32`.
pub fn softmax(
    isa: Isa,
    x: &[i32],
    n: usize,
    multiplier: i32,
    shift: u32,
    bounds: Bounds,
    out: &mut [i32],
) {
    assert_eq!(x.len(), out.len(), "lengths of input and output");
    assert!(n > 0 && x.len().is_multiple_of(n), "rows of {n}");
    assert!(
        shift <= 62 && multiplier.unsigned_abs() < 1 << 16,
        "u = x·{multiplier} / 2^{shift}"
    );
    let mut w = vec![0_i16; n];
    for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        let total = Divisor::new(weights::weigh(isa, x, multiplier, shift, &mut w));
        for (out, &w) in out.iter_mut().zip(&w) {
            *out = bounds.clamp(total.rdiv(i64::from(w) << 15)) as i32;
        }
    }
}
