//! Bounds of parameters, and the sampler against its distribution.

use std::vec;
use std::vec::Vec;

use super::*;

#[test]
fn parameters_have_bounds() {
    let plain = SamplingParameters::default;
    assert!(plain().check(10).is_ok() && SamplingParameters::greedy().check(10).is_ok());
    assert!(plain().check(0).is_err() && plain().check(MAX_VOCABULARY + 1).is_err());
    type Change = fn(&mut SamplingParameters);
    let inside: [Change; 8] = [
        |p| p.temperature = 2_000_000,
        |p| p.top_p = 0,
        |p| p.min_p = 1_000_000,
        |p| p.top_k = u32::MAX,
        |p| p.presence_penalty = -2_000_000,
        |p| p.frequency_penalty = 2_000_000,
        |p| p.repetition_penalty = 10_000,
        |p| p.logit_bias = vec![(0, 6_553_600), (9, -6_553_600)],
    ];
    for (at, change) in inside.iter().enumerate() {
        let mut parameters = plain();
        change(&mut parameters);
        assert!(parameters.check(10).is_ok(), "{at}");
    }
    let outside: [Change; 12] = [
        |p| p.temperature = 2_000_001,
        |p| p.top_p = 1_000_001,
        |p| p.min_p = 1_000_001,
        |p| p.presence_penalty = -2_000_001,
        |p| p.frequency_penalty = 2_000_001,
        |p| p.frequency_penalty = i32::MIN,
        |p| p.repetition_penalty = 9_999,
        |p| p.repetition_penalty = 100_000_001,
        |p| p.logit_bias = vec![(10, 0)],
        |p| p.logit_bias = vec![(0, 6_553_601)],
        |p| p.logit_bias = vec![(3, 1), (3, 1)],
        |p| p.logit_bias = vec![(3, 1), (2, 1)],
    ];
    for (at, change) in outside.iter().enumerate() {
        let mut parameters = plain();
        change(&mut parameters);
        assert_eq!(
            parameters.check(10).unwrap_err().code(),
            "program.input",
            "{at}"
        );
    }
}

#[test]
fn ids_and_rows_are_checked() {
    let sampler = |prompt: &[u32]| Sampler::new(SamplingParameters::default(), 3, 0, 0, prompt);
    assert!(sampler(&[3]).is_err());
    let mut sampler = sampler(&[2]).unwrap();
    let mut scratch = SamplerScratch::default();
    assert!(sampler.sample(&[0, 0], &mut scratch).is_err());
    assert!(sampler.sample(&[0, 0, 0, 0], &mut scratch).is_err());
    assert!(sampler.record(3).is_err());
    assert_eq!(sampler.position(), 1);
    sampler.record(0).unwrap();
    assert_eq!(sampler.position(), 2);
}

#[test]
fn a_recorded_id_is_as_good_as_a_sampled_one() {
    let parameters = SamplingParameters {
        frequency_penalty: 900_000,
        ..SamplingParameters::default()
    };
    let new = || Sampler::new(parameters.clone(), 50, 7, 1, &[1, 2]).unwrap();
    let (mut first, mut second) = (new(), new());
    let mut scratch = SamplerScratch::default();
    let logits: Vec<i32> = (0..50).map(|x| x * 2_000).collect();
    for _ in 0..40 {
        let token = first.sample(&logits, &mut scratch).unwrap();
        let drawn = draw(7, 1, second.position());
        assert_eq!(
            second
                .choose(&logits, drawn, &mut SamplerScratch::default())
                .unwrap(),
            token
        );
        second.record(token).unwrap();
    }
}

#[test]
fn draws_follow_the_distribution() {
    // Logits ln 1, ln 2, ln 3, ln 4: probabilities 0.1, 0.2, 0.3, 0.4.
    let logits = [0, 45_426, 71_999, 90_852];
    let sampler = Sampler::new(SamplingParameters::default(), 4, 0, 0, &[]).unwrap();
    let mut counts = [0_u32; 4];
    let mut scratch = SamplerScratch::default();
    for seed in 0..20_000 {
        let token = sampler
            .choose(&logits, draw(seed, 0, 0), &mut scratch)
            .unwrap();
        counts[token as usize] += 1;
    }
    for (count, expected) in counts.into_iter().zip([2_000, 4_000, 6_000, 8_000]) {
        assert!(count.abs_diff(expected) < 350, "{counts:?}");
    }
    let log = LogProbabilities::new(&logits, &mut scratch);
    for (logit, expected) in logits.into_iter().zip([0.1_f64, 0.2, 0.3, 0.4]) {
        assert!((log.of(logit) - expected.ln()).abs() < 1e-3);
    }
    let top = log.top(&[5, 9, 9, 1], 2);
    assert_eq!(top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
    assert!(log.top(&[], 3).is_empty() && log.top(&[1], 0).is_empty());
}

#[test]
fn the_ends_of_the_draw_are_the_ends_of_the_ids() {
    let sampler = Sampler::new(SamplingParameters::default(), 3, 0, 0, &[]).unwrap();
    let mut scratch = SamplerScratch::default();
    assert_eq!(sampler.choose(&[0, 0, 0], 0, &mut scratch).unwrap(), 0);
    assert_eq!(
        sampler.choose(&[0, 0, 0], u64::MAX, &mut scratch).unwrap(),
        2
    );
    assert_eq!(
        sampler
            .choose(&[i32::MIN, i32::MAX, i32::MIN], u64::MAX, &mut scratch)
            .unwrap(),
        1
    );
}
