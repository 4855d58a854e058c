//! Which path goes where.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request};
use hyper::body::Incoming;
use proofmark_http::{Handler, ServeOptions, Served, serve};
use proofmark_openai::Operation;
use tokio::net::TcpListener;
use tower_service::Service as _;

use crate::access::Access;
use crate::ambient::{Clock, Entropy};
use crate::config::{Config, ConfigError};
use crate::endpoints::{Endpoints, Pending};
use crate::error::GatewayError;
use crate::exchange::Issuer;
use crate::local::LocalModels;
use crate::metrics::Metrics;
use crate::models::{Catalog, Offer};
use crate::relay::{Relay, RelayParts};

/// What [`Gateway::open`] needs beside the configuration.
pub struct GatewayParts<I> {
    /// What makes receipts.
    pub issuer: Arc<I>,
    /// Keys, limits and bounds.
    pub access: Arc<Access>,
    /// Numbers, shared with the endpoint that shows them.
    pub metrics: Metrics,
    /// Receipts in the making, shared with the endpoint that is asked for them.
    pub pending: Pending,
    /// The models of this node's own.
    pub local: LocalModels,
    /// What begins proofs of answers that were asked to be proven; without it none can be.
    pub endpoints: Option<Arc<Endpoints>>,
    /// What answers all other paths, 404 and 405 included: [`crate::endpoints::router`].
    pub router: Router,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The server of one node.
pub struct Gateway<I: Issuer> {
    relay: Relay<I>,
    catalog: Catalog,
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
    router: Router,
    options: ServeOptions,
}

impl<I: Issuer> Gateway<I> {
    /// Reads the upstreams' keys through `environment` and from files. To be called within the runtime.
    ///
    /// # Errors
    /// If a key or a certificate cannot be read, or an upstream cannot be addressed.
    pub fn open(
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
        parts: GatewayParts<I>,
    ) -> Result<Self, ConfigError> {
        let GatewayParts {
            issuer,
            access,
            metrics,
            pending,
            local,
            endpoints,
            router,
            clock,
            entropy,
        } = parts;
        let server = &config.server;
        let options = ServeOptions {
            max_connections: usize::try_from(server.max_connections).unwrap_or(usize::MAX),
            retry_after_s: config.limits.retry_after_s,
            header_timeout: Duration::from_millis(server.head_timeout_ms),
            stall_timeout: Duration::from_millis(server.stall_timeout_ms),
            grace: Duration::from_millis(server.shutdown_grace_ms),
            ..ServeOptions::default()
        };
        let relay = RelayParts {
            issuer,
            access: Arc::clone(&access),
            metrics,
            pending,
            local,
            endpoints,
            clock: Arc::clone(&clock),
            entropy,
        };
        Ok(Self {
            relay: Relay::open(config, environment, relay)?,
            catalog: Catalog::new(),
            access,
            clock,
            router,
            options,
        })
    }

    /// Serves until `shutdown` resolves, and returns when all requests have ended and every receipt is issued.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Served {
        let options = self.options.clone();
        let gateway = Arc::new(self);
        let served = serve(listener, Arc::clone(&gateway), options, shutdown).await;
        gateway.relay.drained().await;
        served
    }
}

impl<I: Issuer> Gateway<I> {
    /// `/v1/models` and what is below it.
    async fn models(&self, request: &Request<Incoming>, id: Option<&str>) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return GatewayError::MethodNotAllowed { allow: "GET, HEAD" }.into_response();
        }
        let holder = self
            .access
            .authenticate(request.headers(), self.clock.unix_ms());
        match holder {
            Ok(holder) if holder.may_use() => {}
            Ok(_) => return GatewayError::InvalidApiKey.into_response(),
            Err(error) => return error.into_response(),
        }
        let offer = Offer {
            local: &self.relay.local,
            upstreams: &self.relay.upstreams,
            routes: &self.relay.routes,
        };
        match id {
            None => self.catalog.list(offer).await,
            Some(id) => self.catalog.one(id, offer).await,
        }
    }
}

impl<I: Issuer> Handler for Gateway<I> {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Response {
        let operation = match request.uri().path() {
            "/v1/chat/completions" => Operation::ChatCompletions,
            "/v1/completions" => Operation::Completions,
            "/v1/embeddings" => Operation::Embeddings,
            "/v1/infer" => Operation::Infer,
            "/v1/models" => return self.models(&request, None).await,
            path => {
                return match path.strip_prefix("/v1/models/") {
                    Some(id) => self.models(&request, Some(id)).await,
                    // A router is always ready and never fails.
                    None => match self.router.clone().call(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    },
                };
            }
        };
        if request.method() != Method::POST {
            return GatewayError::MethodNotAllowed { allow: "POST" }.into_response();
        }
        // It would be neither forwarded nor committed to.
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            return GatewayError::InvalidQuery {
                param: "query",
                expected: "expected no parameters here",
            }
            .into_response();
        }
        self.relay.handle(operation, request).await
    }
}
