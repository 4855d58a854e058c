//! What can be asked of an engine, and what comes back.

use proofmark_program::SamplingParameters;

use super::events::{Event, Events, FinishReason, Logprob};
use crate::chat::{Chat, RenderedPrompt};
use crate::error::RequestError;

/// Most choices of a request.
pub const MAX_CHOICES: u32 = 16;
/// Most alternatives whose log probability is told.
pub const MAX_TOP_LOGPROBS: u8 = 20;
/// Most stop strings.
pub const MAX_STOP_STRINGS: usize = 16;
/// Longest stop string, in bytes.
pub const MAX_STOP_BYTES: usize = 1024;

/// What the model continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, through the model's chat template.
    Chat(Chat),
    /// A text. The caller is trusted with control tokens: their text is read as them.
    Text(String),
    /// Ids, as they are.
    Ids(Vec<u32>),
}

/// A request for text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateRequest {
    /// What to continue.
    pub prompt: Prompt,
    /// How ids are chosen.
    pub sampling: SamplingParameters,
    /// How many answers, 1 … [`MAX_CHOICES`]. They differ by their index in the draw (spec 04 §7.3).
    pub choices: u32,
    /// Most ids of an answer, or as many as fit.
    pub max_tokens: Option<u32>,
    /// Texts that end an answer and are not part of it.
    pub stop: Vec<String>,
    /// Log probabilities of each id, and of so many of the most probable ids.
    pub top_logprobs: Option<u8>,
    /// Seed of the draws: the caller's, or drawn by whoever calls the engine.
    pub seed: u64,
}

impl GenerateRequest {
    /// One answer at temperature 1 and seed 0, as long as it gets.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            sampling: SamplingParameters::default(),
            choices: 1,
            max_tokens: None,
            stop: Vec::new(),
            top_logprobs: None,
            seed: 0,
        }
    }
}

/// A request that was accepted: everything that decides about its answers is known, the answers are on their way.
///
/// Dropping it cancels the request. A reader that does not read pauses the request, and no other.
#[derive(Debug)]
pub struct Generation {
    /// The prompt as text and ids.
    pub prompt: RenderedPrompt,
    /// Parameters as used, integers all.
    pub sampling: SamplingParameters,
    /// Number of answers.
    pub choices: u32,
    /// Most ids of an answer.
    pub max_tokens: u32,
    /// Stop strings.
    pub stop: Vec<String>,
    /// Seed of the draws.
    pub seed: u64,
    /// What happens.
    pub events: Events,
}

/// One answer, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its text, without what ended it.
    pub text: String,
    /// All ids sampled, an end id included.
    pub ids: Vec<u32>,
    /// Log probabilities of each id, if asked for.
    pub logprobs: Vec<(Logprob, Vec<Logprob>)>,
    /// Why it ended.
    pub finish: FinishReason,
}

impl Generation {
    /// Waits for all answers, in the order of their indices.
    ///
    /// # Errors
    /// Why the engine did not come to the end.
    pub fn collect_blocking(mut self) -> Result<Vec<Choice>, RequestError> {
        let mut collector = Collector::new(self.choices);
        while let Some(event) = self.events.next_blocking() {
            collector.push(event)?;
        }
        collector.finish()
    }

    /// Waits for all answers, for async tasks.
    ///
    /// # Errors
    /// As [`Self::collect_blocking`].
    pub async fn collect(mut self) -> Result<Vec<Choice>, RequestError> {
        let mut collector = Collector::new(self.choices);
        while let Some(event) = self.events.next().await {
            collector.push(event)?;
        }
        collector.finish()
    }
}

/// Puts answers together.
struct Collector(Vec<(Choice, bool)>);

impl Collector {
    fn new(choices: u32) -> Self {
        let empty = Choice {
            text: String::new(),
            ids: Vec::new(),
            logprobs: Vec::new(),
            finish: FinishReason::Length,
        };
        Self((0..choices).map(|_| (empty.clone(), false)).collect())
    }

    fn push(&mut self, event: Event) -> Result<(), RequestError> {
        match event {
            Event::Token {
                choice,
                id,
                text,
                logprobs,
            } => {
                if let Some((choice, _)) = self.0.get_mut(choice as usize) {
                    choice.ids.push(id);
                    choice.text.push_str(&text);
                    choice.logprobs.extend(logprobs);
                }
            }
            Event::Finished {
                choice,
                reason,
                text,
            } => {
                if let Some((choice, ended)) = self.0.get_mut(choice as usize) {
                    choice.text.push_str(&text);
                    choice.finish = reason;
                    *ended = true;
                }
            }
            Event::Embedded(_) => {}
            Event::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Choice>, RequestError> {
        self.0
            .into_iter()
            .map(|(choice, ended)| ended.then_some(choice).ok_or(RequestError::Stopped))
            .collect()
    }
}

/// An embedding, exactly (spec 04 §7.6): the sums over all positions of the hidden node's elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedding {
    /// One sum for each element.
    pub sums: Vec<i64>,
    /// How many positions they are sums of.
    pub tokens: u64,
}

impl Embedding {
    /// The direction of the sums: a vector of length 1, for display and comparison; not part of the exact result.
    pub fn normalized(&self) -> Vec<f64> {
        let norm = self
            .sums
            .iter()
            .map(|s| (*s as f64) * (*s as f64))
            .sum::<f64>()
            .sqrt();
        let norm = if norm > 0.0 { norm } else { 1.0 };
        self.sums.iter().map(|sum| *sum as f64 / norm).collect()
    }
}
