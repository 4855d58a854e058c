//! The upstreams as they are asked.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header};
use proofmark_http::{Answer, Client, ClientError, Outgoing, Payload, TlsRoots};

use crate::config::{ConfigError, UpstreamConfig};
use crate::error::GatewayError;

/// One upstream with its connections and its key.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) host: Arc<str>,
    pub(crate) retries: u32,
    pub(crate) stream_usage: bool,
    client: Client,
    /// The only headers that are sent: nothing of the client's goes through.
    headers: HeaderMap,
}

impl Upstream {
    /// Reads its key and certificates. Nothing is connected yet.
    pub(crate) fn open(
        config: &UpstreamConfig,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let tls = |source| ConfigError::Tls {
            upstream: config.name.clone(),
            source,
        };
        let roots = match config.load_ca()? {
            Some(pem) => TlsRoots::mozilla_and(&pem),
            None => TlsRoots::mozilla(),
        };
        let base = config.base_url()?;
        let host = Arc::from(base.authority());
        let client =
            Client::new(base, &roots.map_err(tls)?, config.client_options()).map_err(tls)?;
        let mut headers = HeaderMap::from_iter([(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("proofmark/", env!("CARGO_PKG_VERSION"))),
        )]);
        if let Some(key) = config.load_key(environment)? {
            headers.insert(key.name, key.value);
        }
        Ok(Self {
            name: Arc::from(config.name.as_str()),
            host,
            retries: config.retries,
            stream_usage: config.stream_usage,
            client,
            headers,
        })
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        accept: &'static str,
        payload: Payload,
    ) -> Result<Answer, ClientError> {
        let mut headers = self.headers.clone();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        self.client
            .send(Outgoing {
                method: Method::POST,
                path: path.to_owned(),
                headers,
                payload,
            })
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.client
            .send(Outgoing {
                headers: self.headers.clone(),
                ..Outgoing::get(path)
            })
            .await
    }

    /// What the caller is told about a failure on the way to or from here.
    pub(crate) fn failure(&self, error: &ClientError) -> GatewayError {
        let upstream = self.name.as_ref().to_owned();
        match error {
            ClientError::ConnectTimeout { .. }
            | ClientError::HeaderTimeout { .. }
            | ClientError::IdleTimeout { .. } => GatewayError::UpstreamTimeout { upstream },
            ClientError::TooLarge { .. } => GatewayError::UpstreamMalformed { upstream },
            _ => GatewayError::UpstreamUnreachable { upstream },
        }
    }
}
