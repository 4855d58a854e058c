//! What the endpoints stand on.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use proofmark_log::Log;
use proofmark_verify::Roots;

use super::pending::Pending;
use super::registry::Registry;
use crate::access::{Access, Holder};
use crate::ambient::Clock;
use crate::error::GatewayError;
use crate::metrics::Metrics;
use crate::proofs::Proofs;
use crate::store::RetentionPolicy;

/// What [`Endpoints::new`] needs.
#[derive(Debug, Clone)]
pub struct EndpointsConfig {
    /// Log of the receipts.
    pub receipts: Log,
    /// Log of the key statements.
    pub registry: Log,
    /// Keys and bounds.
    pub access: Arc<Access>,
    /// Numbers.
    pub metrics: Metrics,
    /// Receipts that are in the making.
    pub pending: Pending,
    /// How long contents are kept.
    pub retention: RetentionPolicy,
    /// Largest contents that are kept, in bytes.
    pub max_content_bytes: usize,
    /// The roots by which strangers can verify this node, as it proposes them.
    pub roots: Roots,
    /// Whether there is anything to answer with: an upstream, or a model of the node's own.
    pub serves: bool,
    /// Proofs of this node's own answers.
    pub proofs: Proofs,
}

/// State of the endpoints.
pub struct Endpoints {
    pub(super) config: EndpointsConfig,
    pub(super) registry: Registry,
    clock: Arc<dyn Clock>,
}

impl Endpoints {
    /// Endpoints of a node that serves.
    #[must_use]
    pub fn new(config: EndpointsConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            registry: Registry::new(config.registry.clone()),
            config,
            clock,
        }
    }

    pub(super) fn receipts_log(&self) -> &Log {
        &self.config.receipts
    }

    pub(super) fn registry_log(&self) -> &Log {
        &self.config.registry
    }

    pub(super) fn now_unix_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    pub(super) fn now_unix_s(&self) -> u64 {
        self.clock.unix_ms() / 1000
    }

    /// Whose request it is.
    pub(super) fn holder(&self, headers: &HeaderMap) -> Result<Holder, GatewayError> {
        self.config.access.authenticate(headers, self.now_unix_ms())
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").finish_non_exhaustive()
    }
}
