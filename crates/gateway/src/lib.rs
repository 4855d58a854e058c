//! Under construction.

mod error;

pub use error::{GatewayError, OverloadedBy, QuotaReason};
