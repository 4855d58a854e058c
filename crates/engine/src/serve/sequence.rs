//! A sequence: one answer in the making, or one text being embedded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proofmark_program::{LogProbabilities, Sampler, SamplerScratch};

use super::blocks::PrefixKey;
use super::events::{Event, EventSender, FinishReason, Logprob};
use super::request::Embedding;
use crate::error::RequestError;
use crate::exec::BlockId;
use crate::model::Model;
use crate::text::{Detokenizer, StopStrings};

/// What all answers of a request have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) events: EventSender,
    pub(super) choices: u32,
    /// Sequences that did not end yet.
    pub(super) left: AtomicU32,
}

impl Shared {
    pub(super) fn new(events: EventSender, choices: u32) -> Arc<Self> {
        Arc::new(Self {
            events,
            choices,
            left: AtomicU32::new(choices),
        })
    }
}

/// What is made of a sequence.
pub(super) enum Purpose {
    Answer(Box<Answer>),
    Embedding { sums: Vec<i64> },
}

/// An answer's own state.
pub(super) struct Answer {
    pub(super) choice: u32,
    pub(super) sampler: Sampler,
    pub(super) detokenizer: Detokenizer,
    pub(super) stop: StopStrings,
    pub(super) top_logprobs: Option<u8>,
    /// The sequence ends when it has so many ids.
    pub(super) max_ids: usize,
}

/// A sequence.
pub(super) struct Sequence {
    pub(super) shared: Arc<Shared>,
    pub(super) purpose: Purpose,
    /// Ids of the prompt and of the answer so far.
    pub(super) ids: Vec<u32>,
    pub(super) prompt: usize,
    /// How many positions are in the cache.
    pub(super) computed: usize,
    pub(super) blocks: Vec<BlockId>,
    /// Key of the last full block that was published or shared.
    pub(super) prefix: PrefixKey,
    /// How many blocks that key covers.
    pub(super) prefix_blocks: usize,
    /// Numbers of sequences and of those with the same prompt that go first.
    pub(super) number: u64,
    pub(super) leader: Option<u64>,
    pub(super) finished: bool,
    /// Its blocks were taken away; it begins again when there is room.
    pub(super) evicted: bool,
}

impl Sequence {
    /// Whether one more id is all that the next step has to compute.
    pub(super) fn is_decoding(&self) -> bool {
        self.computed + 1 == self.ids.len() && self.ids.len() > self.prompt
    }

    /// Whether the reader is behind, or gone.
    pub(super) fn is_paused(&self) -> bool {
        self.shared.events.room() < 2 * self.shared.choices as usize
    }

    /// Takes the hidden rows of a chunk into an embedding's sums.
    pub(super) fn add_hidden(&mut self, at: impl Fn(usize) -> i32, rows: usize) {
        if let Purpose::Embedding { sums } = &mut self.purpose {
            let width = sums.len();
            for index in 0..rows * width {
                sums[index % width] += i64::from(at(index));
            }
        }
    }

    /// Tells the result of an embedding.
    pub(super) fn finish_embedding(&mut self) {
        if let Purpose::Embedding { sums } = &mut self.purpose {
            let embedding = Embedding {
                sums: std::mem::take(sums),
                tokens: self.ids.len() as u64,
            };
            self.shared.events.send(Event::Embedded(embedding));
            self.close();
        }
    }

    /// Samples the next id from a row of logits.
    pub(super) fn sample(&mut self, logits: &[i32], scratch: &mut SamplerScratch) -> Sampled {
        let Purpose::Answer(answer) = &mut self.purpose else {
            return Sampled::Nothing;
        };
        let id = match answer.sampler.sample(logits, scratch) {
            Ok(id) => id,
            Err(error) => return Sampled::Failed(error.to_string()),
        };
        let logprobs = answer.top_logprobs.map(|count| {
            let all = LogProbabilities::new(logits, scratch);
            let logit = logits.get(id as usize).copied().unwrap_or(0);
            let top = all.top(logits, usize::from(count));
            let top = top.into_iter().map(|(id, logprob)| Logprob { id, logprob });
            let own = Logprob {
                id,
                logprob: all.of(logit),
            };
            (own, top.collect())
        });
        Sampled::Id(id, logprobs)
    }

    /// Takes the sampled id, tells it, and ends the answer where it ends.
    pub(super) fn accept(&mut self, model: &Model, sampled: Sampled) {
        let outcome = match sampled {
            Sampled::Nothing => return,
            Sampled::Failed(message) => Err(RequestError::Tokenizer { message }),
            Sampled::Id(id, logprobs) => self.take_id(model, id, logprobs),
        };
        if let Err(error) = outcome {
            self.shared.events.send(Event::Failed(error));
            self.shared.events.end();
            self.finished = true;
        }
    }

    /// Ends the sequence, and with the last of a request its events.
    fn close(&mut self) {
        self.finished = true;
        if self.shared.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.shared.events.end();
        }
    }

    /// Gives up everything that was computed.
    pub(super) fn evict(&mut self) {
        self.evicted = true;
        self.computed = 0;
        self.prefix = PrefixKey::START;
        self.prefix_blocks = 0;
        if let Purpose::Embedding { sums } = &mut self.purpose {
            sums.fill(0);
        }
    }

    fn take_id(
        &mut self,
        model: &Model,
        id: u32,
        logprobs: Option<(Logprob, Vec<Logprob>)>,
    ) -> Result<(), RequestError> {
        let Purpose::Answer(answer) = &mut self.purpose else {
            return Ok(());
        };
        self.ids.push(id);
        let is_end = model.is_end(id);
        let piece = match model.tokenizer() {
            Some(tokenizer) if !is_end => answer.detokenizer.push(tokenizer, id)?,
            _ => String::new(),
        };
        let scan = answer.stop.push(&piece);
        let mut reason = None;
        let mut rest = String::new();
        if scan.stopped_by.is_some() {
            reason = Some(FinishReason::Stop);
        } else if is_end || self.ids.len() >= answer.max_ids {
            reason = Some(if is_end {
                FinishReason::Stop
            } else {
                FinishReason::Length
            });
            if let Some(tokenizer) = model.tokenizer() {
                let last = answer.stop.push(&answer.detokenizer.finish(tokenizer)?);
                rest = last.text;
                if last.stopped_by.is_some() {
                    reason = Some(FinishReason::Stop);
                } else {
                    rest.push_str(&answer.stop.finish());
                }
            }
        }
        self.shared.events.send(Event::Token {
            choice: answer.choice,
            id,
            text: scan.text,
            logprobs,
        });
        if let Some(reason) = reason {
            self.shared.events.send(Event::Finished {
                choice: answer.choice,
                reason,
                text: rest,
            });
            self.close();
        }
        Ok(())
    }
}

/// What came of a row of logits.
pub(super) enum Sampled {
    Id(u32, Option<(Logprob, Vec<Logprob>)>),
    Failed(String),
    Nothing,
}
