//! GGUF and safetensors files of strangers: an error or a model, and what a header allows to be read can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_import::{SafetensorsFile, TensorStore as _, open_gguf};

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("proofmark-fuzz-{}", std::process::id()));
    if std::fs::write(&path, data).is_err() {
        return;
    }
    if let Ok(model) = open_gguf(&path) {
        let _ = model.decoder.embedding();
        let _ = model.decoder.layer(0);
    }
    if let Ok(file) = SafetensorsFile::open(&path) {
        for name in file.names() {
            let _ = file.tensor(&name);
        }
    }
});
