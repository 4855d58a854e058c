//! The bundled model in floats, as providers and a verifier run it.

use std::path::PathBuf;

use proofmark_fingerprint::{Fingerprint, Parameters, Sampling, TokenCheck, sample};
use proofmark_testkit::SeededRng;
use proofmark_testkit::float::{Cache, FloatModel};

pub(crate) const TOKENS: usize = 32;

pub(crate) fn model() -> FloatModel {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/fable/float");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    FloatModel::open(&read("config.json"), &read("model.safetensors")).unwrap()
}

pub(crate) fn prompt(number: u64) -> Vec<u32> {
    let mut rng = SeededRng::new(number);
    (0..12).map(|_| rng.below(1_024) as u32).collect()
}

pub(crate) fn sampling(seed: u64) -> Sampling {
    Sampling {
        temperature: 1.0,
        top_p: 0.95,
        seed,
    }
}

/// What a provider says: tokens, and the fingerprint of its own last hidden states.
pub(crate) struct Answer {
    pub(crate) prompt: Vec<u32>,
    pub(crate) tokens: Vec<u32>,
    pub(crate) fingerprint: Fingerprint,
}

pub(crate) fn generate(model: &FloatModel, prompt: &[u32], sampling: &Sampling) -> Answer {
    let mut cache = Cache::default();
    let mut logits = model.step(&mut cache, prompt).unwrap().logits;
    let (mut tokens, mut hidden) = (Vec::new(), Vec::new());
    for position in 0..TOKENS as u32 {
        let last = &logits[logits.len() - model.vocabulary()..];
        let token = sample(last, sampling, position).unwrap();
        tokens.push(token);
        let rows = model.step(&mut cache, &[token]).unwrap();
        hidden.extend(rows.hidden);
        logits = rows.logits;
    }
    let parameters = Parameters::published(model.width() as u32);
    Answer {
        prompt: prompt.to_vec(),
        tokens,
        fingerprint: Fingerprint::of(parameters, &hidden).unwrap(),
    }
}

/// Distances of activations and of tokens, as the verifier finds them in one run over prompt and answer.
pub(crate) fn distances(verifier: &FloatModel, answer: &Answer, sampling: &Sampling) -> (f64, f64) {
    let ids = [&answer.prompt[..], &answer.tokens].concat();
    let rows = verifier.step(&mut Cache::default(), &ids).unwrap();
    let own = &rows.hidden[answer.prompt.len() * verifier.width()..];
    let activations = answer.fingerprint.compare(own).unwrap().distance();
    let mut check = TokenCheck::default();
    let before = rows.logits.chunks_exact(verifier.vocabulary());
    let before = before.skip(answer.prompt.len() - 1);
    for ((position, token), logits) in (0..).zip(&answer.tokens).zip(before) {
        check.add(logits, sampling, position, *token).unwrap();
    }
    (activations, check.distance())
}
