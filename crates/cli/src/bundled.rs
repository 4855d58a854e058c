//! The model inside of this program: fable, a small teller of stories that was trained for it (models/fable).

use proofmark_engine::{Model, ModelOptions};

use crate::error::CommandError;
use crate::models::not_opened;

/// Name under which it is served.
pub(crate) const NAME: &str = "fable";

/// Path in the model directory, and bytes.
pub(crate) const FILES: [(&str, &[u8]); 6] = [
    (
        "manifest.cbor",
        include_bytes!("../../../models/fable/exact/manifest.cbor"),
    ),
    (
        "program.cbor",
        include_bytes!("../../../models/fable/exact/program.cbor"),
    ),
    (
        "weights.safetensors",
        include_bytes!("../../../models/fable/exact/weights.safetensors"),
    ),
    (
        "tokenizer.json",
        include_bytes!("../../../models/fable/exact/tokenizer.json"),
    ),
    (
        "chat_template.jinja",
        include_bytes!("../../../models/fable/exact/chat_template.jinja"),
    ),
    (
        "generation.json",
        include_bytes!("../../../models/fable/exact/generation.json"),
    ),
];

/// Opens it as any other model is opened.
pub(crate) fn open(options: &ModelOptions) -> Result<Model, CommandError> {
    Model::from_bytes(&FILES, options).map_err(|error| not_opened(NAME, error))
}
