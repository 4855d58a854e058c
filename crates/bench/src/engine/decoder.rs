//! Tokens per second of a decoder with random weights.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use proofmark_engine::shapes::LlamaShape;
use proofmark_engine::{Engine, EngineOptions, GenerateRequest, Model, ModelOptions, Prompt};

use crate::BenchError;

/// Ids of the prompt of a prefill measurement.
pub(super) const PROMPT: u32 = 512;
/// Ids that are generated in a decode measurement.
pub(super) const ANSWER: u32 = 64;
/// Requests at once in a throughput measurement.
pub(super) const PARALLEL: u32 = 16;
/// The id that ends an answer of a random model; it is kept from being chosen.
const END: u32 = 258;

/// An engine that answers with a random model.
pub(super) struct Decoder {
    engine: Engine,
}

/// Paths and contents of a model's files.
pub(super) type Files = Vec<(String, Vec<u8>)>;

fn failed(reason: impl std::error::Error + Send + Sync + 'static) -> BenchError {
    BenchError::Engine {
        source: Box::new(reason),
    }
}

impl Decoder {
    /// The files of a random model.
    pub(super) fn files(shape: &LlamaShape) -> Result<Files, BenchError> {
        shape.files(1).map_err(failed)
    }

    pub(super) fn open(files: &Files, threads: usize) -> Result<Self, BenchError> {
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
            .collect();
        let model = Model::from_bytes(&files, &ModelOptions::default()).map_err(failed)?;
        let options = EngineOptions {
            threads,
            prefix_cache: false,
            ..EngineOptions::default()
        };
        let engine = Engine::start(Arc::new(model), options).map_err(failed)?;
        let decoder = Self { engine };
        decoder.answer(8, 8, 1)?;
        Ok(decoder)
    }

    /// Tokens per second of one answer.
    pub(super) fn decode(&self) -> Result<f64, BenchError> {
        let whole = self.answer(8, ANSWER, 1)?;
        Ok(f64::from(ANSWER) / whole)
    }

    /// Tokens per second of reading a prompt.
    pub(super) fn prefill(&self) -> Result<f64, BenchError> {
        Ok(f64::from(PROMPT) / self.answer(PROMPT, 1, 1)?)
    }

    /// Tokens per second of many answers at once, in all.
    pub(super) fn parallel(&self) -> Result<f64, BenchError> {
        Ok(f64::from(PARALLEL * ANSWER) / self.answer(8, ANSWER, PARALLEL)?)
    }

    /// Seconds for `requests` answers of `tokens` ids to prompts of `prompt` ids, at the same time.
    fn answer(&self, prompt: u32, tokens: u32, requests: u32) -> Result<f64, BenchError> {
        let start = Instant::now();
        let generations = (0..requests)
            .map(|number| {
                let ids = (0..prompt).map(|t| (t * 31 + number * 7) % 256).collect();
                let mut request = GenerateRequest::new(Prompt::Ids(ids));
                request.max_tokens = Some(tokens);
                request.sampling.temperature = 0;
                request.sampling.logit_bias = vec![(END, -100 << 16)];
                self.engine.generate(request)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        for generation in generations {
            black_box(generation.collect_blocking().map_err(failed)?);
        }
        Ok(start.elapsed().as_secs_f64())
    }
}
