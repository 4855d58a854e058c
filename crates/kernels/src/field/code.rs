//! The Reed–Solomon code of commitments, and the hashes of its positions (specs/05-proof.md §4.2, §4.3).
//!
//! The code's positions are computed coset by coset and 64 lanes at a time, which are hashed on the way: only digests stay,
//! unless the words are asked for.

#![expect(
    unsafe_code,
    reason = "vector loads and stores; tasks write to disjoint rows"
)]

use std::sync::{Mutex, PoisonError};

use proofmark_field::{F, P};

use super::hash::{BLOCK, CHUNK, ChunkStates, DigestWords, Run, end_flags, join_chunks};
use super::vector::{Vector, vectors};
use crate::aligned::Aligned;
use crate::isa::compiled;
use crate::pool::Parts;
use crate::{Isa, Pool};

/// Lanes that are transformed at a time: 256 bytes of a row.
const STRIP: usize = 64;

/// Rows that are transformed without recursion: 32 KiB of a strip.
const LOG2_NEAR: u32 = 7;

/// Rows that are hashed while they are near: 1 MiB of a strip.
const LOG2_FAR: u32 = 12;

/// Messages: row-major [H, lanes].
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// Small integers.
    I8(&'a [i8]),
    /// Elements of the base field.
    Base(&'a [F]),
}

impl Rows<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::I8(values) => values.len(),
            Self::Base(values) => values.len(),
        }
    }
}

/// A code word for each lane, position by position.
#[derive(Debug)]
pub struct Encoded {
    /// The digest of each position's lanes.
    pub leaves: Vec<DigestWords>,
    /// Canonical words, [positions, lanes], if they were asked for.
    pub words: Option<Words>,
}

/// Many words, in large pages where the system has them.
#[derive(Clone)]
pub struct Words(Aligned<u32>);

impl Words {
    /// The words.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        self.0.as_slice()
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} words", self.as_slice().len())
    }
}

/// A code's length and what its transform multiplies with.
#[derive(Debug, Clone)]
pub struct Code {
    log2_message: u32,
    log2_inverse_rate: u32,
    /// s of block b at any layer, Montgomery words: a block of 2m positions is the message modulo X^2m − s², and its halves are
    /// those modulo X^m − s and X^m + s.
    roots: Vec<u32>,
}

impl Code {
    /// The code for messages of 2^`log2_message` elements, of 2^`log2_inverse_rate` times as many positions.
    ///
    /// # Panics
    /// Beyond 2^24 positions.
    #[must_use]
    pub fn new(log2_message: u32, log2_inverse_rate: u32) -> Self {
        let log2_length = log2_message + log2_inverse_rate;
        assert!(
            log2_length <= proofmark_field::TWO_ADICITY,
            "at most 2^24 positions"
        );
        let mut roots = vec![F::ONE];
        for layer in 1..log2_length {
            // Block b + 2^(layer − 1) is block b, turned by half a step less.
            let turn = F::root_of_unity(layer + 1).unwrap_or_default();
            let next: Vec<F> = roots.iter().map(|&root| root * turn).collect();
            roots.extend(next);
        }
        Self {
            log2_message,
            log2_inverse_rate,
            roots: roots.into_iter().map(F::to_word).collect(),
        }
    }

    /// Encodes the lanes of [2^log2_message, `lanes`] and hashes the positions with `key`; `lanes` is a multiple of 16.
    ///
    /// # Panics
    /// If lengths differ.
    #[must_use]
    pub fn encode(
        &self,
        pool: &Pool,
        isa: Isa,
        rows: Rows<'_>,
        lanes: usize,
        key: &DigestWords,
        keep: bool,
    ) -> Encoded {
        let height = 1_usize << self.log2_message;
        assert!(
            lanes > 0 && lanes.is_multiple_of(BLOCK),
            "lanes come in sixteens"
        );
        assert_eq!(rows.len(), lanes * height, "rows are [{height}, {lanes}]");
        let cosets = 1_usize << self.log2_inverse_rate;
        let chunks = lanes.div_ceil(CHUNK);
        // Chaining values, [coset, chunk, row]: a task has one coset's rows of one chunk.
        let mut values = vec![[0_u32; 8]; cosets * chunks * height];
        let mut words = keep.then(|| Words(Aligned::zeros(cosets * height * lanes)));
        let kept = words.as_mut();
        let kept = kept.map(|words| Parts::new(words.0.as_mut_slice()));
        // Strips of tasks that are done, for those that begin: new pages cost more than what is computed in them.
        let spare = Mutex::new(Vec::<Aligned<u32>>::new());
        pool.for_each_chunk(&mut values, height, |task, values| {
            let (coset, chunk) = (task / chunks, task % chunks);
            let from = chunk * CHUNK;
            let to = lanes.min(from + CHUNK);
            let mut states = ChunkStates::new(isa, key, height);
            states.begin(chunk as u64);
            let strips = || spare.lock().unwrap_or_else(PoisonError::into_inner);
            let before = strips().pop();
            let mut space = before.unwrap_or_else(|| Aligned::zeros(height * STRIP.min(lanes)));
            for first in (from..to).step_by(STRIP) {
                let width = STRIP.min(to - first);
                let strip = &mut space.as_mut_slice()[..height * width];
                for (row, place) in strip.chunks_exact_mut(width).enumerate() {
                    load(isa, &rows, row * lanes + first, place);
                }
                let run = Run {
                    blocks: width / BLOCK,
                    starts: first == from,
                    end: if first + width == to {
                        end_flags(chunks)
                    } else {
                        0
                    },
                };
                self.transform(isa, strip, width, coset, &mut |row, rows| {
                    states.update(row, rows, width, rows.len() / width, run);
                });
                if let Some(kept) = &kept {
                    for (row, values) in strip.chunks_exact(width).enumerate() {
                        let start = (coset * height + row) * lanes + first;
                        // SAFETY: lanes of this task's chunk in rows of its coset, which no other task has.
                        unsafe { kept.slice(start, start + width) }.copy_from_slice(values);
                    }
                }
            }
            states.finish(values);
            strips().push(space);
        });
        let mut leaves = vec![[0; 8]; cosets * height];
        pool.for_each_chunk(&mut leaves, height, |coset, leaves| {
            let values = &values[coset * chunks * height..][..chunks * height];
            join_chunks(isa, key, values, chunks, leaves);
        });
        Encoded { leaves, words }
    }

    /// Values of polynomials, [2^log2_message, width] coefficients, at the places of a coset; `done` is called with rows, and the
    /// number of the first, as soon as they have their values.
    fn transform(
        &self,
        isa: Isa,
        rows: &mut [u32],
        width: usize,
        coset: usize,
        done: &mut impl FnMut(usize, &[u32]),
    ) {
        assert_eq!(rows.len(), width << self.log2_message);
        assert!(width.is_multiple_of(16) && coset < 1 << self.log2_inverse_rate);
        self.descend(isa, rows, (width, self.log2_message, coset, 0), done);
    }

    /// Depth first, so that what fits a cache is finished in it.
    fn descend(
        &self,
        isa: Isa,
        rows: &mut [u32],
        of: (usize, u32, usize, usize),
        done: &mut impl FnMut(usize, &[u32]),
    ) {
        let (width, log2_rows, number, start) = of;
        let roots = self.roots.as_slice();
        if log2_rows <= LOG2_FAR {
            vectors!(isa, block(rows: &mut [u32], width: usize, log2_rows: u32, roots: &[u32], number: usize));
            done(start, rows);
            return;
        }
        vectors!(isa, two_layers(rows: &mut [u32], width: usize, log2_rows: u32, roots: &[u32], number: usize));
        let quarter = 1_usize << (log2_rows - 2);
        for (i, rows) in rows.chunks_exact_mut(quarter * width).enumerate() {
            self.descend(
                isa,
                rows,
                (width, log2_rows - 2, 4 * number + i, start + i * quarter),
                done,
            );
        }
    }
}

/// Canonical words of the values from `start` on.
fn load(isa: Isa, rows: &Rows<'_>, start: usize, place: &mut [u32]) {
    match rows {
        Rows::I8(values) => {
            let values = &values[start..][..place.len()];
            compiled!(isa, <> widened(values: &[i8], place: &mut [u32]));
        }
        Rows::Base(values) => {
            let values = &values[start..][..place.len()];
            vectors!(isa, canonical(values: &[F], place: &mut [u32]));
        }
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
fn widened(values: &[i8], place: &mut [u32]) {
    for (word, &value) in place.iter_mut().zip(values) {
        let value = i32::from(value);
        *word = (value + (value >> 31 & P.cast_signed())).cast_unsigned();
    }
}

/// # Safety
/// The instruction set of `V` is there; both have the same length, a multiple of 16.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
unsafe fn canonical<V: Vector>(values: &[F], place: &mut [u32]) {
    for (place, values) in place
        .chunks_exact_mut(V::LANES)
        .zip(values.chunks_exact(V::LANES))
    {
        // SAFETY: F is a word in memory, and both are LANES words.
        unsafe {
            V::load(values.as_ptr().cast())
                .mul(V::splat(1))
                .store(place.as_mut_ptr());
        };
    }
}

/// All layers of a block of 2^log2_rows rows, which is block `number` of its layer.
///
/// # Safety
/// The instruction set of `V` is there; `rows` is [2^log2_rows, width], width a multiple of 16; there are roots for the last layer.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
unsafe fn block<V: Vector>(
    rows: &mut [u32],
    width: usize,
    log2_rows: u32,
    roots: &[u32],
    number: usize,
) {
    // Depth first, so that blocks that fit a near cache are finished in it; an explicit stack, for it is inlined.
    let mut pending = [(0_usize, 0_u32, 0_usize); 16];
    let mut depth = 1;
    pending[0] = (0, log2_rows, number);
    while depth > 0 {
        depth -= 1;
        let (start, log2_rows, number) = pending[depth];
        let block = &mut rows[start * width..][..width << log2_rows];
        if log2_rows > LOG2_NEAR {
            // SAFETY: the caller's word.
            unsafe { two_layers::<V>(block, width, log2_rows, roots, number) };
            for quarter in (0..4).rev() {
                pending[depth] = (
                    start + (quarter << (log2_rows - 2)),
                    log2_rows - 2,
                    4 * number + quarter,
                );
                depth += 1;
            }
            continue;
        }
        let mut left = log2_rows;
        while left > 0 {
            let size = width << left;
            let first = number << (log2_rows - left);
            for (i, block) in block.chunks_exact_mut(size).enumerate() {
                // SAFETY: the caller's word.
                unsafe {
                    if left == 1 {
                        one_layer::<V>(block, width, roots[first + i]);
                    } else {
                        two_layers::<V>(block, width, left, roots, first + i);
                    }
                }
            }
            left = left.saturating_sub(2);
        }
    }
}

/// One layer of a block of two rows.
///
/// # Safety
/// The instruction set of `V` is there; `rows` is [2, width], width a multiple of 16.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
unsafe fn one_layer<V: Vector>(rows: &mut [u32], width: usize, s: u32) {
    let start = rows.as_mut_ptr();
    // SAFETY: within the two rows.
    unsafe {
        let s = V::splat(s);
        for at in (0..width).step_by(V::LANES) {
            let (p, q) = (start.add(at), start.add(width + at));
            let (a, b) = (V::load(p), V::load(q).mul(s));
            a.add(b).store(p);
            a.sub(b).store(q);
        }
    }
}

/// Two layers of a block of 2^log2_rows ≥ 4 rows.
///
/// # Safety
/// As [`block`].
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
unsafe fn two_layers<V: Vector>(
    rows: &mut [u32],
    width: usize,
    log2_rows: u32,
    roots: &[u32],
    number: usize,
) {
    let quarter = width << (log2_rows - 2);
    assert!(rows.len() == 4 * quarter);
    let start = rows.as_mut_ptr();
    let [r, r0, r1] = [roots[number], roots[2 * number], roots[2 * number + 1]];
    // SAFETY: offsets stay within a quarter, and there are four.
    unsafe {
        let (r, r0, r1) = (V::splat(r), V::splat(r0), V::splat(r1));
        for at in (0..quarter).step_by(V::LANES) {
            let [pa, pb, pc, pd] = [
                start.add(at),
                start.add(quarter + at),
                start.add(2 * quarter + at),
                start.add(3 * quarter + at),
            ];
            let (a, b) = (V::load(pa), V::load(pb));
            let (c, d) = (V::load(pc).mul(r), V::load(pd).mul(r));
            let (a, c) = (a.add(c), a.sub(c));
            let (b, d) = (b.add(d), b.sub(d));
            let (b, d) = (b.mul(r0), d.mul(r1));
            a.add(b).store(pa);
            a.sub(b).store(pb);
            c.add(d).store(pc);
            c.sub(d).store(pd);
        }
    }
}
