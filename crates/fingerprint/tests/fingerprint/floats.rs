//! What each fingerprint sees, and what it does not, in real runs.

use proofmark_fingerprint::{CAP_NATS, CAP_ULPS, Sampling};
use proofmark_testkit::float::{FloatModel, Summation, Variant, WeightBits};

use crate::engine::{distances, generate, model, prompt, sampling};

const ANSWERS: u64 = 8;

/// Smallest, mean and largest of both distances over some answers of `provider`, who samples with `really`.
fn measured(
    verifier: &FloatModel,
    provider: &FloatModel,
    really: impl Fn(u64) -> Sampling,
) -> [(f64, f64, f64); 2] {
    let found: Vec<(f64, f64)> = (0..ANSWERS)
        .map(|n| {
            let answer = generate(provider, &prompt(n), &really(n));
            distances(verifier, &answer, &sampling(n))
        })
        .collect();
    let of = |which: fn(&(f64, f64)) -> f64| {
        let all = found.iter().map(which);
        let sum: f64 = all.clone().sum();
        (
            all.clone().fold(f64::INFINITY, f64::min),
            sum / ANSWERS as f64,
            all.fold(0.0, f64::max),
        )
    };
    [of(|d| d.0), of(|d| d.1)]
}

#[test]
fn the_same_run_is_at_no_distance() {
    let model = model();
    let [activations, tokens] = measured(&model, &model, sampling);
    assert_eq!((activations.2, tokens.2), (0.0, 0.0));
}

#[test]
fn activations_tell_weights_of_4_bits_from_other_kernels_and_are_blind_to_sampling() {
    let verifier = model();
    let variant = |variant| verifier.as_variant(variant, 1);
    let honest = variant(Variant::summed(Summation::Reversed));
    let [benign, _] = measured(&verifier, &honest, sampling);
    assert!(benign.2 > 0.0, "no other sums: {benign:?}");
    let coarse = variant(Variant::quantized(WeightBits::Four));
    let [coarse, _] = measured(&verifier, &coarse, sampling);
    assert!(coarse.0 > 2.0 * benign.2, "{benign:?} {coarse:?}");
    let fewer = Variant {
        without_layers: 1,
        ..Variant::PROMISED
    };
    let [fewer, _] = measured(&verifier, &variant(fewer), sampling);
    assert!(fewer.0 > 2.0 * benign.2, "{benign:?} {fewer:?}");
    // Another seed and another temperature: as near as an honest answer.
    let hot = |n| Sampling {
        temperature: 1.4,
        ..sampling(n + 100)
    };
    let [blind, _] = measured(&verifier, &honest, hot);
    assert!(blind.1 < 1.5 * benign.1, "{benign:?} {blind:?}");
}

#[test]
fn tokens_tell_other_seeds_and_other_models() {
    let verifier = model();
    let honest = verifier.as_variant(Variant::summed(Summation::Sequential), 1);
    let [_, benign] = measured(&verifier, &honest, sampling);
    assert!(benign.2 < 0.1, "{benign:?}");
    let [_, seed] = measured(&verifier, &honest, |n| sampling(n + 1));
    assert!(seed.0 > 2.0 * benign.2 + 0.1, "{benign:?} {seed:?}");
    let pruned = Variant {
        pruned: 500,
        ..Variant::PROMISED
    };
    let [_, swapped] = measured(&verifier, &verifier.as_variant(pruned, 2), sampling);
    assert!(swapped.0 > 2.0 * benign.2 + 0.1, "{benign:?} {swapped:?}");
    assert!(swapped.2 <= CAP_NATS);
}

/// A cheap model writes the text, the true one reads it once and signs for the activations.
#[test]
fn laundering_by_one_run_of_the_true_model_passes_activations_and_not_tokens() {
    let verifier = model();
    let cheap = verifier.as_variant(Variant::quantized(WeightBits::Four), 1);
    let honest = verifier.as_variant(Variant::summed(Summation::Reversed), 1);
    let [_, benign] = measured(&verifier, &honest, sampling);
    let mut sum = 0.0;
    for n in 0..ANSWERS {
        let mut answer = generate(&cheap, &prompt(n), &sampling(n));
        let ids = [&answer.prompt[..], &answer.tokens].concat();
        let rows = verifier.step(&mut Default::default(), &ids).unwrap();
        let own = &rows.hidden[answer.prompt.len() * verifier.width()..];
        let parameters = answer.fingerprint.parameters();
        answer.fingerprint = proofmark_fingerprint::Fingerprint::of(parameters, own).unwrap();
        let (activations, tokens) = distances(&verifier, &answer, &sampling(n));
        assert_eq!(activations, 0.0);
        sum += tokens;
    }
    let mean = sum / ANSWERS as f64;
    assert!(mean > 2.0 * benign.1, "{benign:?} {mean}");
}

#[test]
fn another_models_fingerprint_is_far_away() {
    let verifier = model();
    let other = Variant {
        drift: 1_000,
        ..Variant::PROMISED
    };
    let [activations, _] = measured(&verifier, &verifier.as_variant(other, 3), sampling);
    assert!(
        activations.0 > 20.0 && activations.2 <= f64::from(CAP_ULPS),
        "{activations:?}"
    );
}
