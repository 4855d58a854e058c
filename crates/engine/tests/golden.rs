//! The bundled model's golden example (specs/04-program.md §6.3) on every instruction set of this processor; with a target of
//! another processor, emulated, on that one (`.ci/run targets`).

use proofmark_engine::{Model, ModelOptions};
use proofmark_kernels::Isa;

macro_rules! file {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../models/fable/exact/", $name)).as_slice(),
        )
    };
}

const FILES: [(&str, &[u8]); 6] = [
    file!("manifest.cbor"),
    file!("program.cbor"),
    file!("weights.safetensors"),
    file!("tokenizer.json"),
    file!("chat_template.jinja"),
    file!("generation.json"),
];

#[test]
fn every_instruction_set_computes_the_bundled_models_golden_example() {
    for isa in Isa::available() {
        let options = ModelOptions {
            isa,
            ..ModelOptions::default()
        };
        // Opening computes the example.
        let model = match Model::from_bytes(&FILES, &options) {
            Ok(model) => model,
            Err(error) => panic!("{isa:?}: {error}"),
        };
        assert!(
            model.manifest().golden.is_some(),
            "without a golden example this test says nothing"
        );
    }
}
