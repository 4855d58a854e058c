//! The float forward pass against what `transformers` computed for tiny random models of every family.

use std::path::{Path, PathBuf};

use proofmark_import::float::{Observe, forward};
use proofmark_import::{SafetensorsFile, TensorStore as _, open_source};

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
