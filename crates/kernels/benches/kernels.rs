//! `cargo bench -p proofmark-kernels [-- FILTER]`: kernels against the machine's read bandwidth and multiply rate.
//!
//! Bytes per second are those of the packed weights (linear) or of the cache that is read (attention); items per second
//! are multiplications of an int8 weight with an activation.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use proofmark_kernels::{
    Attention, AttentionJob, BLOCK, Bounds, Isa, KvBlock, KvLayout, Norm, Output,
    PackedActivations, PackedLinear, Pool, Requant, Span, add, requantize, rms_norm, softmax,
};

fn main() {
    divan::main();
}

/// Numbers without a pattern, from a multiplicative congruence.
fn noise(seed: u64) -> impl Iterator<Item = i32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        Some((state >> 33) as i32)
    })
}

fn weights(n: usize, k: usize) -> Vec<i8> {
    noise(1).take(n * k).map(|x| x as i8).collect()
}

fn activations(len: usize, span: Span) -> Vec<i16> {
    noise(2)
        .take(len)
        .map(|x| match span {
            Span::I8 => i16::from(x as i8),
            Span::I16 => x as i16 / 8,
        })
        .collect()
}

/// What reading memory takes, and nothing else: sums of 8-byte words.
#[divan::bench(args = [16, 256], threads = [1, 2], sample_size = 1, sample_count = 30)]
fn read_mebibytes(bencher: Bencher<'_, '_>, mebibytes: usize) {
    let words: Vec<u64> = (0..mebibytes << 17).map(|x| x as u64).collect();
    bencher.counter(BytesCount::new(mebibytes << 20)).bench(|| {
        black_box(&words)
            .iter()
            .fold(0_u64, |sum, &x| sum.wrapping_add(x))
    });
}

/// One row: (n, k) and how many copies of the matrix are visited in turn, so that no cache holds them.
const VECTORS: [(usize, usize, usize); 4] = [
    (768, 768, 1),
    (2048, 5632, 1),
    (32_000, 768, 1),
    (2048, 5632, 16),
];

fn row(bencher: Bencher<'_, '_>, isa: Isa, threads: usize, shape: (usize, usize, usize)) {
    let (n, k, copies) = shape;
    let pool = Pool::new(threads);
    let w = weights(n, k);
    let linears: Vec<PackedLinear> = (0..copies)
        .map(|_| PackedLinear::pack(isa, &w, None, n, k))
        .collect();
    let x = activations(k, Span::I16);
    let mut packed = PackedActivations::new();
    let mut y = vec![0_i32; n];
    bencher
        .counter(BytesCount::new(n * k * copies))
        .bench_local(|| {
            for linear in &linears {
                packed.pack(isa, black_box(&x), 1, k, Span::I16);
                linear.run_on(&pool, &packed, Output::Raw(&mut y));
            }
            black_box(y[0])
        });
}

#[divan::bench(args = VECTORS, sample_count = 50)]
fn row_1_thread(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    row(bencher, Isa::detect(), 1, shape);
}

#[divan::bench(args = VECTORS, sample_count = 50)]
fn row_2_threads(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    row(bencher, Isa::detect(), 2, shape);
}

#[divan::bench(args = VECTORS, sample_count = 20)]
fn row_next_isa(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let all = Isa::available();
    row(bencher, all[all.len().saturating_sub(2)], 1, shape);
}

/// Many rows: (rows, n, k).
const MATRICES: [(usize, usize, usize); 4] = [
    (16, 2048, 2048),
    (512, 768, 768),
    (512, 2048, 2048),
    (512, 2048, 5632),
];

fn rows(
    bencher: Bencher<'_, '_>,
    isa: Isa,
    threads: usize,
    span: Span,
    shape: (usize, usize, usize),
) {
    let (rows, n, k) = shape;
    let pool = Pool::new(threads);
    let linear = PackedLinear::pack(isa, &weights(n, k), None, n, k);
    let x = activations(rows * k, span);
    let m: Vec<i32> = noise(3).take(n).map(|m| m & 0xFFFF).collect();
    let requant = Requant {
        multipliers: &m,
        shift: 24,
        bounds: Bounds::I16,
    };
    let mut packed = PackedActivations::new();
    let mut y = vec![0_i16; rows * n];
    bencher
        .counter(ItemsCount::new(rows * n * k))
        .bench_local(|| {
            packed.pack(isa, black_box(&x), rows, k, span);
            linear.run_on(&pool, &packed, Output::I16(&mut y, requant));
            black_box(y[0])
        });
}

#[divan::bench(args = MATRICES, sample_count = 20, sample_size = 1)]
fn rows_1_thread(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    rows(bencher, Isa::detect(), 1, Span::I16, shape);
}

#[divan::bench(args = MATRICES, sample_count = 20, sample_size = 1)]
fn rows_2_threads(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    rows(bencher, Isa::detect(), 2, Span::I16, shape);
}

#[divan::bench(args = MATRICES, sample_count = 20, sample_size = 1)]
fn rows_int8(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    rows(bencher, Isa::detect(), 1, Span::I8, shape);
}

#[divan::bench(args = MATRICES, sample_count = 5, sample_size = 1)]
fn rows_next_isa(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let all = Isa::available();
    rows(
        bencher,
        all[all.len().saturating_sub(2)],
        1,
        Span::I16,
        shape,
    );
}

/// The kernel alone: a few rows, a panel of weights that the innermost cache holds.
#[divan::bench(args = [(6, 64, 384), (12, 64, 384)], sample_count = 50)]
fn rows_in_cache(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    rows(bencher, Isa::detect(), 1, Span::I16, shape);
}

/// Attention of one layer: 4 groups of 8 heads of 64, (rows, positions before them).
#[divan::bench(args = [(1, 511), (1, 4095), (512, 0)], sample_count = 30)]
fn attention(bencher: Bencher<'_, '_>, (rows, before): (usize, usize)) {
    let layout = KvLayout {
        groups: 4,
        key: 64,
        value: 64,
    };
    let attention = Attention {
        layout,
        heads: 8,
        multiplier: 30_000,
        shift: 30,
        fraction: 0,
        window: 0,
        bounds: Bounds::I16,
    };
    let pool = Pool::new(1);
    let positions = before + rows;
    let elements = |seed: u64, len: usize| -> Vec<i16> {
        noise(seed).take(len).map(|x| x as i16 / 8).collect()
    };
    let cache: Vec<(Vec<i16>, Vec<i16>)> = (0..positions.div_ceil(BLOCK))
        .map(|_| {
            (
                elements(4, layout.key_len()),
                elements(5, layout.value_len()),
            )
        })
        .collect();
    let blocks: Vec<KvBlock<'_>> = cache
        .iter()
        .map(|(keys, values)| KvBlock { keys, values })
        .collect();
    let q = elements(6, rows * 32 * 64);
    let mut out = vec![0; q.len()];
    bencher
        .counter(BytesCount::new(positions * 4 * 128 * 2))
        .bench_local(|| {
            let job = AttentionJob {
                q: black_box(&q),
                first: before,
                blocks: &blocks,
                start: 0,
                out: &mut out,
            };
            attention.run(Isa::detect(), &pool, &mut [job]);
        });
}

#[divan::bench(args = [768, 2048])]
fn rms_norm_row(bencher: Bencher<'_, '_>, d: usize) {
    let x: Vec<i32> = noise(7).take(d).map(|x| x >> 8).collect();
    let mut y = vec![0_i16; d];
    let norm = Norm {
        eps: 1,
        fraction: 12,
        bounds: Bounds::I16,
    };
    let isa = Isa::detect();
    bencher
        .counter(ItemsCount::new(d))
        .bench_local(|| rms_norm(isa, black_box(&x), d, &norm, &mut y));
}

#[divan::bench(args = [2048])]
fn requantize_row(bencher: Bencher<'_, '_>, d: usize) {
    let x: Vec<i32> = noise(8).take(d).collect();
    let m: Vec<i32> = noise(9).take(d).map(|m| m & 0xFFFF).collect();
    let requant = Requant {
        multipliers: &m,
        shift: 30,
        bounds: Bounds::I16,
    };
    let mut y = vec![0_i16; d];
    let isa = Isa::detect();
    bencher
        .counter(ItemsCount::new(d))
        .bench_local(|| requantize(isa, black_box(&x), &requant, d, &mut y));
}

#[divan::bench(args = [2048])]
fn add_rows(bencher: Bencher<'_, '_>, d: usize) {
    let x: Vec<i32> = noise(10).take(d).map(|x| x >> 2).collect();
    let mut y = vec![0_i32; d];
    let isa = Isa::detect();
    bencher
        .counter(ItemsCount::new(d))
        .bench_local(|| add(isa, black_box(&x), black_box(&x), &mut y));
}

#[divan::bench(args = [512])]
fn softmax_row(bencher: Bencher<'_, '_>, n: usize) {
    let x: Vec<i32> = noise(11).take(n).map(|x| x >> 8).collect();
    let mut y = vec![0_i32; n];
    let isa = Isa::detect();
    bencher
        .counter(ItemsCount::new(n))
        .bench_local(|| softmax(isa, black_box(&x), n, 1000, 20, Bounds::I32, &mut y));
}

/// What a fork and a join of empty tasks cost.
#[divan::bench(args = [1, 2])]
fn fork_join(bencher: Bencher<'_, '_>, threads: usize) {
    let pool = Pool::new(threads);
    bencher.bench_local(|| {
        pool.run(2, &|task| {
            black_box(task);
        });
    });
}
