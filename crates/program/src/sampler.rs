//! The integer sampler (§7): from a row of logits and one draw to a token id, the same everywhere.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::ProgramError;
use crate::arithmetic::{SAMPLING_WEIGHTS, rdiv};
use crate::digest::{DRAW_DOMAIN, sha256};
use crate::structure::MAX_VOCABULARY;

mod select;

/// One, in the parameters' millionths.
const ONE: u32 = 1_000_000;
const TWO: u32 = 2_000_000;
/// Units of logits in one natural logarithm (§5.1).
const LOGIT_ONE: i128 = 65_536;
/// Bound of adjusted logits (§7.2, step 2).
const MAX_LOGIT: i64 = 1 << 40;
/// Largest number of biases.
pub const MAX_LOGIT_BIASES: usize = 4_096;

/// Sampling parameters as integers (§7.1), made once from the request's decimals by [`crate::parse_millionths`] and
/// [`crate::parse_logit_units`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplingParameters {
    /// In millionths, 0 … 2,000,000; 0 takes the best token.
    pub temperature: u32,
    /// In millionths, 0 … 1,000,000; 1,000,000 is off.
    pub top_p: u32,
    /// In millionths, 0 … 1,000,000; 0 is off.
    pub min_p: u32,
    /// Number of tokens, 0 is off.
    pub top_k: u32,
    /// In millionths, ±2,000,000: taken from tokens that were generated.
    pub presence_penalty: i32,
    /// In millionths, ±2,000,000: taken from tokens for each time that they were generated.
    pub frequency_penalty: i32,
    /// In millionths, 10,000 … 100,000,000; 1,000,000 is off.
    pub repetition_penalty: u32,
    /// Token ids, ascending, with what is added to their logits, ±100 · 65,536.
    pub logit_bias: Vec<(u32, i32)>,
}

impl Default for SamplingParameters {
    /// Temperature 1, everything else off.
    fn default() -> Self {
        Self {
            temperature: ONE,
            top_p: ONE,
            min_p: 0,
            top_k: 0,
            presence_penalty: 0,
            frequency_penalty: 0,
            repetition_penalty: ONE,
            logit_bias: Vec::new(),
        }
    }
}

impl SamplingParameters {
    /// Always the best token, nothing adjusted.
    pub fn greedy() -> Self {
        Self {
            temperature: 0,
            ..Self::default()
        }
    }

    /// Checks the bounds of §7.1.
    pub fn check(&self, vocabulary: u32) -> Result<(), ProgramError> {
        let inside = |what, inside: bool| {
            if inside {
                return Ok(());
            }
            Err(ProgramError::input(what, "it is out of its bounds"))
        };
        inside("vocabulary", (1..=MAX_VOCABULARY).contains(&vocabulary))?;
        inside("temperature", self.temperature <= TWO)?;
        inside("top_p", self.top_p <= ONE)?;
        inside("min_p", self.min_p <= ONE)?;
        inside(
            "presence_penalty",
            self.presence_penalty.unsigned_abs() <= TWO,
        )?;
        inside(
            "frequency_penalty",
            self.frequency_penalty.unsigned_abs() <= TWO,
        )?;
        inside(
            "repetition_penalty",
            (10_000..=100_000_000).contains(&self.repetition_penalty),
        )?;
        let biases = &self.logit_bias;
        let bounded = biases
            .iter()
            .all(|(id, bias)| *id < vocabulary && bias.unsigned_abs() <= 100 << 16);
        inside("logit_bias", bounded && biases.len() <= MAX_LOGIT_BIASES)?;
        if biases.is_sorted_by(|a, b| a.0 < b.0) {
            return Ok(());
        }
        Err(ProgramError::input("logit_bias", "its ids do not ascend"))
    }
}

/// The draw of §7.3: `before` is the number of ids before the sampled one, prompt included.
pub fn draw(seed: u64, choice: u32, before: u64) -> u64 {
    let digest = sha256(&[
        DRAW_DOMAIN,
        &seed.to_be_bytes(),
        &choice.to_be_bytes(),
        &before.to_be_bytes(),
    ]);
    digest
        .first_chunk()
        .map_or(0, |head| u64::from_be_bytes(*head))
}

/// Memory that one sampled token after another reuses; any sampler may use any scratch.
#[derive(Debug, Default, Clone)]
pub struct SamplerScratch {
    logits: Vec<i64>,
    candidates: Vec<select::Candidate>,
}

/// Samples the ids of one choice, one after another.
#[derive(Debug, Clone)]
pub struct Sampler {
    parameters: SamplingParameters,
    vocabulary: u32,
    seed: u64,
    choice: u32,
    /// Ids of the prompt and generated ones (B of §7.2).
    seen: BTreeSet<u32>,
    /// How often ids were generated (n of §7.2).
    generated: BTreeMap<u32, u32>,
    /// Number of ids so far.
    before: u64,
}

impl Sampler {
    /// A sampler at the end of a prompt. `choice` is the index of the choice among those of one request.
    pub fn new(
        parameters: SamplingParameters,
        vocabulary: u32,
        seed: u64,
        choice: u32,
        prompt: &[u32],
    ) -> Result<Self, ProgramError> {
        parameters.check(vocabulary)?;
        if prompt.iter().any(|id| *id >= vocabulary) {
            return Err(ProgramError::input(
                "prompt",
                "an id is not in the vocabulary",
            ));
        }
        Ok(Self {
            parameters,
            vocabulary,
            seed,
            choice,
            seen: prompt.iter().copied().collect(),
            generated: BTreeMap::new(),
            before: prompt.len() as u64,
        })
    }

    /// Number of ids so far, those of the prompt included.
    pub fn position(&self) -> u64 {
        self.before
    }

    /// The parameters.
    pub fn parameters(&self) -> &SamplingParameters {
        &self.parameters
    }

    /// The next id, from the logits of the last position (units of 2^-16, one for each id of the vocabulary), and takes note of it.
    pub fn sample(
        &mut self,
        logits: &[i32],
        scratch: &mut SamplerScratch,
    ) -> Result<u32, ProgramError> {
        let draw = draw(self.seed, self.choice, self.before);
        let token = self.choose(logits, draw, scratch)?;
        self.record(token)?;
        Ok(token)
    }

    /// Whether the ids before do not change what is sampled, but for the number of draws.
    pub fn forgets(&self) -> bool {
        let p = &self.parameters;
        p.repetition_penalty == ONE && p.presence_penalty == 0 && p.frequency_penalty == 0
    }

    /// The id that [`Sampler::sample`] gives after `ahead` further ids, if it [forgets](Sampler::forgets) them.
    pub fn choose_ahead(
        &self,
        logits: &[i32],
        ahead: u64,
        scratch: &mut SamplerScratch,
    ) -> Result<u32, ProgramError> {
        let draw = draw(self.seed, self.choice, self.before.saturating_add(ahead));
        self.choose(logits, draw, scratch)
    }

    /// Takes note of an id that was generated, as [`Sampler::sample`] does: a replay's next position.
    pub fn record(&mut self, token: u32) -> Result<(), ProgramError> {
        if token >= self.vocabulary {
            return Err(ProgramError::input(
                "token",
                "the id is not in the vocabulary",
            ));
        }
        self.seen.insert(token);
        let count = self.generated.entry(token).or_insert(0);
        *count = count.saturating_add(1);
        self.before = self.before.saturating_add(1);
        Ok(())
    }

    /// The id for this draw (§7.2).
    pub fn choose(
        &self,
        logits: &[i32],
        draw: u64,
        scratch: &mut SamplerScratch,
    ) -> Result<u32, ProgramError> {
        if logits.len() as u64 != u64::from(self.vocabulary) {
            return Err(ProgramError::input(
                "logits",
                "there are not as many as ids",
            ));
        }
        let SamplerScratch {
            logits: adjusted,
            candidates,
        } = scratch;
        adjusted.clear();
        adjusted.extend(logits.iter().map(|logit| i64::from(*logit)));
        self.adjust(adjusted);
        if self.parameters.temperature == 0 {
            return Ok(select::arg_max(adjusted));
        }
        select::weigh(adjusted, self.parameters.temperature, candidates);
        select::restrict(candidates, &self.parameters);
        Ok(select::pick(candidates, draw))
    }

    /// Steps 1 and 2: only ids that were seen or have a bias change; the clamp changes no other.
    fn adjust(&self, logits: &mut [i64]) {
        let p = &self.parameters;
        let at = |id: u32| usize::try_from(id).unwrap_or(usize::MAX);
        if p.repetition_penalty != ONE {
            let (one, rho) = (i128::from(ONE), i128::from(p.repetition_penalty));
            for id in &self.seen {
                if let Some(logit) = logits.get_mut(at(*id)) {
                    let x = i128::from(*logit);
                    *logit = narrowed(if x > 0 {
                        rdiv(x.saturating_mul(one), rho)
                    } else {
                        rdiv(x.saturating_mul(rho), one)
                    });
                }
            }
        }
        for (id, bias) in &p.logit_bias {
            if let Some(logit) = logits.get_mut(at(*id)) {
                *logit = logit.saturating_add(i64::from(*bias));
            }
        }
        let (presence, frequency) = (
            i128::from(p.presence_penalty),
            i128::from(p.frequency_penalty),
        );
        if (presence, frequency) != (0, 0) {
            for (id, count) in &self.generated {
                if let Some(logit) = logits.get_mut(at(*id)) {
                    let penalty = frequency
                        .saturating_mul(i128::from(*count))
                        .saturating_add(presence);
                    let penalty = rdiv(penalty.saturating_mul(LOGIT_ONE), i128::from(ONE));
                    *logit = narrowed(i128::from(*logit).saturating_sub(penalty));
                }
            }
        }
    }
}

/// Clamped to the bound of adjusted logits.
fn narrowed(logit: i128) -> i64 {
    let bound = i128::from(MAX_LOGIT);
    i64::try_from(logit.clamp(bound.saturating_neg(), bound)).unwrap_or(0)
}

/// Log probabilities of one row, for display (§7.4): not part of the exact result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogProbabilities {
    max: i64,
    log_sum: f64,
}

impl LogProbabilities {
    /// Of the logits as the program gave them.
    pub fn new(logits: &[i32], scratch: &mut SamplerScratch) -> Self {
        scratch.logits.clear();
        scratch
            .logits
            .extend(logits.iter().map(|logit| i64::from(*logit)));
        let max = scratch.logits.iter().copied().max().unwrap_or(0);
        select::weigh(&scratch.logits, ONE, &mut scratch.candidates);
        let sum = u128::from(select::total(&scratch.candidates));
        let one = SAMPLING_WEIGHTS.first().copied().unwrap_or(1);
        Self {
            max,
            log_sum: libm::log(to_double(sum) / to_double(u128::from(one))),
        }
    }

    /// Natural logarithm of the probability of the id with this logit.
    pub fn of(&self, logit: i32) -> f64 {
        let gap = self.max.saturating_sub(i64::from(logit));
        -to_double(u128::from(gap.unsigned_abs())) / to_double(LOGIT_ONE.unsigned_abs())
            - self.log_sum
    }

    /// The `count` most probable ids with their log probabilities, best first, the lowest id of equals first.
    pub fn top(&self, logits: &[i32], count: usize) -> Vec<(u32, f64)> {
        let mut order: Vec<(core::cmp::Reverse<i32>, u32)> = logits
            .iter()
            .zip(0..)
            .map(|(logit, id)| (core::cmp::Reverse(*logit), id))
            .collect();
        let count = count.min(order.len());
        if let Some(last) = count.checked_sub(1) {
            order.select_nth_unstable(last);
        }
        order.truncate(count);
        order.sort_unstable();
        order
            .into_iter()
            .map(|(logit, id)| (id, self.of(logit.0)))
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn to_double(value: u128) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests;
