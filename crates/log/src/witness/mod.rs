//! Witnesses (specs/02-log.md section 7): a server that cosigns the checkpoints of other people's logs, and the client
//! with which a log collects cosignatures.

mod client;
mod error;
mod http;
mod server;
mod store;
mod transport;

pub use client::{Asked, ProofSource, WitnessClient, WitnessClientOptions, WitnessEndpoint};
pub use error::{AddCheckpointError, WitnessClientError, WitnessError};
pub use http::witness_router;
pub use server::{Witness, WitnessConfig, WitnessedLog};
pub use transport::{
    HttpTransport, TransportError, TransportFuture, WitnessAnswer, WitnessTransport,
};
