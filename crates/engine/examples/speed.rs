//! Tokens per second of random-weight Llama shapes, beside what the memory could deliver.
//!
//! `cargo run --release -p proofmark-engine --example speed -- [15m|110m|1.1b] [threads]`

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use proofmark_engine::shapes::{LLAMA_1_1B, LLAMA_15M, LLAMA_110M, LlamaShape};
use proofmark_engine::{
    Engine, EngineOptions, GenerateRequest, Model, ModelOptions, Prompt, Replay, ReplayJob,
    Replayer,
};

/// Ids of the prompt of a prefill measurement.
const PROMPT: u32 = 512;
/// Ids that are generated in a decode measurement.
const ANSWER: u32 = 64;
/// Ids of the prompt and of the answer that is replayed.
const PROMPTED: u32 = 64;
const REPLAYED: u32 = 448;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, shape) = match arguments.first().map(String::as_str) {
        Some("15m") => ("15M", LLAMA_15M),
        Some("1.1b") => ("1.1B", LLAMA_1_1B),
        _ => ("110M", LLAMA_110M),
    };
    let threads = arguments.get(1).map_or(Ok(2), |threads| threads.parse())?;
    let model = Arc::new(open(&shape)?);
    println!("{name}, {threads} threads, {}", model.isa().name());
    let options = EngineOptions {
        threads,
        prefix_cache: false,
        ..EngineOptions::default()
    };
    let engine = Engine::start(model, options)?;
    answer(&engine, 8, 8, 1)?;
    let prefill = best(|| answer(&engine, PROMPT, 1, 1))?;
    println!(
        "prefill {PROMPT}: {:.1} tokens/s",
        f64::from(PROMPT) / prefill
    );
    let replayed = replay(&engine, threads)?;
    println!(
        "replay of {REPLAYED} ids after {PROMPTED}: {replayed:.1} tokens/s, {:.2} × prefill",
        replayed * prefill / f64::from(PROMPT)
    );
    let decode = best(|| answer(&engine, 8, ANSWER, 1))?;
    let rate = f64::from(ANSWER) / decode;
    println!("decode: {rate:.1} tokens/s");
    let many = best(|| answer(&engine, 8, ANSWER, 16))?;
    let throughput = 16.0 * f64::from(ANSWER) / many;
    println!(
        "decode, 16 at a time: {throughput:.1} tokens/s, {:.2} × one at a time",
        throughput / rate
    );
    let bandwidth = read_bandwidth(threads);
    let bytes = shape.weight_bytes() as f64 * rate;
    println!(
        "memory: {:.1} GB/s read, {:.1} GB/s of weights while decoding, {:.0} % of it",
        bandwidth / 1e9,
        bytes / 1e9,
        100.0 * bytes / bandwidth
    );
    Ok(())
}

fn open(shape: &LlamaShape) -> Result<Model, Box<dyn Error>> {
    let files = shape.files(1)?;
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    Ok(Model::from_bytes(&files, &ModelOptions::default())?)
}

/// Seconds for `requests` answers of `tokens` ids to prompts of `prompt` ids, at the same time.
fn answer(engine: &Engine, prompt: u32, tokens: u32, requests: u32) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let generations = (0..requests)
        .map(|number| {
            let ids = (0..prompt).map(|t| (t * 31 + number * 7) % 256).collect();
            let mut request = GenerateRequest::new(Prompt::Ids(ids));
            request.max_tokens = Some(tokens);
            request.sampling.temperature = 0;
            request.sampling.logit_bias = vec![(258, -100 << 16)];
            engine.generate(request)
        })
        .collect::<Result<Vec<_>, _>>()?;
    for generation in generations {
        black_box(generation.collect_blocking()?);
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Ids per second, those of the prompt included, of an answer that is executed again.
fn replay(engine: &Engine, threads: usize) -> Result<f64, Box<dyn Error>> {
    let prompt: Vec<u32> = (0..PROMPTED).map(|t| t * 31 % 256).collect();
    let mut request = GenerateRequest::new(Prompt::Ids(prompt.clone()));
    request.max_tokens = Some(REPLAYED);
    request.sampling.logit_bias = vec![(258, -100 << 16)];
    request.seed = 7;
    let sampling = request.sampling.clone();
    let choices = engine.generate(request)?.collect_blocking()?;
    let answer = choices.into_iter().next().ok_or("no answer")?.ids;
    let job = ReplayJob {
        prompt,
        answer,
        sampling,
        seed: 7,
        choice: 0,
    };
    let mut replayer = Replayer::new(Arc::clone(engine.model()), threads)?;
    let seconds = best(|| {
        let start = Instant::now();
        let found = replayer.replay(&job)?;
        if found != Replay::Same {
            return Err(format!("{found:?}").into());
        }
        Ok(start.elapsed().as_secs_f64())
    })?;
    Ok(f64::from(PROMPTED + REPLAYED) / seconds)
}

/// The least of three.
fn best(mut measure: impl FnMut() -> Result<f64, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        least = least.min(measure()?);
    }
    Ok(least)
}

/// Bytes per second that threads read, each its own part of 512 MiB.
fn read_bandwidth(threads: usize) -> f64 {
    let data = vec![1_u64; 64 << 20];
    let mut least = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in data.chunks(data.len().div_ceil(threads.max(1))) {
                scope.spawn(|| {
                    let sums = part.chunks_exact(8).fold([0_u64; 8], |mut sums, eight| {
                        for (sum, x) in sums.iter_mut().zip(eight) {
                            *sum = sum.wrapping_add(*x);
                        }
                        sums
                    });
                    black_box(sums);
                });
            }
        });
        least = least.min(start.elapsed().as_secs_f64());
    }
    (data.len() * 8) as f64 / least
}
