//! llama.cpp: its own benchmark, on a file with random weights of the same shape.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proofmark_engine::shapes::LlamaShape;
use serde::Deserialize;

use super::decoder::{ANSWER, PROMPT};
use super::gguf::write_random_llama;
use crate::BenchError;

/// `llama-bench` with a model.
pub(super) struct LlamaBench {
    binary: PathBuf,
    model: PathBuf,
}

/// What is read of its JSON: one object for the prompt, one for the generation.
#[derive(Deserialize)]
struct Measurement {
    n_prompt: u32,
    n_gen: u32,
    avg_ts: f64,
}

fn peer(what: impl Into<String>) -> BenchError {
    BenchError::Peer {
        peer: "llama-bench",
        what: what.into(),
    }
}

impl LlamaBench {
    /// Writes a Q8_0 model of the shape into `dir`.
    pub(super) fn new(
        binary: &Path,
        dir: &Path,
        name: &str,
        shape: &LlamaShape,
    ) -> Result<Self, BenchError> {
        let model = dir.join(format!("{name}.gguf"));
        write_random_llama(&model, shape)
            .map_err(BenchError::io("writing the model of llama.cpp"))?;
        Ok(Self {
            binary: binary.to_owned(),
            model,
        })
    }

    /// Tokens per second of reading a prompt, and of generating.
    pub(super) fn tokens_per_second(&self, threads: usize) -> Result<(f64, f64), BenchError> {
        let output = Command::new(&self.binary)
            .arg("-m")
            .arg(&self.model)
            .args(["-p", &PROMPT.to_string(), "-n", &ANSWER.to_string()])
            .args(["-t", &threads.to_string(), "-r", "1", "-o", "json"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(BenchError::io("starting llama-bench"))?;
        if !output.status.success() {
            return Err(peer(format!("it ended with {}", output.status)));
        }
        let all: Vec<Measurement> = serde_json::from_slice(&output.stdout)
            .map_err(|error| peer(format!("its output is not as expected: {error}")))?;
        let rate = |prompt: u32, answer: u32| {
            all.iter()
                .find(|one| one.n_prompt == prompt && one.n_gen == answer)
                .map(|one| one.avg_ts)
        };
        match (rate(PROMPT, 0), rate(0, ANSWER)) {
            (Some(prefill), Some(decode)) => Ok((prefill, decode)),
            _ => Err(peer("its output lacks the prompt or the generation")),
        }
    }
}
