//! What a decoder was asked and what it answered (specs/05-proof.md §7.5).

use alloc::vec::Vec;

use proofmark_program::{Interface, Program, SamplingParameters};

use crate::{Rejection, Transcript};

/// Parameters in millionths that change nothing.
const ONE: u32 = 1_000_000;

/// The sampling parameter, by its name in 04 §7.1, that this version cannot prove the effect of (§9.4); `None` if there is none.
/// At temperature 0 what only narrows the choice changes nothing.
#[must_use]
pub fn unsupported_parameter(parameters: &SamplingParameters) -> Option<&'static str> {
    let p = parameters;
    let draws = p.temperature != 0;
    let used = [
        ("repetition_penalty", p.repetition_penalty != ONE),
        ("presence_penalty", p.presence_penalty != 0),
        ("frequency_penalty", p.frequency_penalty != 0),
        ("logit_bias", !p.logit_bias.is_empty()),
        ("top_k", draws && p.top_k != 0),
        ("top_p", draws && p.top_p != ONE),
    ];
    used.into_iter()
        .find_map(|(name, is_used)| is_used.then_some(name))
}

/// A prompt, and the ids that were sampled one after another.
#[derive(Debug, Clone, Copy)]
pub struct Generation<'g> {
    /// Ids of the prompt, at least one.
    pub prompt: &'g [u32],
    /// Ids that were sampled, at least one.
    pub generated: &'g [u32],
    /// How they were sampled.
    pub parameters: &'g SamplingParameters,
    /// Seed of the draws.
    pub seed: u64,
    /// Index of the choice among those of one request.
    pub choice: u32,
}

impl Generation<'_> {
    /// The ids at all positions: the last id that was sampled is at none.
    #[must_use]
    pub fn sequence(&self) -> Vec<u32> {
        let known = self
            .generated
            .split_last()
            .map_or(&[][..], |(_, known)| known);
        [self.prompt, known].concat()
    }

    /// Refuses what is no generation of this program.
    ///
    /// # Errors
    /// `proof.statement`.
    pub fn check(&self, program: &Program) -> Result<(), Rejection> {
        let refused = |what| Err(Rejection::failed("proof.statement", what));
        let Interface::Decoder {
            vocabulary,
            max_positions,
            ..
        } = program.interface
        else {
            return refused("the program is no decoder");
        };
        if self.prompt.is_empty() || self.generated.is_empty() {
            return refused("a generation has a prompt, and at least one id that was sampled");
        }
        let positions = self
            .prompt
            .len()
            .saturating_add(self.generated.len())
            .saturating_sub(1);
        if u32::try_from(positions).map_or(true, |positions| positions > max_positions) {
            return refused("the generation has more positions than the program");
        }
        let mut ids = self.prompt.iter().chain(self.generated);
        if ids.any(|id| *id >= vocabulary) {
            return refused("an id is not in the vocabulary");
        }
        self.parameters.check(vocabulary).map_err(|_| {
            Rejection::failed("proof.statement", "a sampling parameter is out of bounds")
        })
    }

    /// Says all of it.
    pub(crate) fn absorb(&self, transcript: &mut Transcript) {
        let words =
            |ids: &[u32]| -> Vec<u8> { ids.iter().flat_map(|id| id.to_le_bytes()).collect() };
        transcript.absorb("prompt", &words(self.prompt));
        transcript.absorb("generated", &words(self.generated));
        let p = self.parameters;
        let mut sampling = Vec::new();
        for word in [p.temperature, p.top_p, p.min_p, p.top_k] {
            sampling.extend(word.to_le_bytes());
        }
        for word in [p.presence_penalty, p.frequency_penalty] {
            sampling.extend(word.to_le_bytes());
        }
        sampling.extend(p.repetition_penalty.to_le_bytes());
        for (id, bias) in &p.logit_bias {
            sampling.extend(id.to_le_bytes());
            sampling.extend(bias.to_le_bytes());
        }
        transcript.absorb("sampling", &sampling);
        transcript.absorb("seed", &self.seed.to_le_bytes());
        transcript.absorb("choice", &self.choice.to_le_bytes());
    }
}
