//! Exact integer programs: specs/04-program.md (draft 1).
//!
//! A *program* is a model as a directed acyclic graph of integer tensor operators: for one program and one input, the result is the
//! same bits on every machine. This crate holds the graph, what is proven of it before it runs, its bytes and digests, the integer
//! sampler, and a plain interpreter that defines what every faster one has to compute.
//!
//! It does not read files and does not run fast: `proofmark-engine` executes, `proofmark-import` makes programs of float models.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unreachable,
        clippy::todo,
        clippy::cast_possible_truncation
    )
)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod arithmetic;
mod builder;
mod check;
mod codec;
mod decimal;
mod digest;
mod error;
mod graph;
mod input;
mod manifest;
pub mod reference;
mod sampler;
mod structure;
mod weights;

pub use arithmetic::{EXP_WEIGHTS, SAMPLING_WEIGHTS, clamp, exp_weight, rdiv, requantize, rshift};
pub use builder::ProgramBuilder;
pub use check::CheckedProgram;
pub use codec::{MAX_PROGRAM_BYTES, PROGRAM_PROFILE};
pub use decimal::{parse_logit_units, parse_millionths};
pub use digest::{
    ClosureDigest, FileDigest, ProgramDigest, TensorDigest, WEIGHTS_LEAF_BYTES, WeightsHasher,
    WeightsRoot, program_digest, tensor_digest, weights_root,
};
pub use error::{ErrorKind, ProgramError};
pub use graph::{
    ConstantId, InputKind, Interface, Node, NodeId, NodeType, Operator, OutputKind, Program,
    TensorInput, TensorOutput, TreeConstants, Window2d,
};
pub use input::Numbers;
pub use manifest::{
    Fact, Facts, Golden, MANIFEST_PROFILE, MAX_MANIFEST_BYTES, Manifest, ModelFile, PROGRAM_PATH,
    Source, WEIGHTS_PATH, closure_digest,
};
pub use sampler::{
    LogProbabilities, MAX_LOGIT_BIASES, Sampler, SamplerScratch, SamplingParameters, draw,
};
pub use structure::{MAX_INPUTS, MAX_LABEL_BYTES, MAX_NODES, MAX_POSITIONS, MAX_VOCABULARY};
pub use weights::{
    ElementType, MAX_DIMENSION, MAX_DIMENSIONS, MAX_ELEMENTS, MAX_HEADER_BYTES, MAX_NAME_BYTES,
    MAX_TENSORS, TensorView, Weights, WeightsWriter,
};
