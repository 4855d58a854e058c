//! The handle of an engine: checks requests, and hands them to the engine's thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use proofmark_kernels::Pool;
use proofmark_program::{Sampler, SamplerScratch};

use super::blocks::{Blocks, PrefixKey};
use super::events::{Doorbell, Events, channel, lock};
use super::request::{
    GenerateRequest, Generation, MAX_CHOICES, MAX_STOP_BYTES, MAX_STOP_STRINGS, MAX_TOP_LOGPROBS,
    Prompt,
};
use super::scheduler::{Inbox, Limits, Scheduler};
use super::sequence::{Answer, Purpose, Sequence, Shared};
use crate::chat::RenderedPrompt;
use crate::error::{ModelError, RequestError};
use crate::exec::{BLOCK, DecoderMemory};
use crate::model::Model;
use crate::text::{Detokenizer, StopStrings};

/// How an engine runs; none of it changes an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Threads that compute, the engine's own included.
    pub threads: usize,
    /// Bytes of memory for the model, its buffers and its cache.
    pub memory_bytes: u64,
    /// Requests that may wait.
    pub max_waiting: usize,
    /// Sequences that run at a time.
    pub max_sequences: usize,
    /// Rows of a step: ids of prompts that are read at a time.
    pub step_rows: usize,
    /// Whether blocks of prompts are kept for requests that begin alike. How long a first token takes tells callers whether others
    /// asked something that begins alike: switch it off where that matters.
    pub prefix_cache: bool,
    /// Events of a request that may wait for its reader.
    pub event_capacity: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: 8 << 30,
            max_waiting: 64,
            max_sequences: 32,
            step_rows: 512,
            prefix_cache: true,
            event_capacity: 256,
        }
    }
}

/// Runs requests of one decoder on a thread of its own, many at a time.
///
/// An answer depends on the model, the request and nothing else: not on other requests, threads, or what the cache holds.
#[derive(Debug)]
pub struct Engine {
    model: Arc<Model>,
    inbox: Arc<Inbox>,
    doorbell: Arc<Doorbell>,
    options: EngineOptions,
    /// Positions that the cache holds at most.
    positions: usize,
    next_number: std::sync::atomic::AtomicU64,
    thread: Option<JoinHandle<()>>,
}

/// How busy an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLoad {
    /// Sequences that wait.
    pub waiting: usize,
    /// Sequences that run.
    pub running: usize,
}

impl Engine {
    /// Starts an engine. Buffers and the cache take what [`EngineOptions::memory_bytes`] leaves.
    ///
    /// # Errors
    /// [`ModelError::Memory`] if that is not enough for one sequence of one block; [`ModelError::Unsupported`] for a tensor program.
    pub fn start(model: Arc<Model>, options: EngineOptions) -> Result<Self, ModelError> {
        let Some(decoder) = model.decoder() else {
            return Err(ModelError::Unsupported {
                node: model.name().to_owned(),
                reason: "a tensor program is run by itself, not by an engine".to_owned(),
            });
        };
        let limits = Limits {
            sequences: options.max_sequences.clamp(1, 256),
            rows: options
                .step_rows
                .clamp(options.max_sequences.clamp(1, 256) + 16, 8192),
            mixed_rows: 128,
            wanted: options.max_sequences.clamp(64, 256),
        };
        let needed = decoder.weight_bytes() + decoder.workspace_bytes(limits.rows, limits.wanted);
        let block = decoder.block_bytes().max(1) as u64;
        let left = options.memory_bytes.saturating_sub(needed);
        if left < block {
            return Err(ModelError::Memory {
                needed: needed + block,
                limit: options.memory_bytes,
            });
        }
        let most = (decoder.max_positions().div_ceil(BLOCK) * limits.sequences) as u64;
        // Twice what all running sequences can use: the other half is for prefixes.
        let capacity = usize::try_from((left / block).min(2 * most)).unwrap_or(1);
        let positions = decoder.max_positions().min(capacity * BLOCK);
        let inbox = Arc::new(Inbox::default());
        let doorbell = Arc::new(Doorbell::default());
        let scheduler = Scheduler {
            memory: DecoderMemory::new(decoder, limits.rows, limits.wanted),
            pool: Pool::new(options.threads.max(1)),
            blocks: Blocks::new(capacity, options.prefix_cache),
            limits,
            model: Arc::clone(&model),
            inbox: Arc::clone(&inbox),
            doorbell: Arc::clone(&doorbell),
            waiting: VecDeque::new(),
            running: Vec::new(),
            scratch: SamplerScratch::default(),
        };
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || scheduler.run())
            .map_err(ModelError::Thread)?;
        Ok(Self {
            model,
            inbox,
            doorbell,
            options,
            positions,
            next_number: std::sync::atomic::AtomicU64::new(0),
            thread: Some(thread),
        })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Positions that a prompt and its answer may have.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// How busy it is.
    pub fn load(&self) -> EngineLoad {
        let requests = lock(&self.inbox.requests);
        EngineLoad {
            waiting: requests.waiting,
            running: requests.running,
        }
    }

    /// Accepts a request: renders and encodes the prompt, checks everything that can be wrong with it, and queues it.
    ///
    /// # Errors
    /// [`RequestError`]; nothing was run then.
    pub fn generate(&self, request: GenerateRequest) -> Result<Generation, RequestError> {
        check(&request)?;
        let prompt = self.model.prompt(&request.prompt)?;
        let max_tokens = self.max_tokens(prompt.ids.len(), request.max_tokens)?;
        let (sender, events) = self.channel(request.choices);
        let shared = Shared::new(sender, request.choices);
        let vocabulary = self.model.vocabulary();
        let first = self.numbers(request.choices);
        let sequences = (0..request.choices)
            .map(|choice| {
                let sampling = request.sampling.clone();
                let sampler = Sampler::new(sampling, vocabulary, request.seed, choice, &prompt.ids);
                let answer = Answer {
                    choice,
                    sampler: sampler.map_err(|e| RequestError::Parameter {
                        name: "sampling",
                        reason: e.to_string(),
                    })?,
                    detokenizer: Detokenizer::default(),
                    stop: StopStrings::new(request.stop.clone()),
                    top_logprobs: request.top_logprobs,
                    max_ids: prompt.ids.len() + max_tokens as usize,
                };
                let number = first + u64::from(choice);
                let purpose = Purpose::Answer(Box::new(answer));
                let mut sequence = sequence(&shared, purpose, &prompt, number);
                sequence.leader = (choice > 0 && self.options.prefix_cache).then_some(first);
                Ok(sequence)
            })
            .collect::<Result<Vec<Sequence>, RequestError>>()?;
        self.queue(sequences)?;
        Ok(Generation {
            prompt,
            sampling: request.sampling,
            choices: request.choices,
            max_tokens,
            stop: request.stop,
            seed: request.seed,
            events,
        })
    }

    /// Asks for an embedding: its prompt, and events of which one is [`super::Event::Embedded`].
    ///
    /// # Errors
    /// [`RequestError`]; nothing was run then.
    pub fn embed(&self, prompt: &Prompt) -> Result<(RenderedPrompt, Events), RequestError> {
        let width = self
            .model
            .decoder()
            .map_or(0, crate::exec::Decoder::hidden_width);
        if width == 0 {
            return Err(RequestError::NotOffered { what: "embeddings" });
        }
        let prompt = self.model.prompt(prompt)?;
        if prompt.ids.len() > self.positions {
            return Err(self.too_long(prompt.ids.len(), 0));
        }
        let (sender, events) = self.channel(1);
        let shared = Shared::new(sender, 1);
        let purpose = Purpose::Embedding {
            sums: vec![0; width],
        };
        let sequence = sequence(&shared, purpose, &prompt, self.numbers(1));
        self.queue(vec![sequence])?;
        Ok((prompt, events))
    }

    fn channel(&self, choices: u32) -> (super::events::EventSender, Events) {
        let least = 4 * choices as usize;
        let capacity = self.options.event_capacity.max(least);
        channel(capacity, Arc::clone(&self.doorbell))
    }

    fn numbers(&self, count: u32) -> u64 {
        self.next_number
            .fetch_add(u64::from(count), std::sync::atomic::Ordering::Relaxed)
    }

    fn max_tokens(&self, prompt: usize, asked: Option<u32>) -> Result<u32, RequestError> {
        let left = self.positions.saturating_sub(prompt);
        let most = u32::try_from(left).unwrap_or(u32::MAX);
        match asked {
            Some(0) => Err(RequestError::Parameter {
                name: "max_tokens",
                reason: "at least 1".to_owned(),
            }),
            Some(asked) if asked <= most => Ok(asked),
            None if most > 0 => Ok(most),
            asked => Err(self.too_long(prompt, asked.unwrap_or(1))),
        }
    }

    fn too_long(&self, prompt: usize, max_tokens: u32) -> RequestError {
        RequestError::ContextTooLong {
            prompt: prompt as u64,
            max_tokens: u64::from(max_tokens),
            positions: self.positions as u64,
        }
    }

    fn queue(&self, sequences: Vec<Sequence>) -> Result<(), RequestError> {
        let mut requests = lock(&self.inbox.requests);
        if requests.stopped {
            return Err(RequestError::Stopped);
        }
        if requests.waiting + sequences.len() > self.options.max_waiting.max(sequences.len()) {
            return Err(RequestError::Busy {
                waiting: requests.waiting,
            });
        }
        requests.waiting += sequences.len();
        requests.arrived.push_back(sequences);
        drop(requests);
        self.doorbell.ring();
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        lock(&self.inbox.requests).stopped = true;
        self.doorbell.ring();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told its requests so by dropping them.
            let _ = thread.join();
        }
    }
}

fn sequence(
    shared: &Arc<Shared>,
    purpose: Purpose,
    prompt: &RenderedPrompt,
    number: u64,
) -> Sequence {
    Sequence {
        shared: Arc::clone(shared),
        purpose,
        ids: prompt.ids.clone(),
        prompt: prompt.ids.len(),
        computed: 0,
        blocks: Vec::new(),
        prefix: PrefixKey::START,
        prefix_blocks: 0,
        number,
        leader: None,
        finished: false,
        evicted: false,
    }
}

fn check(request: &GenerateRequest) -> Result<(), RequestError> {
    let parameter = |name, reason: String| Err(RequestError::Parameter { name, reason });
    if !(1..=MAX_CHOICES).contains(&request.choices) {
        return parameter("n", format!("1 to {MAX_CHOICES}"));
    }
    if request.stop.len() > MAX_STOP_STRINGS {
        return parameter("stop", format!("at most {MAX_STOP_STRINGS} strings"));
    }
    let is_bounded = |stop: &String| (1..=MAX_STOP_BYTES).contains(&stop.len());
    if !request.stop.iter().all(is_bounded) {
        return parameter("stop", format!("strings of 1 to {MAX_STOP_BYTES} bytes"));
    }
    if request
        .top_logprobs
        .is_some_and(|count| count > MAX_TOP_LOGPROBS)
    {
        return parameter("top_logprobs", format!("at most {MAX_TOP_LOGPROBS}"));
    }
    Ok(())
}
