//! Under construction.

pub mod access;
mod error;
pub mod metrics;
pub mod store;

pub use error::{GatewayError, OverloadedBy, QuotaReason};
