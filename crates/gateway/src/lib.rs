//! The gateway: an OpenAI-compatible server whose every answer carries a receipt (specs/03-http.md).

pub mod access;
mod ambient;
mod caller;
mod config;
pub mod endpoints;
mod error;
mod exchange;
mod issue;
pub mod local;
pub mod metrics;
mod models;
pub mod proofs;
mod relay;
mod routing;
mod server;
pub mod store;
mod upstream;

pub use ambient::{Clock, Entropy, EntropyError, SystemClock, SystemEntropy};
pub use caller::{Wishes, parse_receipt_id};
pub use config::{
    BundledModel, Config, ConfigError, ContentStore, Durability, EngineConfig, LogConfig,
    LoggingConfig, LoggingFormat, ModelConfig, ProofsConfig, ReceiptsConfig, ServerConfig,
    StoreConfig, UpstreamConfig, UpstreamKey, WitnessConfig,
};
pub use error::{GatewayError, OverloadedBy, QuotaReason};
pub use exchange::{
    Adjusted, Exchange, ExecutedHere, Handoff, IssueError, Issued, Issuer, OutputIds, Returned,
};
pub use issue::{ReceiptIssuer, ReceiptIssuerConfig};
pub use server::{Gateway, GatewayParts};
