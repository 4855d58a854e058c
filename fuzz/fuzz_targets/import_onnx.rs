//! ONNX files of strangers: an error or a model, which evaluates what it says that it takes. tract runs only in imports, behind a guard
//! that a fuzzer does not have, so it is not run here.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_import_onnx::Model;

/// Largest input that is evaluated.
const ELEMENTS: usize = 1 << 14;

fuzz_target!(|data: &[u8]| {
    let Ok(model) = Model::parse(data) else {
        return;
    };
    let elements = model
        .inputs()
        .map(|(_, shape, _)| shape.iter().product::<usize>());
    if elements.sum::<usize>() > ELEMENTS {
        return;
    }
    for row in model.drawn_rows(-1.0, 1.0, 1).iter().take(1) {
        if let Ok(outputs) = model.evaluate(row) {
            for (output, (_, shape)) in outputs.iter().zip(model.outputs()) {
                assert_eq!(output.shape, shape);
            }
        }
    }
});
