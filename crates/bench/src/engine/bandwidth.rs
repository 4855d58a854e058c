//! What the machine could do: bytes read from memory, and products of an int8 weight with an int16 activation, per second.

use std::hint::black_box;
use std::time::Instant;

use proofmark_kernels::{Isa, Output, PackedActivations, PackedLinear, Pool, Reading, Span};

/// Bytes that are read: more than the caches of a core, shared ones may be larger.
const BYTES: usize = 1 << 30;

/// Bytes per second that threads read of memory as weights lie in it, each its own part of 1 GiB; the best of three.
pub(super) fn read_bandwidth(threads: usize) -> f64 {
    let reading = Reading::new(Isa::detect(), BYTES);
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in 0..threads.max(1) {
                let reading = &reading;
                scope.spawn(move || black_box(reading.sum(part, threads.max(1))));
            }
        });
        best = best.max(reading.bytes() as f64 / start.elapsed().as_secs_f64());
    }
    best
}

/// Products per second of the linear kernel alone, on matrices that stay in a cache; the best of five.
pub(super) fn sums_per_second(threads: usize) -> f64 {
    const ROWS: usize = 512;
    const SIZE: usize = 1024;
    let (isa, pool) = (Isa::detect(), Pool::new(threads));
    let weights: Vec<i8> = (0..SIZE * SIZE).map(|i| (i * 37 % 251) as i8).collect();
    let linear = PackedLinear::pack(isa, &weights, None, SIZE, SIZE);
    let inputs: Vec<i16> = (0..ROWS * SIZE).map(|i| (i * 73 % 8191) as i16).collect();
    let mut packed = PackedActivations::new();
    packed.pack(isa, &inputs, ROWS, SIZE, Span::I16);
    let mut sums = vec![0_i32; ROWS * SIZE];
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let start = Instant::now();
        linear.run_on(&pool, &packed, Output::Raw(&mut sums));
        black_box(&sums);
        best = best.max((ROWS * SIZE * SIZE) as f64 / start.elapsed().as_secs_f64());
    }
    best
}
