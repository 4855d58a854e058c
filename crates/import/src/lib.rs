//! Import: a float model becomes an exact integer program, as specified in `specs/04-program.md` (draft).
//!
//! A reader takes a source apart, a plain float forward pass calibrates ranges, the quantizer chooses scales so that the program's
//! checker accepts, and the [`LossReport`] says what was lost. [`Builder`] puts nodes and constants together for every kind of source.
//!
//! An exact program is a model of its own: nothing here proves anything of the float model that it was made of.

mod builder;
pub mod config;
mod data;
pub mod decoder;
mod error;
mod evaluate;
mod files;
pub mod float;
mod gguf;
mod huggingface;
mod import;
mod loss;
mod pack;
pub mod quantize;
mod safetensors;
mod source;
mod tensors;

pub use builder::{Builder, Built, Constant, Elements};
pub use data::{documents, encode};
pub use error::{ErrorKind, ImportError};
pub use evaluate::{Executor, ReferenceExecutor, TensorExecutor, compare};
pub use gguf::open_gguf;
pub use huggingface::open_directory;
pub use import::{
    DEFAULT_MAX_POSITIONS, DecoderOptions, Imported, Step, TokenData, check_built, import_decoder,
};
pub use loss::{ClampCount, DecoderLoss, LossReport, TensorLoss};
pub use pack::{
    GENERATION_PATH, Origin, Packed, TEMPLATE_PATH, TOKENIZER_PATH, pack_decoder, pack_tensors,
    source_digest,
};
pub use safetensors::SafetensorsFile;
pub use source::{FloatModel, TextFiles, open_source};
pub use tensors::{FloatTensor, TensorStore};
