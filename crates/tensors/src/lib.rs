//! Named tensors as callers send them and as receipts hold them: specs/03-http.md §7 and specs/04-program.md §6.5 (draft).
//!
//! A *tensor* here is a shape with numbers, real or integer; an *encoded tensor* is the integers that a program took or gave.
//!
//! ```text
//! {"model": "digits", "inputs": {"image": {"shape": [1, 2], "data": [0.5, 1]}}}     a request
//! ["image", false, [1, 2], h'8000000000010000']                                     the same, encoded for a receipt
//! ```
//!
//! What it provides: files of numbers ([`read_npy`], [`read_npz`], [`read_safetensors`]), requests ([`InferRequest`]), encoded tensors
//! ([`EncodedTensor`]), and answers, written and read back ([`json_outputs`], [`safetensors_outputs`], [`read_answer`]).
//!
//! Out of scope: how numbers become a program's integers (`proofmark-program`), running programs (`proofmark-engine`), HTTP
//! (`proofmark-gateway`).
//!
//! Reading never panics and never allocates more than a small multiple of what it was given.
//!
//! ```
//! use proofmark_tensors::{InferRequest, Numbers};
//!
//! let request = InferRequest::read(br#"{"model": "m", "inputs": {"x": [[1, 2], [3, 4.5]]}}"#)?;
//! let (name, tensor) = &request.inputs[0];
//! assert_eq!((name.as_str(), tensor.shape()), ("x", &[2, 2][..]));
//! assert_eq!(tensor.numbers(), &Numbers::Real(vec![1.0, 2.0, 3.0, 4.5]));
//! # Ok::<(), proofmark_openai::OpenAiError>(())
//! ```
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

mod answer;
mod encoded;
mod error;
mod json;
mod npy;
mod npz;
mod request;
mod safetensors;
mod tensor;
#[cfg(test)]
mod tests;

pub use answer::{
    AnswerHead, json_outputs, output_fields, output_of_field, read_answer, safetensors_outputs,
};
pub use encoded::EncodedTensor;
pub use error::TensorError;
pub use json::write_json;
pub use npy::{read_npy, write_npy};
pub use npz::read_npz;
pub use request::{InferRequest, is_safetensors, read_require};
pub use safetensors::METADATA;
pub use safetensors::{Safetensors, read_safetensors, write_safetensors};
pub use tensor::{
    MAX_DIMENSIONS, MAX_ELEMENTS, MAX_NAME_BYTES, MAX_TENSORS, NamedTensors, Numbers, Tensor,
};
