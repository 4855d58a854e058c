//! Which path goes where.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request};
use hyper::body::Incoming;
use proofmark_http::{Handler, ServeOptions, Served, serve};
use proofmark_openai::Operation;
use tokio::net::TcpListener;

use crate::access::Access;
use crate::ambient::{Clock, Entropy};
use crate::config::{Config, ConfigError};
use crate::error::GatewayError;
use crate::exchange::Issuer;
use crate::relay::Relay;

/// The server of one node.
pub struct Gateway<I: Issuer> {
    relay: Relay<I>,
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
        issuer: Arc<I>,
        access: Arc<Access>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ConfigError> {
        let server = &config.server;
        let options = ServeOptions {
            max_connections: usize::try_from(server.max_connections).unwrap_or(usize::MAX),
            retry_after_s: config.limits.retry_after_s,
            header_timeout: Duration::from_millis(server.head_timeout_ms),
            stall_timeout: Duration::from_millis(server.stall_timeout_ms),
            grace: Duration::from_millis(server.shutdown_grace_ms),
            ..ServeOptions::default()
        };
        Ok(Self {
            relay: Relay::open(config, environment, issuer, access, clock, entropy)?,
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

impl<I: Issuer> Handler for Gateway<I> {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Response {
        let operation = match request.uri().path() {
            "/v1/chat/completions" => Operation::ChatCompletions,
            "/v1/completions" => Operation::Completions,
            "/v1/embeddings" => Operation::Embeddings,
            "/healthz" => return Response::new(Body::from("ok\n")),
            _ => return GatewayError::NotFound.into_response(),
        };
        if request.method() != Method::POST {
            return GatewayError::MethodNotAllowed { allow: "POST" }.into_response();
        }
        self.relay.handle(operation, request).await
    }
}
