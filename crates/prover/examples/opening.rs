//! `cargo run --release -p proofmark-prover --example opening [-- LOG2_SIZE… [--threads N] [--repeat N] [--base|--i8] [--isa NAME] [--shape W RATE] [--cpu]]`: seconds to
//! commit and to open (with --cpu, those that the one thread was running), bytes of the opening, milliseconds to verify it, bits of its account; medians.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::expect_used, reason = "arguments that fit each other")]

use std::sync::LazyLock;
use std::time::Instant;

use proofmark_kernels::{Isa, Pool};
use proofmark_proof::commitment::{Plan, Shape, verify};
use proofmark_proof::field::{E, F};
use proofmark_proof::{Incoming, Outgoing, Transcript};
use proofmark_prover::Machine;
use proofmark_prover::commitment::{Values, commit, memory_bytes, open};

fn main() {
    let mut sizes = Vec::new();
    let (mut threads, mut repeat) = (vec![1, 2], 5);
    let (mut base, mut small) = (true, true);
    let mut isa = Isa::detect();
    let mut shape = None;
    let mut cpu = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            arguments
                .next()
                .and_then(|n| n.parse::<u32>().ok())
                .unwrap_or(1)
        };
        match argument.as_str() {
            "--threads" => threads = vec![number() as usize],
            "--repeat" => repeat = number() as usize,
            "--cpu" => cpu = true,
            "--base" => small = false,
            "--i8" => base = false,
            "--shape" => shape = Some((number(), number())),
            "--isa" => {
                let named = arguments.next().and_then(|name| Isa::by_name(&name));
                isa = named.unwrap_or(isa);
            }
            size => sizes.extend(size.parse::<u32>()),
        }
    }
    if sizes.is_empty() {
        sizes = vec![16, 18, 20, 22, 24];
    }
    println!("instruction set {isa:?}, medians of {repeat}");
    println!(
        "| 2^n | values | threads | w, ρ | commit s | ns | open s | ns | bytes | verify ms | bits | MiB estimated | peak so far |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for log2_size in sizes {
        let shape = shape.map_or_else(
            || Shape::for_size(log2_size),
            |(width, rate)| Shape::new(log2_size, width, rate),
        );
        let Ok(shape) = shape else { continue };
        let bytes: Vec<i8> = noise()
            .map(|word| word as i8)
            .take(1 << log2_size)
            .collect();
        if small {
            for &threads in &threads {
                row(isa, threads, repeat, cpu, "i8", Values::I8(&bytes), shape);
            }
        }
        if base {
            let words: Vec<F> = noise().map(F::new).take(1 << log2_size).collect();
            for &threads in &threads {
                row(
                    isa,
                    threads,
                    repeat,
                    cpu,
                    "base",
                    Values::Base(&words),
                    shape,
                );
            }
        }
    }
}

/// The most memory that this process has had, in MiB; 0 where nobody says.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() >> 10
}

/// Seconds since some time or other: of the clock, or those that this thread was running, which other processes do not
/// lengthen.
fn now(cpu: bool) -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed = START.elapsed().as_secs_f64();
    if !cpu {
        return elapsed;
    }
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let running = stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    running.expect("nanoseconds") / 1e9
}

/// Numbers without a pattern, from a multiplicative congruence.
fn noise() -> impl Iterator<Item = u32> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        Some((state >> 32) as u32)
    })
}

fn row(
    isa: Isa,
    threads: usize,
    repeat: usize,
    cpu: bool,
    name: &str,
    values: Values<'_>,
    shape: Shape,
) {
    let pool = Pool::new(threads);
    let machine = Machine { pool: &pool, isa };
    let mut times = [const { Vec::new() }; 3];
    let mut bytes = 0;
    let mut bits = 0;
    let mut words = noise().map(F::new);
    let point: Vec<E> = (0..shape.log2_size())
        .map(|_| E(std::array::from_fn(|_| words.next().unwrap_or_default())))
        .collect();
    for run in 0..repeat {
        let start = now(cpu);
        let committed = commit(machine, values, shape).expect("as many values as the shape has");
        times[0].push(now(cpu) - start);
        let mut transcript = Transcript::new("benchmark");
        transcript.absorb("run", &(run as u64).to_le_bytes());
        let mut outgoing = Outgoing::new(transcript.clone());
        let start = now(cpu);
        let value = open(machine, &committed, &point, &mut outgoing).expect("a point of the shape");
        times[1].push(now(cpu) - start);
        let proof = outgoing.finish();
        bytes = proof.len();
        let start = now(cpu);
        let mut incoming = Incoming::new(transcript, &proof);
        let account = verify(committed.commitment(), &point, value, &mut incoming);
        times[2].push(now(cpu) - start);
        bits = account.expect("an honest opening").bits();
    }
    let [commit_s, open_s, verify_s] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let small = matches!(values, Values::I8(_));
    let bytes_of_values = values.len() as u64 * if small { 1 } else { 4 };
    let estimate_mib = (bytes_of_values + memory_bytes(&shape, small, threads)) >> 20;
    let peak_mib = peak_mib();
    let per = 1e9 / values.len() as f64;
    let n = shape.log2_size();
    let (w, rate) = (shape.log2_width(), shape.log2_inverse_rate());
    let levels = Plan::for_shape(&shape).levels().len();
    println!(
        "| {n} | {name} | {threads} | {w}, {rate}, {levels} levels | {commit_s:.4} | {:.1} | {open_s:.4} | {:.2} | {bytes} | {:.2} | {bits} | {estimate_mib} | {peak_mib} |",
        commit_s * per,
        open_s * per,
        verify_s * 1e3,
    );
}
