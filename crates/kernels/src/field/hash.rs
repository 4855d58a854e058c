//! BLAKE3, keyed, of many messages of one length at once: each lane of a vector has a message of its own.

#![expect(unsafe_code, reason = "vector loads and stores")]

use super::vector::{Vector, vectors};
use crate::{Isa, Pool};

/// A digest, or a key, as eight little-endian words.
pub type DigestWords = [u32; 8];

/// Words of a block, and blocks of a chunk.
pub(super) const BLOCK: usize = 16;
pub(super) const CHUNK: usize = 16 * BLOCK;

const IV: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

pub(super) const CHUNK_START: u32 = 1;
pub(super) const CHUNK_END: u32 = 2;
pub(super) const PARENT: u32 = 4;
pub(super) const ROOT: u32 = 8;
pub(super) const KEYED: u32 = 16;

/// Word i of a round is the message's word `SCHEDULE[round][i]`: the permutation of the specification, applied round times.
const SCHEDULE: [[usize; 16]; 7] = {
    const STEP: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut schedule = [[0; 16]; 7];
    let mut i = 0;
    while i < 16 {
        schedule[0][i] = i;
        i += 1;
    }
    let mut round = 1;
    while round < 7 {
        let mut i = 0;
        while i < 16 {
            schedule[round][i] = schedule[round - 1][STEP[i]];
            i += 1;
        }
        round += 1;
    }
    schedule
};

/// What a compression is of, besides words.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) counter: u64,
    pub(super) bytes: u32,
    pub(super) flags: u32,
}

/// BLAKE3's compression function, the first half of its output.
///
/// # Safety
/// The instruction set of `V` is there.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
pub(super) unsafe fn compress<V: Vector>(cv: [V; 8], message: &[V; 16], block: Block) -> [V; 8] {
    // SAFETY: the caller's word.
    let splat = |word: u32| unsafe { V::splat(word) };
    let mut v: [V; 16] = [
        cv[0],
        cv[1],
        cv[2],
        cv[3],
        cv[4],
        cv[5],
        cv[6],
        cv[7],
        splat(IV[0]),
        splat(IV[1]),
        splat(IV[2]),
        splat(IV[3]),
        splat(block.counter as u32),
        splat((block.counter >> 32) as u32),
        splat(block.bytes),
        splat(block.flags),
    ];
    macro_rules! mix {
        ($a:expr, $b:expr, $c:expr, $d:expr, $x:expr, $y:expr) => {
            v[$a] = v[$a].wrapping_add(v[$b]).wrapping_add($x);
            v[$d] = v[$d].xor(v[$a]).rotate::<16>();
            v[$c] = v[$c].wrapping_add(v[$d]);
            v[$b] = v[$b].xor(v[$c]).rotate::<12>();
            v[$a] = v[$a].wrapping_add(v[$b]).wrapping_add($y);
            v[$d] = v[$d].xor(v[$a]).rotate::<8>();
            v[$c] = v[$c].wrapping_add(v[$d]);
            v[$b] = v[$b].xor(v[$c]).rotate::<7>();
        };
    }
    macro_rules! round {
        ($round:expr) => {
            let m = |i: usize| message[SCHEDULE[$round][i]];
            mix!(0, 4, 8, 12, m(0), m(1));
            mix!(1, 5, 9, 13, m(2), m(3));
            mix!(2, 6, 10, 14, m(4), m(5));
            mix!(3, 7, 11, 15, m(6), m(7));
            mix!(0, 5, 10, 15, m(8), m(9));
            mix!(1, 6, 11, 12, m(10), m(11));
            mix!(2, 7, 8, 13, m(12), m(13));
            mix!(3, 4, 9, 14, m(14), m(15));
        };
    }
    round!(0);
    round!(1);
    round!(2);
    round!(3);
    round!(4);
    round!(5);
    round!(6);
    std::array::from_fn(|i| v[i].xor(v[i + 8]))
}

/// Digests of the rows of [rows, `words`], a positive multiple of 16 words each.
///
/// # Panics
/// If lengths differ.
pub fn hash_rows(isa: Isa, key: &DigestWords, rows: &[u32], words: usize, out: &mut [DigestWords]) {
    assert!(
        words > 0 && words.is_multiple_of(BLOCK),
        "rows of whole blocks"
    );
    assert_eq!(rows.len(), words * out.len(), "one digest for each row");
    let mut state = ChunkStates::new(isa, key, out.len());
    let chunks = words.div_ceil(CHUNK);
    let mut values = vec![[0; 8]; chunks * out.len()];
    for (chunk, values) in values.chunks_exact_mut(out.len().max(1)).enumerate() {
        let first = chunk * CHUNK;
        let last = words.min(first + CHUNK);
        state.begin(chunk as u64);
        let run = Run {
            blocks: (last - first) / BLOCK,
            starts: true,
            end: end_flags(chunks),
        };
        state.update(0, &rows[first..], words, out.len(), run);
        state.finish(values);
    }
    join_chunks(isa, key, &values, chunks, out);
}

/// Digests of pairs of digests: of 64 bytes each.
///
/// # Panics
/// If there are not two children for each parent.
pub fn hash_pairs(
    pool: &Pool,
    isa: Isa,
    key: &DigestWords,
    children: &[DigestWords],
    parents: &mut [DigestWords],
) {
    assert_eq!(
        children.len(),
        2 * parents.len(),
        "two children for a parent"
    );
    const TASK: usize = 1024;
    pool.for_each_chunk(parents, TASK, |task, parents| {
        let children = &children[2 * task * TASK..][..2 * parents.len()];
        hash_rows(isa, key, children.as_flattened(), BLOCK, parents);
    });
}

/// Joins the chaining values, [chunks, rows], of each row's chunks to its digest.
pub(super) fn join_chunks(
    isa: Isa,
    key: &DigestWords,
    values: &[DigestWords],
    chunks: usize,
    out: &mut [DigestWords],
) {
    let rows = out.len();
    if chunks == 1 {
        out.copy_from_slice(values);
        return;
    }
    subtree(isa, key, values, rows, true, out);
}

/// The chaining value of a subtree of chunks: its left part is the largest power of two that is less than all of it.
fn subtree(
    isa: Isa,
    key: &DigestWords,
    values: &[DigestWords],
    rows: usize,
    root: bool,
    out: &mut [DigestWords],
) {
    let chunks = values.len() / rows.max(1);
    if chunks <= 1 {
        out.copy_from_slice(values);
        return;
    }
    let (left, right) = values.split_at(chunks.div_ceil(2).next_power_of_two() * rows);
    let mut pairs = vec![[0_u32; 8]; 2 * rows];
    let mut side = vec![[0_u32; 8]; rows];
    for (part, offset) in [(left, 0), (right, 1)] {
        subtree(isa, key, part, rows, false, &mut side);
        for (pair, value) in pairs.chunks_exact_mut(2).zip(&side) {
            pair[offset] = *value;
        }
    }
    let flags = PARENT | if root { ROOT } else { 0 };
    let mut state = ChunkStates::new(isa, key, rows);
    state.begin(0);
    let run = Run {
        blocks: 1,
        starts: false,
        end: flags,
    };
    state.update(0, pairs.as_flattened(), BLOCK, rows, run);
    state.finish(out);
}

/// The chaining values of one chunk of many messages while its blocks come in.
pub(super) struct ChunkStates {
    isa: Isa,
    key: DigestWords,
    rows: usize,
    counter: u64,
    /// By groups of 16 rows: `[8][16]`.
    words: Vec<[[u32; 16]; 8]>,
}

/// Blocks that follow each other in a chunk, or the one of a parent.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) blocks: usize,
    /// Whether the first begins a chunk.
    pub(super) starts: bool,
    /// Flags of the last.
    pub(super) end: u32,
}

/// Flags of the last block of a chunk, one of `chunks`.
pub(super) const fn end_flags(chunks: usize) -> u32 {
    if chunks == 1 {
        CHUNK_END | ROOT
    } else {
        CHUNK_END
    }
}

impl ChunkStates {
    pub(super) fn new(isa: Isa, key: &DigestWords, rows: usize) -> Self {
        Self {
            isa,
            key: *key,
            rows,
            counter: 0,
            words: vec![[[0; 16]; 8]; rows.div_ceil(16)],
        }
    }

    /// Begins the chunk of that number.
    pub(super) fn begin(&mut self, counter: u64) {
        self.counter = counter;
        for group in &mut self.words {
            *group = self.key.map(|word| [word; 16]);
        }
    }

    /// Takes a run of blocks of `count` rows, the first being row `first`, a multiple of 16; `stride` words apart.
    pub(super) fn update(
        &mut self,
        first: usize,
        words: &[u32],
        stride: usize,
        count: usize,
        run: Run,
    ) {
        assert!(first.is_multiple_of(16) && first + count <= self.rows && run.blocks > 0);
        assert!(count == 0 || words.len() >= (count - 1) * stride + run.blocks * BLOCK);
        let states = &mut self.words[first / 16..];
        let (isa, counter) = (self.isa, self.counter);
        vectors!(isa, rows_of(states: &mut [[[u32; 16]; 8]], words: &[u32], stride: usize, count: usize, run: Run, counter: u64));
    }

    /// The chaining values of all rows.
    pub(super) fn finish(&self, out: &mut [DigestWords]) {
        assert_eq!(out.len(), self.rows);
        for (row, value) in out.iter_mut().enumerate() {
            let group = &self.words[row / 16];
            *value = std::array::from_fn(|i| group[i][row % 16]);
        }
    }
}

/// # Safety
/// The instruction set of `V` is there; `words` has `count` rows of the run's blocks, and `states` their groups.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
unsafe fn rows_of<V: Vector>(
    states: &mut [[[u32; 16]; 8]],
    words: &[u32],
    stride: usize,
    count: usize,
    run: Run,
    counter: u64,
) {
    let mut spare = [0_u32; 16 * BLOCK];
    for (group, states) in states.iter_mut().enumerate().take(count.div_ceil(16)) {
        for lane in (0..16).step_by(V::LANES) {
            let row = 16 * group + lane;
            if row >= count {
                break;
            }
            // SAFETY: the state of 16 lanes, of which these are LANES.
            let mut cv = std::array::from_fn(|i| unsafe { V::load(states[i].as_ptr().add(lane)) });
            for number in 0..run.blocks {
                let (from, stride) = if row + V::LANES <= count {
                    (words[row * stride + number * BLOCK..].as_ptr(), stride)
                } else {
                    // Rows that are missing from the last vector: some words or other.
                    for (place, row) in spare.chunks_exact_mut(BLOCK).zip(row..count) {
                        place.copy_from_slice(&words[row * stride + number * BLOCK..][..BLOCK]);
                    }
                    (spare.as_ptr(), BLOCK)
                };
                let start = if run.starts && number == 0 {
                    CHUNK_START
                } else {
                    0
                };
                let end = if number + 1 == run.blocks { run.end } else { 0 };
                let block = Block {
                    counter,
                    bytes: 64,
                    flags: KEYED | start | end,
                };
                // SAFETY: LANES rows of 16 words each begin there.
                let message = unsafe { V::transposed(from, stride) };
                // SAFETY: the caller's word.
                cv = unsafe { compress(cv, &message, block) };
            }
            for (value, state) in cv.into_iter().zip(states.iter_mut()) {
                // SAFETY: as above.
                unsafe { value.store(state.as_mut_ptr().add(lane)) };
            }
        }
    }
}

/// The least nonce such that the `bits` (at most 32) low bits of the keyed digest of `prefix` and the nonce (8 bytes,
/// little-endian) are zero.
#[must_use]
pub fn find_nonce(
    pool: &Pool,
    isa: Isa,
    key: &DigestWords,
    prefix: &DigestWords,
    bits: u32,
) -> u64 {
    assert!(bits <= 32, "at most 32 bits of work");
    const TASK: u64 = 1 << 12;
    let tasks = 4 * pool.threads();
    let mut first = 0_u64;
    loop {
        let mut found = vec![None; tasks];
        pool.for_each(&mut found, |task, found| {
            let start = first + task as u64 * TASK;
            *found = vectors!(isa, nonce_in(key: &DigestWords, prefix: &DigestWords, start: u64, bits: u32) -> Option<u64>);
        });
        // Tasks are in the order of nonces: the first that found one has the least.
        if let Some(nonce) = found.into_iter().flatten().next() {
            return nonce;
        }
        first += tasks as u64 * TASK;
    }

    /// # Safety
    /// The instruction set of `V` is there.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "compiled for the caller's instruction set"
    )]
    unsafe fn nonce_in<V: Vector>(
        key: &DigestWords,
        prefix: &DigestWords,
        start: u64,
        bits: u32,
    ) -> Option<u64> {
        let mask = u32::try_from((1_u64 << bits) - 1).unwrap_or(u32::MAX);
        let block = Block {
            counter: 0,
            bytes: 40,
            flags: CHUNK_START | CHUNK_END | ROOT | KEYED,
        };
        // SAFETY: the caller's word.
        let splat = |word| unsafe { V::splat(word) };
        let mut message = [splat(0); 16];
        for (word, &value) in message.iter_mut().zip(prefix) {
            *word = splat(value);
        }
        let cv = key.map(splat);
        for nonce in (start..start + TASK).step_by(V::LANES) {
            // Tasks begin at multiples of 2^12, so no low word overflows within a vector.
            let low: [u32; 16] = std::array::from_fn(|i| (nonce as u32).wrapping_add(i as u32));
            // SAFETY: 16 words.
            message[8] = unsafe { V::load(low.as_ptr()) };
            message[9] = splat((nonce >> 32) as u32);
            // SAFETY: the caller's word.
            let digest = unsafe { compress(cv, &message, block) };
            let words = digest[0].words();
            let hit = words
                .iter()
                .take(V::LANES)
                .position(|word| word & mask == 0);
            if let Some(lane) = hit {
                return Some(nonce + lane as u64);
            }
        }
        None
    }
}
