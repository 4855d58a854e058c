//! The check of tokens under a shared seed (specs/09-fingerprint.md §4).

use sha2::{Digest as _, Sha256};

use crate::FingerprintError;

/// Most that one token counts, in nats.
pub const CAP_NATS: f64 = 4.0;
/// Largest vocabulary.
pub const MAX_VOCABULARY: usize = 1 << 20;

/// How tokens are chosen: temperature, then the smallest set of the most likely with `top_p` of the mass, then the largest sum of
/// scaled logit and noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the most likely token.
    pub temperature: f64,
    /// Share of the mass that is kept; 1 keeps everything.
    pub top_p: f64,
    /// Seed of the noise, known to both sides.
    pub seed: u64,
}

/// Noise of one position: a Gumbel variate for each token (§4.1).
pub fn noise(seed: u64, position: u32, vocabulary: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(vocabulary.min(MAX_VOCABULARY));
    let mut block = 0_u32;
    while out.len() < vocabulary.min(MAX_VOCABULARY) {
        let mut hash = Sha256::new();
        hash.update(b"proofmark/fingerprint/1/noise\n");
        hash.update(seed.to_be_bytes());
        hash.update(position.to_be_bytes());
        hash.update(block.to_be_bytes());
        let digest = hash.finalize();
        let (words, _) = digest.as_slice().as_chunks::<4>();
        for word in words {
            let uniform = (f64::from(u32::from_be_bytes(*word)) + 0.5) / 4_294_967_296.0;
            out.push(-libm::log(-libm::log(uniform)));
        }
        block = block.wrapping_add(1);
    }
    out.truncate(vocabulary);
    out
}

/// Sums of scaled logits and noise; minus infinity for tokens outside of the kept mass. At temperature 0 the logits themselves.
fn perturbed(logits: &[f32], sampling: &Sampling, position: u32) -> Vec<f64> {
    let logits = logits.iter().map(|logit| f64::from(*logit));
    if sampling.temperature <= 0.0 {
        return logits.collect();
    }
    let scaled: Vec<f64> = logits.map(|logit| logit / sampling.temperature).collect();
    let floor = floor_of_mass(&scaled, sampling.top_p);
    let noise = noise(sampling.seed, position, scaled.len());
    let sums = scaled.iter().zip(noise);
    sums.map(|(logit, noise)| {
        if *logit < floor {
            f64::NEG_INFINITY
        } else {
            logit + noise
        }
    })
    .collect()
}

/// The least scaled logit that belongs to the smallest set of the most likely with `share` of the mass.
fn floor_of_mass(scaled: &[f64], share: f64) -> f64 {
    if share >= 1.0 {
        return f64::NEG_INFINITY;
    }
    let most = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sorted = scaled.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let weights: Vec<f64> = sorted.iter().map(|l| libm::exp(l - most)).collect();
    let total: f64 = weights.iter().sum();
    let mut mass = 0.0;
    for (logit, weight) in sorted.iter().zip(&weights) {
        mass += weight;
        if mass >= share * total {
            return *logit;
        }
    }
    f64::NEG_INFINITY
}

/// The token that these logits give, the lowest of equals; `None` for none.
pub fn sample(logits: &[f32], sampling: &Sampling, position: u32) -> Option<u32> {
    let sums = perturbed(logits, sampling, position);
    let best = (0_u32..)
        .zip(sums)
        .reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(id, _)| id)
}

/// Tallies over the tokens of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TokenCheck {
    /// Tokens checked.
    pub tokens: u64,
    /// Those that the verifier would have chosen as well.
    pub same: u64,
    /// Sum of the margins by which the others would have lost, in nats, each at most [`CAP_NATS`].
    pub nats: f64,
}

impl TokenCheck {
    /// Books the token `claimed` at `position` of the answer, under the verifier's logits before it.
    ///
    /// # Errors
    /// A token that the logits do not have, or more logits than a vocabulary holds.
    pub fn add(
        &mut self,
        logits: &[f32],
        sampling: &Sampling,
        position: u32,
        claimed: u32,
    ) -> Result<(), FingerprintError> {
        let vocabulary = logits.len() as u64;
        let unknown = FingerprintError::Token {
            id: claimed,
            vocabulary,
        };
        if logits.len() > MAX_VOCABULARY {
            return Err(unknown);
        }
        let sums = perturbed(logits, sampling, position);
        let own = *sums.get(claimed as usize).ok_or(unknown)?;
        let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // What is no number counts in full.
        let margin = most - own;
        let margin = if margin >= 0.0 {
            margin.min(CAP_NATS)
        } else {
            CAP_NATS
        };
        self.tokens = self.tokens.saturating_add(1);
        self.same = self.same.saturating_add(u64::from(margin == 0.0));
        self.nats += margin;
        Ok(())
    }

    /// Mean margin, from 0 to [`CAP_NATS`]; the largest if nothing was checked.
    pub fn distance(&self) -> f64 {
        if self.tokens == 0 {
            return CAP_NATS;
        }
        self.nats / self.tokens as f64
    }
}
