//! `y = W·x + b` with W int8 and x int16 (specs/04-program.md §3, operator 4).
//!
//! Weights are packed once, for all instruction sets alike: panels of [`PANEL`] outputs, the last one rounded up to a
//! multiple of 16; within a panel, groups of four inputs, each `[outputs][4]`. So a vector of 64 bytes holds four
//! inputs of 16 outputs, and a panel is read front to back.
//!
//! With AVX-512 VNNI a 16-bit activation is two limbs of 8 bits, 256·high + low, and a sum is 256 times the one limb's
//! plus the other's, modulo 2^32. `vpdpbusd` does 64 multiplications for one limb, `vpdpwssd` 32 of whole activations, both
//! two a cycle on Zen 5: the same for 16 bits, but limbs leave the weights at one byte, and narrow activations
//! ([`Span::I8`]) are one limb.

#![expect(
    unsafe_code,
    reason = "vector loads and stores; tasks write to disjoint blocks of one matrix"
)]

mod activations;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use std::ops::Range;

use crate::Isa;
use crate::aligned::Aligned;
use crate::elementwise::Requant;
use crate::pool::{Parts, Pool};
use crate::round::Element;
pub use activations::{PackedActivations, Span};

/// Outputs of a panel: ranges of outputs begin at multiples of it.
pub const PANEL: usize = 64;

/// Outputs of a vector.
const LANES: usize = 16;

/// Inputs that are multiplied and summed at a time.
const QUAD: usize = 4;

/// Rows of a tile of results at most; what a call of a kernel computes.
const TILE_ROWS: usize = 6;

/// Into how many tasks a thread's share is cut, so that a thread that is held up holds nobody up.
const TASKS_PER_THREAD: usize = 4;

/// Products that are worth sharing out among threads: about two microseconds of one.
const WORTH_THREADS: usize = 1 << 17;

/// A tile of sums: rows by outputs of a panel.
type Tile = [[i32; PANEL]; TILE_ROWS];

/// What a kernel reads of the operator: a panel, or some of its groups of inputs.
struct Panel<'a> {
    /// Groups of four inputs: `[vectors · 16][4]` each.
    weights: &'a [i8],
    /// Vectors of 16 outputs, at most four.
    vectors: usize,
}

/// The weights of a linear operator, packed for a kernel.
pub struct PackedLinear {
    isa: Isa,
    n: usize,
    k: usize,
    weights: Aligned<i8>,
    /// Σ_j w[c, j], modulo 2^32.
    sums: Vec<i32>,
    bias: Vec<i32>,
}

/// Where the results of a linear go, and as what. Slices are row-major [rows, outputs].
#[derive(Debug)]
pub enum Output<'a> {
    /// The sums themselves.
    Raw(&'a mut [i32]),
    /// Requantized sums; the multipliers are one or one for each of the operator's n outputs.
    I16(&'a mut [i16], Requant<'a>),
    /// Requantized sums.
    I32(&'a mut [i32], Requant<'a>),
}

impl PackedLinear {
    /// Packs `weights`, `[n, k]` row-major, and `bias`, `[n]`.
    ///
    /// # Panics
    /// If lengths and dimensions differ.
    #[must_use]
    pub fn pack(isa: Isa, weights: &[i8], bias: Option<&[i32]>, n: usize, k: usize) -> Self {
        assert_eq!(
            Some(weights.len()),
            n.checked_mul(k),
            "weights are [{n}, {k}]"
        );
        let bias = bias.map_or_else(|| vec![0; n], <[i32]>::to_vec);
        assert_eq!(bias.len(), n, "one bias for each of {n} outputs");
        let quads = k.div_ceil(QUAD);
        let mut packed = Aligned::zeros(n.next_multiple_of(LANES) * quads * QUAD);
        for (panel, place) in packed
            .as_mut_slice()
            .chunks_mut((PANEL * quads * QUAD).max(1))
            .enumerate()
        {
            let width = place.len() / (quads * QUAD).max(1);
            for (c, row) in weights
                .chunks_exact(k.max(1))
                .skip(panel * PANEL)
                .take(width)
                .enumerate()
            {
                for (quad, values) in row.chunks(QUAD).enumerate() {
                    place[(quad * width + c) * QUAD..][..values.len()].copy_from_slice(values);
                }
            }
        }
        let sums = match k {
            0 => vec![0; n],
            k => weights
                .chunks_exact(k)
                .map(|row| {
                    row.iter()
                        .fold(0_i32, |sum, &w| sum.wrapping_add(i32::from(w)))
                })
                .collect(),
        };
        Self {
            isa,
            n,
            k,
            weights: packed,
            sums,
            bias,
        }
    }

    /// n.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.n
    }

    /// k.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.k
    }

    /// Bytes of memory that the packed operator takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + 4 * (self.sums.capacity() + self.bias.capacity())
    }

    /// Computes some of the outputs, on this thread. `out` is [rows, outputs.len()]; the multipliers of a requantization
    /// are still those of all n outputs. For every output, |bias| + Σ|w·x| < 2^31 is the caller's.
    ///
    /// # Panics
    /// If the range does not begin at a multiple of [`PANEL`], or ends at neither one nor n; if x was packed for
    /// another k or instruction set; if lengths differ.
    pub fn run(&self, x: &PackedActivations, outputs: Range<usize>, out: Output<'_>) {
        assert!(
            outputs.start.is_multiple_of(PANEL)
                && outputs.start <= outputs.end
                && (outputs.end == self.n
                    || outputs.end < self.n && outputs.end.is_multiple_of(PANEL)),
            "outputs {outputs:?} of {}",
            self.n
        );
        let width = outputs.len();
        let panels = outputs.start / PANEL..outputs.end.div_ceil(PANEL);
        match out {
            Output::Raw(out) => self.here(x, panels, Sink::new(out, x.rows(), width, None)),
            Output::I16(out, requant) => {
                self.here(x, panels, Sink::new(out, x.rows(), width, Some(requant)));
            }
            Output::I32(out, requant) => {
                self.here(x, panels, Sink::new(out, x.rows(), width, Some(requant)));
            }
        }
    }

    /// Computes all outputs, shared out among the threads of a pool. `out` is [rows, n].
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_on(&self, pool: &Pool, x: &PackedActivations, out: Output<'_>) {
        let n = self.n;
        match out {
            Output::Raw(out) => self.shared(pool, x, &Sink::new(out, x.rows(), n, None)),
            Output::I16(out, requant) => {
                self.shared(pool, x, &Sink::new(out, x.rows(), n, Some(requant)));
            }
            Output::I32(out, requant) => {
                self.shared(pool, x, &Sink::new(out, x.rows(), n, Some(requant)));
            }
        }
    }

    fn here<T: Element>(&self, x: &PackedActivations, panels: Range<usize>, mut sink: Sink<'_, T>) {
        self.check(x, &sink);
        sink.first = panels.start * PANEL;
        // SAFETY: nobody else has the sink.
        unsafe { self.block(x, panels, 0..x.rows(), &sink) };
    }

    fn shared<T: Element>(&self, pool: &Pool, x: &PackedActivations, sink: &Sink<'_, T>) {
        self.check(x, sink);
        let panels = self.n.div_ceil(PANEL);
        let tiles = x.rows().div_ceil(x.tile_rows());
        let products = self.n.saturating_mul(self.k).saturating_mul(x.rows());
        let wanted = if pool.threads() > 1 && products >= WORTH_THREADS {
            pool.threads() * TASKS_PER_THREAD
        } else {
            1
        };
        let down = wanted.min(panels);
        let across = if down == 0 {
            0
        } else {
            wanted.div_ceil(down).min(tiles)
        };
        pool.run(down * across, &|task| {
            let panels = share(panels, down, task / across);
            let tiles = share(tiles, across, task % across);
            let rows = tiles.start * x.tile_rows()..x.rows().min(tiles.end * x.tile_rows());
            // SAFETY: blocks of different tasks have no place in common.
            unsafe { self.block(x, panels, rows, sink) };
        });
    }

    fn check<T: Element>(&self, x: &PackedActivations, sink: &Sink<'_, T>) {
        assert_eq!(x.inputs(), self.k, "inputs of the activations");
        assert!(x.is_for(self.isa), "activations packed for {:?}", self.isa);
        if let Some(requant) = &sink.requant {
            requant.check::<T>(self.n);
        }
    }

    /// Computes a block of panels by rows; it begins at a tile of the activations.
    ///
    /// # Safety
    /// No other reference to the block's places in the sink is alive.
    unsafe fn block<T: Element>(
        &self,
        x: &PackedActivations,
        panels: Range<usize>,
        rows: Range<usize>,
        sink: &Sink<'_, T>,
    ) {
        let quads = self.k.div_ceil(QUAD);
        let correction = x.correction();
        let mut tile = [[0; PANEL]; TILE_ROWS];
        for panel in panels {
            let start = panel * PANEL;
            let end = self.n.min(start + PANEL);
            let width = (end - start).next_multiple_of(LANES);
            let weights = &self.weights.as_slice()[start * quads * QUAD..][..width * quads * QUAD];
            let mut base = [0_i32; PANEL];
            for ((base, &bias), &sum) in base
                .iter_mut()
                .zip(&self.bias[start..end])
                .zip(&self.sums[start..end])
            {
                *base = bias.wrapping_add(correction.wrapping_mul(sum));
            }
            for first in rows.clone().step_by(x.tile_rows()) {
                let count = x.tile_rows().min(rows.end - first);
                tile[..count].fill(base);
                let block = x.quads_at_once();
                let blocks = weights.chunks(block.saturating_mul(width * QUAD));
                for (weights, quad) in blocks.zip((0..).step_by(block)) {
                    let panel = Panel {
                        weights,
                        vectors: width / LANES,
                    };
                    x.multiply(self.isa, &panel, quad, first, count, &mut tile);
                }
                for (row, sums) in tile[..count].iter().enumerate() {
                    // SAFETY: these places are in the block.
                    let out = unsafe { sink.row(first + row, start..end) };
                    match &sink.requant {
                        Some(requant) => {
                            requant.row(self.isa, &sums[..end - start], start..end, out);
                        }
                        None => out
                            .iter_mut()
                            .zip(sums)
                            .for_each(|(out, &sum)| *out = T::narrow(i64::from(sum))),
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for PackedLinear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedLinear")
            .field("isa", &self.isa)
            .field("outputs", &self.n)
            .field("inputs", &self.k)
            .finish_non_exhaustive()
    }
}

/// A matrix of results that tasks write blocks of.
struct Sink<'a, T> {
    parts: Parts<'a, T>,
    /// Columns.
    width: usize,
    /// The output that the first column is.
    first: usize,
    requant: Option<Requant<'a>>,
}

impl<'a, T: Element> Sink<'a, T> {
    fn new(out: &'a mut [T], rows: usize, width: usize, requant: Option<Requant<'a>>) -> Self {
        assert_eq!(out.len(), rows * width, "out is [{rows}, {width}]");
        Self {
            parts: Parts::new(out),
            width,
            first: 0,
            requant,
        }
    }

    /// # Safety
    /// The place is inside, and no other reference to it is alive.
    #[expect(clippy::mut_from_ref, reason = "the caller keeps blocks disjoint")]
    unsafe fn row(&self, row: usize, outputs: Range<usize>) -> &mut [T] {
        let start = row * self.width;
        // SAFETY: by the caller's word.
        unsafe {
            self.parts.slice(
                start + outputs.start - self.first,
                start + outputs.end - self.first,
            )
        }
    }
}

/// The `at`-th of `parts` nearly equal shares of 0 … whole − 1.
fn share(whole: usize, parts: usize, at: usize) -> Range<usize> {
    whole * at / parts..whole * (at + 1) / parts
}
