//! Fingerprints: specs/09-fingerprint.md (draft).
//!
//! A *fingerprint* is what an engine whose arithmetic is not exact leaves behind of an answer, and what another engine can compare with
//! its own run of the same model: similar, or not. There are two, and each is blind where the other sees:
//!
//! ```text
//! activations   the largest values of the last hidden states, 8 bytes a token   which model ran, not how it sampled
//! tokens        the margin by which each token would have lost, no bytes        how it sampled, coarse changes of the model
//! ```
//!
//! What is here: the code of activations ([`Fingerprint`]) and its comparison, the check of tokens under a shared seed
//! ([`TokenCheck`]), and thresholds that are measured on benign runs with the false alarms that their number supports ([`Threshold`]).
//!
//! What it does not show: equality. A fingerprint has a tolerance, and whoever stays within it passes: it reaches no grade of a receipt
//! and takes none away. [`BLIND_SPOTS`] is printed wherever one is. An engine that is exact is replayed instead.
//!
//! No function panics or does I/O; every length is bounded before it is allocated; the same bits come out on every target.
//!
//! ```
//! use proofmark_fingerprint::{Fingerprint, Parameters};
//!
//! let parameters = Parameters { width: 4, chunk: 2, top: 3 };
//! let rows = [0.5, -2.0, 1.5, 0.1, 3.0, 0.2, -0.3, 0.4, 1.0, 0.9, -0.8, 0.7];
//! let fingerprint = Fingerprint::of(parameters, &rows)?;
//! assert_eq!(fingerprint.compare(&rows)?.distance(), 0.0);
//! # Ok::<(), proofmark_fingerprint::FingerprintError>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unreachable,
        clippy::todo
    )
)]
#![deny(missing_docs)]

mod activations;
mod codec;
mod compare;
mod error;
mod polynomial;
mod threshold;
mod tokens;

pub use activations::{Fingerprint, MAX_BYTES, Parameters};
pub use compare::{CAP_ULPS, Comparison, PUBLISHED, PublishedLimits};
pub use error::FingerprintError;
pub use polynomial::PRIME;
pub use threshold::Threshold;
pub use tokens::{CAP_NATS, MAX_VOCABULARY, Sampling, TokenCheck, noise, sample};

/// What fingerprints do not see, whatever their thresholds: printed wherever one is shown.
pub const BLIND_SPOTS: [&str; 6] = [
    "activations: how the tokens were sampled; the text of a cheaper model passes after one run of the true one over it",
    "activations: every change that moves the last hidden states by less than another kernel does",
    "tokens: a model that rarely chooses differently, and mild quantization of short answers",
    "tokens: which of many seeds was taken, if the provider chose it",
    "both: whether the answer is whole, when it was made, for whom, and who else got another",
    "both: an attacker who knows the threshold and stays below it",
];
