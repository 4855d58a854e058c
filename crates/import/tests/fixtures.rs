//! The float forward pass against what `transformers` computed for tiny random models of every family.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};

use proofmark_import::float::{Observe, forward};
use proofmark_import::{
    DecoderOptions, Executor as _, ReferenceExecutor, SafetensorsFile, TensorStore as _, TokenData,
    import_decoder, open_source,
};

const FAMILIES: [&str; 7] = [
    "llama-gqa",
    "llama-tied-bias",
    "llama3-sharded",
    "mistral",
    "qwen2",
    "qwen3",
    "gpt2",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/fixtures")
        .join(name)
}

#[derive(Default)]
struct Logits(Vec<f32>);

impl Observe for Logits {
    fn logits(&mut self, _: usize, _: usize, row: &[f32]) {
        self.0.extend_from_slice(row);
    }
}

/// Ids and logits as `transformers` has them.
fn expected(name: &str) -> (Vec<u32>, Vec<f32>) {
    let file = SafetensorsFile::open(&fixture(name).join("expected.safetensors")).unwrap();
    let ids = file.integers("input_ids").unwrap();
    let ids = ids.iter().map(|id| u32::try_from(*id).unwrap()).collect();
    (ids, file.tensor("logits").unwrap().unwrap().data)
}

#[test]
fn float_logits_are_those_of_transformers() {
    for name in FAMILIES {
        let model = open_source(&fixture(name)).unwrap();
        let (ids, expected) = expected(name);
        let mut logits = Logits::default();
        forward(&model.decoder, &[ids], &mut logits).unwrap();
        assert_eq!(logits.0.len(), expected.len());
        let worst = logits
            .0
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 2e-4, "{name}: {worst}");
    }
}

/// A generator of random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn ids(&mut self, sequences: usize, length: usize, vocabulary: u64) -> Vec<Vec<u32>> {
        (0..sequences)
            .map(|_| {
                (0..length)
                    .map(|_| u32::try_from(self.next() % vocabulary).unwrap())
                    .collect()
            })
            .collect()
    }
}

#[test]
fn exact_logits_are_within_the_loss_reports_bound_of_transformers() {
    for name in FAMILIES {
        let model = open_source(&fixture(name)).unwrap();
        let mut random = Random(7);
        let data = TokenData {
            label: "random tokens".into(),
            calibration: random.ids(8, 48, 256),
            held_out: random.ids(8, 48, 256),
        };
        let mut executor = ReferenceExecutor::default();
        let options = DecoderOptions::default();
        let imported =
            import_decoder(&model.decoder, &data, options, &mut executor, &mut |_| ()).unwrap();
        println!("{name}\n{}", imported.loss);
        let (ids, expected) = expected(name);
        let exact = executor.logits(&imported.program, &ids).unwrap();
        let loss = imported.loss.decoder.unwrap();
        let mut worst = 0.0_f64;
        for (exact, float) in exact.chunks_exact(256).zip(expected.chunks_exact(256)) {
            let errors: Vec<f64> = exact
                .iter()
                .zip(float)
                .map(|(a, b)| f64::from(*a) / 65536.0 - f64::from(*b))
                .collect();
            let mean = errors.iter().sum::<f64>() / 256.0;
            worst = errors
                .iter()
                .map(|e| (e - mean).abs())
                .fold(worst, f64::max);
        }
        println!("worst {worst}");
        assert!(worst <= loss.logit_max_error * 1.25, "{name}: {worst}");
    }
}
