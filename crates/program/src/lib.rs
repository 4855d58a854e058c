//! Exact integer programs: specs/04-program.md (draft 1).
//!
//! A *program* is a model as a directed acyclic graph of integer tensor operators: for one program and one input, the result is the
//! same bits on every machine. This crate holds the graph, what is proven of it before it runs, its bytes and digests, the integer
//! sampler, and a plain interpreter that defines what every faster one has to compute.
//!
//! What is here: the graph ([`Program`], [`ProgramBuilder`]) and its file; the weights file ([`Weights`], [`WeightsWriter`]); the
//! checker, of which [`CheckedProgram`] is the proof; the manifest that names a model ([`Manifest`], [`ClosureDigest`]); how numbers
//! become integers ([`TensorInput::encode`]); the sampler ([`Sampler`]); the interpreter ([`mod@reference`]).
//!
//! What is not: running fast (`proofmark-engine`), making programs of float models (`proofmark-import`), and files. A checked program
//! computes the same integers everywhere; that it computes what somebody meant is for its import to show.
//!
//! No function panics, reads a clock or does I/O; every length is bounded before it is allocated, but the reference interpreter's
//! work is not: it runs what it is given.
//!
//! ```
//! use proofmark_program::*;
//!
//! # fn main() -> Result<(), ProgramError> {
//! // y = 2 · x₀ - x₁ + 5
//! let mut weights = WeightsWriter::new();
//! weights.i8("weight", &[1, 2], &[2, -1])?;
//! weights.i32("bias", &[1], &[5])?;
//! let mut builder = ProgramBuilder::new();
//! let (weight, bias) = (builder.constant("weight"), builder.constant("bias"));
//! let input = Operator::Input { name: "x".into() };
//! let x = builder.node("x", input, &[], NodeType::fixed(&[2], -100, 100));
//! let linear = Operator::Linear { weight, bias: Some(bias) };
//! let y = builder.node("y", linear, &[x], NodeType::fixed(&[1], -295, 305));
//! let inputs = vec![TensorInput { name: "x".into(), node: x, kind: InputKind::Integer }];
//! let outputs = vec![TensorOutput { name: "y".into(), node: y, kind: OutputKind::Integer }];
//! let program = builder.finish(Interface::Tensor { inputs, outputs })?;
//!
//! let checked = program.check(Weights::open(weights.finish()?)?)?;
//! assert_eq!(checked.interval(y), Some((-295, 305)));
//! assert_eq!(reference::tensors(&checked, &[&[7, 3]])?[0].elements, [16]);
//! # Ok(())
//! # }
//! ```
//!
//! Deviations from the specification: none. Feature `arbitrary`: random well-formed programs, for tests of whatever executes programs.

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

#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
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
#[cfg(test)]
mod tests;
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
    MAX_TENSORS, TensorPlace, TensorView, Weights, WeightsHeader, WeightsWriter,
};
