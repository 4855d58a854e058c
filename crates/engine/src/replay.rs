//! Replay: whether a model gives certain ids for a prompt.
//!
//! The ids to be checked are known, so a replay does not generate: it reads prompt and answer as one prompt, many positions at a time, and
//! samples at each position of the answer as a generation would have.

use std::sync::Arc;

use proofmark_kernels::Pool;
use proofmark_program::{Sampler, SamplerScratch, SamplingParameters};

use crate::error::{ModelError, RequestError};
use crate::exec::{BLOCK, Chunk, Decoder, DecoderMemory, Results};
use crate::model::Model;
use crate::serve::Embedding;

/// Rows of a step; all may be asked for.
const ROWS: usize = 128;

/// One answer to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayJob {
    /// Ids of the prompt.
    pub prompt: Vec<u32>,
    /// Ids of the answer, all that were sampled.
    pub answer: Vec<u32>,
    /// Parameters of the sampler.
    pub sampling: SamplingParameters,
    /// Seed of the draws.
    pub seed: u64,
    /// Index of the answer among those of its request.
    pub choice: u32,
}

/// What a replay found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The same ids.
    Same,
    /// Another id.
    Differs {
        /// Index in the answer of the first that differs.
        position: usize,
        /// What the model gives there.
        expected: u32,
        /// What the answer has there.
        got: u32,
    },
    /// The ids are the same, but an end id stands before the last: the answer should have ended there.
    Continued {
        /// Index of the end id in the answer.
        position: usize,
    },
}

/// Replays answers of one decoder, one after another at the speed of reading prompts.
pub struct Replayer {
    model: Arc<Model>,
    pool: Pool,
    memory: DecoderMemory,
    scratch: SamplerScratch,
}

impl core::fmt::Debug for Replayer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Replayer")
            .field("model", &self.model.name())
            .finish_non_exhaustive()
    }
}

impl Replayer {
    /// A replayer with buffers of its own.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for a tensor program.
    pub fn new(model: Arc<Model>, threads: usize) -> Result<Self, ModelError> {
        let Some(decoder) = model.decoder() else {
            return Err(ModelError::Unsupported {
                node: model.name().to_owned(),
                reason: "a tensor program has no ids to replay".to_owned(),
            });
        };
        Ok(Self {
            memory: DecoderMemory::new(decoder, ROWS, ROWS),
            pool: Pool::new(threads.max(1)),
            scratch: SamplerScratch::default(),
            model,
        })
    }

    /// Replays one answer.
    ///
    /// # Errors
    /// [`RequestError`] if prompt, answer or parameters are not ones that the model could have had.
    pub fn replay(&mut self, job: &ReplayJob) -> Result<Replay, RequestError> {
        let model = Arc::clone(&self.model);
        let Some(decoder) = model.decoder() else {
            return Ok(Replay::Same);
        };
        let sampler = self.check(decoder, job)?;
        let ids: Vec<u32> = job.prompt.iter().chain(&job.answer).copied().collect();
        // The last id is sampled, but nothing follows it.
        let fed = ids.len() - 1;
        let blocks: Vec<usize> = (0..fed.div_ceil(BLOCK)).collect();
        for block in &blocks {
            self.memory.allocate(*block);
        }
        let mut walk = Walk {
            job,
            sampler,
            position: 0,
        };
        let mut first = 0;
        while first < fed {
            let end = fed.min(first + ROWS);
            // Row t samples id t + 1.
            let wanted = end.saturating_sub(first.max(job.prompt.len() - 1));
            let chunk = Chunk {
                ids: &ids[first..end],
                first,
                blocks: &blocks,
                wanted,
            };
            let results = Results {
                outputs: true,
                hidden: false,
            };
            decoder.step(&self.pool, &mut self.memory, &[chunk], results);
            for row in 0..wanted {
                let logits = decoder.logits(&self.memory, row).unwrap_or_default();
                if let Some(found) = walk.compare(logits, &mut self.scratch)? {
                    return Ok(found);
                }
            }
            first = end;
        }
        let before_last = &job.answer[..job.answer.len().saturating_sub(1)];
        let early = before_last.iter().position(|id| model.is_end(*id));
        Ok(early.map_or(Replay::Same, |position| Replay::Continued { position }))
    }

    /// Replays many answers; `progress` is told how many are done after each.
    ///
    /// # Errors
    /// The same as [`Self::replay`], for each answer by itself.
    pub fn replay_all(
        &mut self,
        jobs: &[ReplayJob],
        mut progress: impl FnMut(usize),
    ) -> Vec<Result<Replay, RequestError>> {
        let mut found = Vec::with_capacity(jobs.len());
        for (number, job) in jobs.iter().enumerate() {
            found.push(self.replay(job));
            progress(number + 1);
        }
        found
    }

    /// The embedding of ids.
    ///
    /// # Errors
    /// [`RequestError`] if there is none, or the model cannot read the ids.
    pub fn embed(&self, ids: &[u32]) -> Result<Embedding, RequestError> {
        let decoder = self
            .model
            .decoder()
            .filter(|decoder| decoder.hidden_width() > 0)
            .ok_or(RequestError::NotOffered { what: "embeddings" })?;
        if ids.is_empty() {
            return Err(RequestError::EmptyPrompt);
        }
        self.model.check_ids(ids)?;
        if ids.len() > decoder.max_positions() {
            return Err(RequestError::ContextTooLong {
                prompt: ids.len() as u64,
                max_tokens: 0,
                positions: decoder.max_positions() as u64,
            });
        }
        Ok(Embedding {
            sums: decoder.hidden_sums(&self.pool, ids),
            tokens: ids.len() as u64,
        })
    }

    fn check(&self, decoder: &Decoder, job: &ReplayJob) -> Result<Sampler, RequestError> {
        if job.prompt.is_empty() {
            return Err(RequestError::EmptyPrompt);
        }
        self.model.check_ids(&job.prompt)?;
        self.model.check_ids(&job.answer)?;
        if job.prompt.len() + job.answer.len() > decoder.max_positions() {
            return Err(RequestError::ContextTooLong {
                prompt: job.prompt.len() as u64,
                max_tokens: job.answer.len() as u64,
                positions: decoder.max_positions() as u64,
            });
        }
        let vocabulary = self.model.vocabulary();
        let sampler = Sampler::new(
            job.sampling.clone(),
            vocabulary,
            job.seed,
            job.choice,
            &job.prompt,
        );
        sampler.map_err(|e| parameter(&e))
    }
}

/// Walks along an answer.
struct Walk<'a> {
    job: &'a ReplayJob,
    sampler: Sampler,
    position: usize,
}

impl Walk<'_> {
    /// Compares the next id of the answer with what these logits give.
    fn compare(
        &mut self,
        logits: &[i32],
        scratch: &mut SamplerScratch,
    ) -> Result<Option<Replay>, RequestError> {
        let Some(&got) = self.job.answer.get(self.position) else {
            return Ok(None);
        };
        let expected = self
            .sampler
            .sample(logits, scratch)
            .map_err(|e| parameter(&e))?;
        if expected != got {
            return Ok(Some(Replay::Differs {
                position: self.position,
                expected,
                got,
            }));
        }
        self.position += 1;
        Ok(None)
    }
}

fn parameter(error: &proofmark_program::ProgramError) -> RequestError {
    RequestError::Parameter {
        name: "sampling",
        reason: error.to_string(),
    }
}
