//! Kernels over the fields of proofs (specs/05-proof.md §1): the Reed–Solomon code, BLAKE3 of many messages at once, and
//! products of int8 matrices with field elements.
//!
//! Words are canonical or in Montgomery's form: a product takes one factor of each kind, or two in Montgomery's form, and
//! linear maps leave their words in the form that they came in.

mod code;
mod digits;
mod equality;
mod fractions;
mod hash;
mod integers;
mod lanes;
mod planes;
mod rounds;
mod rows;
mod vector;

pub use code::{Code, Encoded, Rows, Words};
pub use digits::{Columns, fold_rows};
pub use fractions::Fractions;
pub use hash::{DigestWords, find_nonce, hash_pairs, hash_rows};
pub use integers::{evaluate_integers, sum_integers, to_field};
pub use planes::Planes;
pub use rounds::{Form, MOST, form_round, form_word_round, pair_round, product_round, word_round};
pub use rows::{fold_words, sum_words};
