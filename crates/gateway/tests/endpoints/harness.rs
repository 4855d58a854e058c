//! A node without models: the endpoints on a loopback port, and a client.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use proofmark_gateway::access::{
    Access, AccessConfig, ApiKey, CapacityConfig, KeyRecord, NewKey, Rights,
};
use proofmark_gateway::endpoints::{Endpoints, EndpointsConfig, Pending, router};
use proofmark_gateway::metrics::Metrics;
use proofmark_gateway::store::RetentionPolicy;
use proofmark_http::Client;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use crate::support::{Answered, NOW_MS};
use crate::support::{Ground, client_of, request};

/// Contents beyond it are not kept.
pub(crate) const MAX_CONTENT_BYTES: usize = 64 * 1024;

/// What a test changes about its node.
pub(crate) struct Options {
    pub(crate) serves: bool,
    pub(crate) retention: RetentionPolicy,
    pub(crate) capacity: CapacityConfig,
    /// Of the receipts log.
    pub(crate) checkpoint_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            serves: true,
            retention: RetentionPolicy::new(true, 183, 30),
            capacity: CapacityConfig::default(),
            checkpoint_interval: Duration::from_millis(1),
        }
    }
}

pub(crate) struct Node {
    ground: Ground,
    pub(crate) access: Arc<Access>,
    pub(crate) pending: Pending,
    pub(crate) metrics: Metrics,
    pub(crate) retention: RetentionPolicy,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Deref for Node {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let ground = Ground::open(options.checkpoint_interval).await;
        let access = AccessConfig {
            loopback: true,
            capacity: options.capacity,
            ..AccessConfig::default()
        };
        let access = Arc::new(Access::open(ground.data.path(), &access).unwrap());
        let config = EndpointsConfig {
            receipts: ground.receipts.clone(),
            registry: ground.registry.clone(),
            access: Arc::clone(&access),
            metrics: Metrics::new(),
            pending: Pending::new(),
            retention: options.retention,
            max_content_bytes: MAX_CONTENT_BYTES,
            roots: ground.roots.clone(),
            serves: options.serves,
            proofs: no_proofs(ground.data.path()),
        };
        let (pending, metrics) = (config.pending.clone(), config.metrics.clone());
        let endpoints = Arc::new(Endpoints::new(config, Arc::new(ground.clock.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            let serving = axum::serve(listener, router(endpoints));
            serving.with_graceful_shutdown(stopped).await.unwrap();
        });
        Self {
            ground,
            access,
            pending,
            metrics,
            retention: options.retention,
            client,
            stop: Some(stop),
            task,
        }
    }

    /// Makes an API key without limits.
    pub(crate) fn key(&self, name: &str, rights: Rights) -> (KeyRecord, ApiKey) {
        self.ground.key(NewKey {
            name: name.into(),
            rpm: None,
            budget: None,
            expires_unix_s: None,
            rights,
            policy: None,
        })
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Answered {
        let outgoing = request(method, path, None, headers, "");
        Answered::read(self.client.send(outgoing).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Method::GET, path, &[]).await
    }

    pub(crate) async fn get_as(&self, key: &ApiKey, path: &str) -> Answered {
        self.send_as(key, Method::GET, path).await
    }

    pub(crate) async fn send_as(&self, key: &ApiKey, method: Method, path: &str) -> Answered {
        let outgoing = request(method, path, Some(key), &[], "");
        Answered::read(self.client.send(outgoing).await.unwrap()).await
    }

    /// Ends the server and closes the logs; the directory stays until the node is dropped.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
        self.ground.close().await;
    }
}

/// A node without models of its own makes no proofs.
fn no_proofs(data: &std::path::Path) -> proofmark_gateway::proofs::Proofs {
    let options = proofmark_gateway::proofs::ProofsOptions {
        places: 0,
        deadline: std::time::Duration::from_secs(60),
        memory_bytes: 0,
        threads: 1,
        retry_after_s: 1,
    };
    proofmark_gateway::proofs::Proofs::new(
        options,
        proofmark_gateway::local::LocalModels::new(),
        proofmark_gateway::proofs::KeptProofs::new(&data.join("proofs")),
        Arc::new(proofmark_gateway::SystemEntropy),
    )
}
