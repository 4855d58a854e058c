//! One form: a weights file that opens is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_program::{Weights, WeightsWriter};

fuzz_target!(|data: &[u8]| {
    let Ok(weights) = Weights::open(data) else {
        return;
    };
    let mut writer = WeightsWriter::new();
    for tensor in weights.tensors() {
        assert_eq!(weights.tensor(tensor.name()), Some(tensor));
        assert_eq!(tensor.iter().count(), tensor.len());
        writer
            .push(
                tensor.element(),
                tensor.name(),
                tensor.shape(),
                tensor.bytes().to_vec(),
            )
            .expect("it was read");
    }
    assert_eq!(writer.finish().expect("it was read"), data);
});
