//! Replay: whether a model gives certain ids for a prompt.
//!
//! The ids to be checked are known, so a replay does not generate: it reads prompt and answer as one prompt, many positions at a time, and
//! samples at each position of the answer as a generation would have.

use std::sync::Arc;

use proofmark_kernels::Pool;
use proofmark_program::{ProgramError, Sampler, SamplerScratch, SamplingParameters};

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
    /// One for each thread.
    samples: Vec<Sample>,
}

/// What one thread samples with, and what it took.
#[derive(Default)]
struct Sample {
    scratch: SamplerScratch,
    found: Vec<Result<u32, ProgramError>>,
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
            samples: (0..threads.max(1)).map(|_| Sample::default()).collect(),
            pool: Pool::new(threads.max(1)),
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
            let rows = |row| decoder.logits(&self.memory, row).unwrap_or_default();
            let expected = walk.expected(&self.pool, &mut self.samples, wanted, rows)?;
            for expected in expected {
                if let Some(found) = walk.compare(expected)? {
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
    /// What the sampler takes of the next `count` rows of logits. Where penalties make it depend on what it took before, the ids of
    /// the answer are what it took: behind the first that differs nothing is looked at.
    fn expected<'l>(
        &self,
        pool: &Pool,
        samples: &mut [Sample],
        count: usize,
        logits: impl Fn(usize) -> &'l [i32] + Sync,
    ) -> Result<Vec<u32>, RequestError> {
        let left = self.job.answer.len().saturating_sub(self.position);
        let count = count.min(left);
        if !self.sampler.forgets() {
            let Some(sample) = samples.first_mut() else {
                return Ok(Vec::new());
            };
            let mut sampler = self.sampler.clone();
            let mut found = Vec::with_capacity(count);
            for (row, given) in (0..count).zip(self.job.answer.iter().skip(self.position)) {
                let choice = sampler.choose_ahead(logits(row), 0, &mut sample.scratch);
                found.push(choice.map_err(|e| parameter(&e))?);
                sampler.record(*given).map_err(|e| parameter(&e))?;
            }
            return Ok(found);
        }
        let parts = samples.len().max(1);
        pool.for_each(samples, |part, sample| {
            sample.found.clear();
            for row in (part..count).step_by(parts) {
                let ahead = row as u64;
                let choice = self
                    .sampler
                    .choose_ahead(logits(row), ahead, &mut sample.scratch);
                sample.found.push(choice);
            }
        });
        (0..count)
            .map(|row| {
                let found = samples
                    .get(row % parts)
                    .and_then(|s| s.found.get(row / parts));
                let choice = found.cloned().unwrap_or(Ok(0));
                choice.map_err(|e| parameter(&e))
            })
            .collect()
    }

    /// Compares the next id of the answer with the one that is expected.
    fn compare(&mut self, expected: u32) -> Result<Option<Replay>, RequestError> {
        let Some(&got) = self.job.answer.get(self.position) else {
            return Ok(None);
        };
        self.sampler.record(got).map_err(|e| parameter(&e))?;
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
