//! Execution: from a checked program to results, the same bits as the reference interpreter's.

mod compile;
mod decoder;
mod kv;
mod logits;
mod op;
mod plan;
mod run;
mod shape;
mod tensors;
mod trees;
mod value;

pub(crate) use decoder::{Decoder, DecoderMemory};
pub(crate) use kv::BlockId;
pub use logits::LogitsRunner;
pub(crate) use proofmark_kernels::BLOCK;
pub(crate) use run::{Chunk, Results};
pub use tensors::TensorRunner;

#[cfg(test)]
mod tests;
