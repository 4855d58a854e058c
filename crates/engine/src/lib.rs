//! Runs exact integer programs (specs/04-program.md) at the speed of the memory.
//!
//! A *model* is a checked program with its weights and, for decoders, a tokenizer, a chat template and the ends of answers. An *engine*
//! answers requests to a decoder, many at a time: continuous batching, chunked prompts, a cache of keys and values in blocks that
//! prompts with the same beginning share. A *replayer* says whether a model gives certain ids. A *tensor runner* computes tensor programs.
//!
//! Every result is the same bits for any instruction set, number of threads, batch, chunking and state of the cache: everything between
//! ids and sampled ids is integers, and what is tested is equality with `proofmark_program::reference`.
//!
//! Text is not trusted: the words of a message never become control tokens (see [`Tokenizer`] and [`Chat`]); templates run within bounds
//! and read a recorded clock.
//!
//! What it does not do: speak HTTP or sign receipts (`proofmark-gateway`), make programs of float models (`proofmark-import`).

mod chat;
mod error;
mod exec;
mod identity;
mod infer;
mod model;
mod replay;
mod samples;
mod serve;
pub mod shapes;
mod text;

pub use chat::{Chat, ChatTemplate, RenderedPrompt, SpecialTokens};
pub use error::{ModelError, RequestError};
pub use exec::{LogitsRunner, TensorRunner};
pub use identity::engine_digest;
pub use infer::EncodedInputs;
pub use model::{
    GENERATION_PATH, GenerationConfig, MANIFEST_PATH, MemoryEstimate, Model, ModelFiles,
    ModelOptions, TEMPLATE_PATH, TOKENIZER_PATH,
};
pub use replay::{Replay, ReplayJob, Replayer};
pub use serve::{
    Choice, Embedding, Engine, EngineLoad, EngineOptions, Event, Events, FinishReason,
    GenerateRequest, Generation, Logprob, MAX_CHOICES, MAX_STOP_BYTES, MAX_STOP_STRINGS,
    MAX_TOP_LOGPROBS, Prompt,
};
pub use text::{Detokenizer, MAX_TEXT_BYTES, StopScan, StopStrings, Tokenizer};
