//! A node that serves.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use proofmark_gateway::access::{
    Access, AccessConfig, ApiKey, CapacityConfig, KeyRecord, NanoUsd, NewKey, PriceConfig, Rights,
};
use proofmark_gateway::endpoints::{Endpoints, EndpointsConfig, Pending, router};
use proofmark_gateway::metrics::Metrics;
use proofmark_gateway::store::{DEFAULT_MAX_CONTENT_BYTES, RetentionPolicy};
use proofmark_gateway::{
    Config, Gateway, GatewayParts, ReceiptIssuer, ReceiptIssuerConfig, SystemEntropy,
    UpstreamConfig,
};
use proofmark_http::{Answer, Client, Served};
use proofmark_log::Durability;
use proofmark_testkit::{MockConfig, MockUpstream};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Answered, Ground, client_of, request};

/// The operator's key at the upstream.
pub(crate) const UPSTREAM_KEY: &str = "sk-upstream-SECRETMARKER";

/// A model that stops in the middle of its stream, and has a price.
pub(crate) const STALLING: &str = "mock-stall-mid-stream:1";

pub(crate) struct Node {
    ground: Ground,
    pub(crate) mock: MockUpstream,
    pub(crate) access: Arc<Access>,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Served>,
}

impl Deref for Node {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

fn config(mock: &MockUpstream) -> Config {
    let mut upstream = UpstreamConfig::new("mock", &mock.base_url());
    upstream.api_key_env = Some("MOCK_KEY".into());
    // One nano-dollar per input token, two per output token.
    let price = |model: &str| PriceConfig {
        model: model.into(),
        input_per_mtok_usd: NanoUsd(1_000_000),
        output_per_mtok_usd: NanoUsd(2_000_000),
    };
    let config = Config {
        upstream: vec![upstream],
        price: vec![price("mock-1"), price(STALLING)],
        limits: CapacityConfig {
            max_requests: 4,
            max_streams: 2,
            max_waiting: 0,
            ..CapacityConfig::default()
        },
        ..Config::default()
    };
    config.check().unwrap();
    config
}

impl Node {
    pub(crate) async fn start() -> Self {
        let ground = Ground::open(Duration::from_millis(1)).await;
        let mock = MockUpstream::start(MockConfig {
            record: 16,
            api_keys: vec![UPSTREAM_KEY.into()],
            ..MockConfig::default()
        });
        let mock = mock.await.unwrap();
        let config = config(&mock);
        let access = AccessConfig {
            prices: config.price.clone(),
            capacity: config.limits,
            loopback: true,
        };
        let access = Arc::new(Access::open(ground.data.path(), &access).unwrap());
        let retention = RetentionPolicy::new(true, 183, 30);
        let clock = Arc::new(ground.clock.clone());
        let issuer = ReceiptIssuerConfig {
            log: ground.receipts.clone(),
            serving: ground.serving.clone(),
            retention,
            max_content_bytes: DEFAULT_MAX_CONTENT_BYTES,
            durability: Durability::Durable,
        };
        let issuer = ReceiptIssuer::new(issuer, clock.clone(), Arc::new(SystemEntropy));
        let (metrics, pending) = (Metrics::new(), Pending::new());
        let endpoints = EndpointsConfig {
            receipts: ground.receipts.clone(),
            registry: ground.registry.clone(),
            access: Arc::clone(&access),
            metrics: metrics.clone(),
            pending: pending.clone(),
            retention,
            max_content_bytes: DEFAULT_MAX_CONTENT_BYTES,
            roots: ground.roots.clone(),
            serves: !config.upstream.is_empty(),
            proofs: no_proofs(ground.data.path()),
        };
        let endpoints = Arc::new(Endpoints::new(endpoints, clock.clone()));
        let parts = GatewayParts {
            issuer: Arc::new(issuer),
            access: Arc::clone(&access),
            metrics,
            pending,
            local: proofmark_gateway::local::LocalModels::new(),
            endpoints: None,
            router: router(endpoints),
            clock,
            entropy: Arc::new(SystemEntropy),
        };
        let environment = |name: &str| (name == "MOCK_KEY").then(|| UPSTREAM_KEY.to_owned());
        let gateway = Gateway::open(&config, environment, parts).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(gateway.serve(listener, async move {
            let _ = stopped.await;
        }));
        Self {
            ground,
            mock,
            access,
            client,
            stop: Some(stop),
            task,
        }
    }

    /// Makes an API key with limits.
    pub(crate) fn key(
        &self,
        name: &str,
        rpm: Option<u32>,
        budget: Option<u64>,
    ) -> (KeyRecord, ApiKey) {
        self.ground.key(NewKey {
            name: name.into(),
            rpm,
            budget: budget.map(NanoUsd),
            expires_unix_s: None,
            rights: Rights::USE,
            policy: None,
        })
    }

    pub(crate) async fn get(&self, key: Option<&ApiKey>, path: &str) -> Answered {
        let outgoing = request(Method::GET, path, key, &[], "");
        Answered::read(self.client.send(outgoing).await.unwrap()).await
    }

    pub(crate) async fn post(&self, key: Option<&ApiKey>, path: &str, body: &Value) -> Answered {
        self.post_with(key, path, &[], body).await
    }

    pub(crate) async fn post_with(
        &self,
        key: Option<&ApiKey>,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Answered {
        Answered::read(self.begin(key, path, headers, body).await).await
    }

    /// An answer whose body was not read yet.
    pub(crate) async fn begin(
        &self,
        key: Option<&ApiKey>,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Answer {
        let outgoing = request(Method::POST, path, key, headers, &body.to_string());
        self.client.send(outgoing).await.unwrap()
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
