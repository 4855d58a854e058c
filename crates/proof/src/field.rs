//! The base field and its extension (specs/05-proof.md §1), in plain arithmetic on any target.

mod base;
mod extension;
mod multilinear;
#[cfg(test)]
mod tests;

pub use base::{F, P, TWO_ADICITY};
pub use extension::{DEGREE, E, E_BYTES};
pub use multilinear::{eq, eq_table, evaluate};
