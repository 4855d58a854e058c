//! Exact integer programs, as specified in `specs/04-program.md` (draft).
//!
//! A **program** is a model as a directed acyclic graph of integer tensor operators: for one program and one input, the result is the
//! same bits on every machine. This crate holds the graph, what is proven of it before it runs, its bytes and digests, the integer
//! sampler, and a plain interpreter that defines what every faster one has to compute.
//!
//! It does not read files and does not run fast: `proofmark-engine` executes, `proofmark-import` makes programs of float models.

#![no_std]

extern crate alloc;

mod graph;

pub use graph::{
    ConstantId, InputKind, Interface, Node, NodeId, NodeType, Operator, OutputKind, Program,
    TensorInput, TensorOutput, TreeConstants, Window2d,
};
