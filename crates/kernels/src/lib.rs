//! Exact integer kernels: the operators of [specs/04-program.md](../../../specs/04-program.md) on slices.
//!
//! A **kernel** is a function of integers. Each comes as plain Rust and, where it pays, for the vector instructions that
//! the processor has ([`Isa::detect`]); the results are the same bits. They are the operators' values over unbounded
//! integers, provided that what §4.1 proves of a program holds: callers state it per function, debug builds assert it.
//! Sums wrap modulo 2^32 on the way, which is harmless because the final value fits.
//!
//! | operator | here |
//! |---|---|
//! | linear, conv | [`PackedLinear`]; of a conv's [`Windows`] |
//! | requantize, embed, channel_scale | [`requantize`] |
//! | add, multiply, clamp, table | [`add`], [`multiply`], [`clamp`], [`table`] |
//! | rms_norm, layer_norm | [`rms_norm`], [`layer_norm`] |
//! | rope | [`rope`] |
//! | attention, softmax | [`Attention`], [`softmax`] |
//! | max_pool, sum_pool, matmul, arg_max | [`max_pool`], [`sum_pool`], [`matmul`], [`arg_max`] |
//!
//! [`Reading`] measures memory; [`field`] has the kernels of proofs (specs/05-proof.md).
//!
//! Threads: [`Pool`] is a fork-join pool; a result never depends on how many threads it has.
//! Wrong lengths panic, once per call and before anything is written.
//!
//! Unsafe code is allowed in this crate and in no other. Every block says why it is sound, and every kernel is held to
//! its scalar twin by `tests/battery`.
//!
//! AMX is not used: there was no machine to measure it on.
//!
//! ```
//! use proofmark_kernels::{Isa, Output, PackedActivations, PackedLinear, Span};
//!
//! let isa = Isa::detect();
//! // y = W·x + b with W = [[1, 2, 3], [-1, 0, 1]], b = [10, 20].
//! let linear = PackedLinear::pack(isa, &[1, 2, 3, -1, 0, 1], Some(&[10, 20]), 2, 3);
//! let mut x = PackedActivations::new();
//! x.pack(isa, &[100, 200, 300], 1, 3, Span::I16);
//! let mut y = [0; 2];
//! linear.run(&x, 0..2, Output::Raw(&mut y));
//! assert_eq!(y, [1410, 220]);
//! ```

mod aligned;
mod arg_max;
mod attention;
mod conv;
mod elementwise;
pub mod field;
mod isa;
mod linear;
mod matmul;
mod norm;
mod pool;
mod reading;
mod rope;
mod round;

pub use arg_max::arg_max;
pub use attention::{
    Attention, AttentionJob, BLOCK, KvBlock, KvLayout, WEIGHTS, exp_weight, softmax,
};
pub use conv::{Window, Windows, max_pool, sum_pool, transpose};
pub use elementwise::{Requant, add, clamp, multiply, requantize, table, widen};
pub use isa::Isa;
pub use linear::{Output, PANEL, PackedActivations, PackedLinear, Span};
pub use matmul::matmul;
pub use norm::{Norm, layer_norm, rms_norm};
pub use pool::Pool;
pub use reading::Reading;
pub use rope::rope;
pub use round::{Bounds, Element, rdiv, rshift};
