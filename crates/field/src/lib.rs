//! The fields of proofs: specs/05-proof.md §1 (draft 1).
//!
//! [`F`] is the field of p = 2^31 − 2^24 + 1 elements and [`E`] its extension of degree five. Here is their arithmetic in plain Rust
//! for any target, and multilinear polynomials by their values on the hypercube ([`eq`], [`eq_table`], [`evaluate`]). Vector
//! code for slices of them is in `proofmark-kernels`, the protocol in `proofmark-proof`.
//!
//! No function panics; arithmetic is not constant-time in its exponents, for nothing in a proof is secret.
//!
//! ```
//! use proofmark_field::{E, F};
//!
//! assert_eq!(F::from_i64(-3) * F::new(5), F::from_i64(-15));
//! assert_eq!(E::X.pow(5), E::ONE - E::X * E::X);
//! assert_eq!(E::X.inverse().map(|inverse| inverse * E::X), Some(E::ONE));
//! ```
//!
//! Deviations from the specification: none.

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

mod base;
mod extension;
mod multilinear;
#[cfg(test)]
mod tests;

pub use base::{F, P, TWO_ADICITY};
pub use extension::{DEGREE, E, E_BYTES};
pub use multilinear::{eq, eq_table, evaluate};
