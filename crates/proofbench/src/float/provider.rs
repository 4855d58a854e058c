//! Answers of providers in floats, and how far the verifier finds them.

use proofmark_fingerprint::{Fingerprint, Parameters, Sampling, TokenCheck, sample};
use proofmark_testkit::SeededRng;
use proofmark_testkit::float::{Cache, FloatModel, Summation, Variant};
use serde::{Deserialize, Serialize};

use super::{Group, LENGTHS, Setting};
use crate::BenchError;
use crate::error::fixture;

/// Positions of a chunk and values that it keeps: 8 bytes a token, as TOPLOC's, in shorter chunks.
const CHUNK: u32 = 8;
const TOP: u32 = 32;
/// Longest prompt.
const PROMPT: usize = 96;

/// Distances of one answer at each of [`LENGTHS`], as far as it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distances {
    /// Group of the answer.
    pub(crate) group: String,
    /// Its number.
    pub(crate) number: u64,
    /// Of activations.
    pub(crate) activations: Vec<f64>,
    /// Of tokens.
    pub(crate) tokens: Vec<f64>,
    /// Whether published limits accept the activations at the full length.
    pub(crate) published: bool,
    /// Whether this answer was made by the cheat, where only some are.
    pub(crate) cheated: bool,
}

/// One group's engine, beside the verifier's.
pub(crate) struct Runner<'r> {
    pub(crate) verifier: &'r FloatModel,
    engine: FloatModel,
    draft: Option<FloatModel>,
    honest: FloatModel,
    group: Group,
    prompts: &'r [Vec<u32>],
    tokens: usize,
    seed: u64,
}

/// Tokens and the provider's own last hidden states over them.
struct Answer {
    tokens: Vec<u32>,
    hidden: Vec<f32>,
}

fn sampling(seed: u64) -> Sampling {
    Sampling {
        temperature: 1.0,
        top_p: 0.95,
        seed,
    }
}

/// The next token after the last row of logits.
fn next(model: &FloatModel, logits: &[f32], how: &Sampling, at: usize) -> Result<u32, BenchError> {
    let start = logits.len().saturating_sub(model.vocabulary());
    let last = logits.get(start..).unwrap_or_default();
    let position = u32::try_from(at).unwrap_or(u32::MAX);
    sample(last, how, position).ok_or(BenchError::Fixture { what: "vocabulary" })
}

fn generate(
    model: &FloatModel,
    prompt: &[u32],
    how: &Sampling,
    count: usize,
) -> Result<Answer, BenchError> {
    let mut cache = Cache::default();
    let mut logits = model.step(&mut cache, prompt)?.logits;
    let mut answer = Answer {
        tokens: Vec::new(),
        hidden: Vec::new(),
    };
    for at in 0..count {
        let token = next(model, &logits, how, at)?;
        answer.tokens.push(token);
        let rows = model.step(&mut cache, &[token])?;
        answer.hidden.extend(rows.hidden);
        logits = rows.logits;
    }
    Ok(answer)
}

/// Hidden states of a run of `model` over prompt and tokens, at the tokens; and the logits before each.
fn teach(
    model: &FloatModel,
    prompt: &[u32],
    tokens: &[u32],
) -> Result<(Vec<f32>, Vec<f32>), BenchError> {
    let ids = [prompt, tokens].concat();
    let rows = model.step(&mut Cache::default(), &ids)?;
    let hidden = rows.hidden.get(prompt.len() * model.width()..);
    let first = prompt.len().saturating_sub(1) * model.vocabulary();
    let end = (ids.len() - 1) * model.vocabulary();
    let logits = rows.logits.get(first..end);
    let short = || BenchError::Fixture { what: "run" };
    Ok((
        hidden.ok_or_else(short)?.to_vec(),
        logits.ok_or_else(short)?.to_vec(),
    ))
}

/// Tokens that a draft of half of the layers chooses; every fourth is the model's.
fn drafted(
    model: &FloatModel,
    draft: &FloatModel,
    prompt: &[u32],
    how: &Sampling,
    count: usize,
) -> Result<Vec<u32>, BenchError> {
    let (mut own, mut cheap) = (Cache::default(), Cache::default());
    let mut logits = model.step(&mut own, prompt)?.logits;
    let mut draft_logits = draft.step(&mut cheap, prompt)?.logits;
    let mut tokens = Vec::new();
    // Tokens that the model has not read yet.
    let mut unread = Vec::new();
    for at in 0..count {
        let token = if at % 4 == 0 {
            if !unread.is_empty() {
                logits = model.step(&mut own, &unread)?.logits;
                unread.clear();
            }
            next(model, &logits, how, at)?
        } else {
            next(draft, &draft_logits, how, at)?
        };
        tokens.push(token);
        unread.push(token);
        draft_logits = draft.step(&mut cheap, &[token])?.logits;
    }
    Ok(tokens)
}

impl<'r> Runner<'r> {
    pub(crate) fn new(
        verifier: &'r FloatModel,
        group: Group,
        prompts: &'r [Vec<u32>],
        tokens: usize,
        seed: u64,
    ) -> Self {
        let layers = 2;
        let half = Variant {
            without_layers: layers,
            ..Variant::summed(Summation::Reversed)
        };
        Self {
            verifier,
            engine: verifier.as_variant(group.variant, seed),
            draft: (group.setting == Setting::Draft).then(|| verifier.as_variant(half, seed)),
            honest: verifier.as_variant(Variant::summed(Summation::Reversed), seed),
            group,
            prompts,
            tokens,
            seed,
        }
    }

    fn prompt(&self, number: u64) -> &[u32] {
        let at = usize::try_from(number).unwrap_or(0) % self.prompts.len().max(1);
        let prompt = self.prompts.get(at).map_or(&[0_u32][..], Vec::as_slice);
        prompt
            .get(prompt.len().saturating_sub(PROMPT)..)
            .unwrap_or(prompt)
    }

    /// Answer `number` of the group, under the label `label`, which its draws depend on.
    pub(crate) fn answer(&self, label: &str, number: u64) -> Result<Distances, BenchError> {
        let salt = label.bytes().fold(self.seed, |h, b| {
            h.wrapping_mul(0x0100_0000_01b3) ^ u64::from(b)
        });
        let mut rng = SeededRng::new(salt ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let asked = self.prompt(number).to_vec();
        let mut claimed = sampling(rng.next_u64());
        let mut really = claimed;
        let mut prompt = asked.clone();
        let mut engine = &self.engine;
        let mut cheated = true;
        let mut count = self.tokens;
        match self.group.setting {
            Setting::Half if rng.below(2) == 0 => {
                engine = &self.honest;
                cheated = false;
            }
            Setting::OtherPrompt => prompt = self.prompt(number + 1).to_vec(),
            Setting::Prefixed => prompt = [self.prompt(number + 1), &asked].concat(),
            Setting::ShortPrompt => {
                prompt = asked.get(asked.len() / 2..).unwrap_or_default().to_vec();
            }
            Setting::Cut => count /= 2,
            Setting::Temperature(temperature) => really.temperature = temperature,
            Setting::OtherSeed | Setting::Cached => really.seed = rng.next_u64(),
            Setting::BestOf8 => {
                // It likes tokens with high numbers.
                let mut best = (0, claimed.seed);
                for _ in 0..8 {
                    let seed = rng.next_u64();
                    let tried = generate(engine, &prompt, &sampling(seed), 8)?.tokens;
                    let liked: u64 = tried.iter().map(|t| u64::from(*t)).sum();
                    best = best.max((liked, seed));
                }
                claimed = sampling(best.1);
                really = claimed;
            }
            _ => {}
        }
        let mut answer = match &self.draft {
            Some(draft) => {
                let tokens = drafted(engine, draft, &prompt, &really, count)?;
                // The fingerprint is of the draft's states: the model has not seen most tokens.
                let (hidden, _) = teach(draft, &prompt, &tokens)?;
                Answer { tokens, hidden }
            }
            None => generate(engine, &prompt, &really, count)?,
        };
        match self.group.setting {
            Setting::EditedToken => {
                let at = usize::try_from(rng.below(answer.tokens.len() as u64)).unwrap_or(0);
                if let Some(token) = answer.tokens.get_mut(at) {
                    *token = (*token + 7) % u32::try_from(engine.vocabulary()).unwrap_or(u32::MAX);
                }
            }
            Setting::Laundered => answer.hidden = teach(&self.honest, &asked, &answer.tokens)?.0,
            _ => {}
        }
        self.judge(number, &asked, &claimed, &answer, cheated)
    }

    /// What the verifier finds, in one run over what it was told.
    fn judge(
        &self,
        number: u64,
        prompt: &[u32],
        claimed: &Sampling,
        answer: &Answer,
        cheated: bool,
    ) -> Result<Distances, BenchError> {
        let width = self.verifier.width();
        let (own, logits) = teach(self.verifier, prompt, &answer.tokens)?;
        let parameters = Parameters {
            width: fixture(u32::try_from(width), "width")?,
            chunk: CHUNK,
            top: TOP,
        };
        let mut found = Distances {
            group: String::new(),
            number,
            activations: Vec::new(),
            tokens: Vec::new(),
            published: false,
            cheated,
        };
        let mut check = TokenCheck::default();
        let mut rows = logits.chunks_exact(self.verifier.vocabulary());
        let mut at = 0;
        for length in LENGTHS {
            let length = length.min(answer.tokens.len());
            let values = length * width;
            let theirs = answer.hidden.get(..values).unwrap_or_default();
            let fingerprint = Fingerprint::of(parameters, theirs)?;
            let compared = fingerprint.compare(own.get(..values).unwrap_or_default())?;
            while at < length {
                let token = answer.tokens.get(at).copied().unwrap_or_default();
                let position = u32::try_from(at).unwrap_or(u32::MAX);
                check.add(rows.next().unwrap_or_default(), claimed, position, token)?;
                at += 1;
            }
            found.activations.push(compared.distance());
            found.tokens.push(check.distance());
            found.published = compared.within(&proofmark_fingerprint::PUBLISHED);
        }
        Ok(found)
    }
}

/// Ids that a float engine gives a prompt of the exact model: with a cache of 4 bits, or drafted.
pub(crate) fn foreign_ids(
    model: &FloatModel,
    attack: &str,
    prompt: &[u32],
    seed: u64,
) -> Result<Vec<u32>, BenchError> {
    let how = sampling(seed);
    let count = 24;
    if attack == "t06-draft" {
        let half = Variant {
            without_layers: 2,
            ..Variant::PROMISED
        };
        return drafted(model, &model.as_variant(half, 1), prompt, &how, count);
    }
    let cached = Variant {
        cache_bits: Some(4),
        ..Variant::PROMISED
    };
    Ok(generate(&model.as_variant(cached, 1), prompt, &how, count)?.tokens)
}
