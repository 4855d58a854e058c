//! A node without models: keys, both logs, the endpoints on a loopback port, and a client.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proofmark_gateway::Clock;
use proofmark_gateway::access::{
    Access, AccessConfig, ApiKey, CapacityConfig, KeyFile, KeyRecord, NewKey, Rights,
};
use proofmark_gateway::endpoints::{Endpoints, EndpointsConfig, Pending, router};
use proofmark_gateway::metrics::Metrics;
use proofmark_gateway::store::RetentionPolicy;
use proofmark_http::{BaseUrl, Client, ClientOptions, Outgoing, Payload, TlsRoots};
use proofmark_keys::{KeyStore, NodeFacts, OsEntropy, Serving};
use proofmark_log::{Durability, Log, LogConfig, Record, RecordKey};
use proofmark_testkit::SteppedClock;
use proofmark_verify::{LogKind, LogRoot, OperatorRoot, Roots, format_operator_key};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Unix milliseconds at which every test begins.
pub(crate) const NOW_MS: u64 = 1_795_000_000_000;

/// Contents beyond it are not kept.
pub(crate) const MAX_CONTENT_BYTES: usize = 64 * 1024;

/// The clock of a node and of its logs.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(pub(crate) SteppedClock);

impl Clock for TestClock {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }
}

impl proofmark_log::Clock for TestClock {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }
}

/// What a test changes about its node.
pub(crate) struct Options {
    pub(crate) loopback: bool,
    pub(crate) upstreams: usize,
    pub(crate) retention: RetentionPolicy,
    pub(crate) capacity: CapacityConfig,
    /// Of the receipts log.
    pub(crate) checkpoint_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            loopback: true,
            upstreams: 1,
            retention: RetentionPolicy::new(true, 183, 30),
            capacity: CapacityConfig::default(),
            checkpoint_interval: Duration::from_millis(1),
        }
    }
}

pub(crate) struct Node {
    pub(crate) data: tempfile::TempDir,
    pub(crate) clock: TestClock,
    pub(crate) serving: Serving,
    pub(crate) receipts: Log,
    pub(crate) registry: Log,
    pub(crate) access: Arc<Access>,
    pub(crate) pending: Pending,
    pub(crate) metrics: Metrics,
    pub(crate) roots: Roots,
    pub(crate) retention: RetentionPolicy,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and code of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        let error = self.json();
        let code = error["error"]["code"].as_str().unwrap().to_owned();
        (self.status.as_u16(), code)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn open_log(
    data: &tempfile::TempDir,
    name: &str,
    signer: proofmark_tlog::NoteSigner,
    clock: &TestClock,
    interval: Duration,
) -> Log {
    let config = LogConfig {
        checkpoint_interval: interval,
        clock: Arc::new(clock.clone()),
        ..LogConfig::new(data.path().join("log").join(name), Arc::new(signer))
    };
    Log::open(config).unwrap()
}

fn roots_of(keys: &KeyStore, receipts: &Log, registry: &Log) -> Roots {
    let name = keys.operator_name().to_owned();
    let log = |log: &Log, kind| LogRoot {
        vkey: log.vkey().to_string(),
        operator: name.clone(),
        kind,
        witnesses: None,
    };
    let roots = Roots {
        operators: vec![OperatorRoot {
            name: name.clone(),
            key: format_operator_key(keys.operator_key()),
        }],
        logs: vec![
            log(receipts, LogKind::Receipts),
            log(registry, LogKind::Registry),
        ],
        witness_groups: Vec::new(),
    };
    roots.check().unwrap();
    roots
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let data = tempfile::tempdir().unwrap();
        let clock = TestClock(SteppedClock::at_unix_ms(NOW_MS));
        let now_s = NOW_MS / 1000;
        let mut keys =
            KeyStore::open_or_create(&data.path().join("keys"), None, now_s, &mut OsEntropy)
                .unwrap();
        let facts = NodeFacts {
            node: "node-1".into(),
            config: [0xc0; 32],
            release: [0xc1; 32],
            model_policy: None,
        };
        keys.refresh(&facts, now_s).unwrap();
        let serving = keys.serving(now_s).unwrap();
        let receipts = open_log(
            &data,
            "receipts",
            keys.receipts_log_signer(),
            &clock,
            options.checkpoint_interval,
        );
        let registry = open_log(
            &data,
            "registry",
            keys.registry_log_signer(),
            &clock,
            Duration::from_millis(1),
        );
        let mut last = 0;
        for record in keys.registry_records() {
            let record = Record {
                key: RecordKey::from_bytes(record.key),
                entry: record.leaf.into(),
                ..Record::default()
            };
            last = registry
                .append(record, Durability::Durable)
                .await
                .unwrap()
                .index;
        }
        registry.wait_integrated(last).await.unwrap();
        let access_config = AccessConfig {
            loopback: options.loopback,
            capacity: options.capacity,
            ..AccessConfig::default()
        };
        let access = Arc::new(Access::open(data.path(), &access_config).unwrap());
        let roots = roots_of(&keys, &receipts, &registry);
        let config = EndpointsConfig {
            receipts: receipts.clone(),
            registry: registry.clone(),
            access: Arc::clone(&access),
            metrics: Metrics::new(),
            pending: Pending::new(),
            retention: options.retention,
            max_content_bytes: MAX_CONTENT_BYTES,
            roots: roots.clone(),
            upstreams: options.upstreams,
        };
        let (pending, metrics) = (config.pending.clone(), config.metrics.clone());
        let endpoints = Arc::new(Endpoints::new(config, Arc::new(clock.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            axum::serve(listener, router(endpoints))
                .with_graceful_shutdown(stopped)
                .await
                .unwrap();
        });
        let base = BaseUrl::parse(&format!("http://{address}")).unwrap();
        let client = Client::new(
            base,
            &TlsRoots::mozilla().unwrap(),
            ClientOptions::default(),
        )
        .unwrap();
        Self {
            data,
            clock,
            serving,
            receipts,
            registry,
            access,
            pending,
            metrics,
            roots,
            retention: options.retention,
            client,
            stop: Some(stop),
            task,
        }
    }

    /// Makes an API key.
    pub(crate) fn key(&self, name: &str, rights: Rights) -> (KeyRecord, ApiKey) {
        let new = NewKey {
            name: name.into(),
            rpm: None,
            budget: None,
            expires_unix_s: None,
            rights,
        };
        KeyFile::of(self.data.path()).create(new, 1).unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Answered {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        let outgoing = Outgoing {
            method,
            path: path.to_owned(),
            headers: headers.collect(),
            payload: Payload::empty(),
        };
        let answer = self.client.send(outgoing).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.collect(64 << 20).await.unwrap().to_vec();
        Answered {
            status,
            headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Method::GET, path, &[]).await
    }

    pub(crate) async fn get_as(&self, key: &ApiKey, path: &str) -> Answered {
        self.send_as(key, Method::GET, path).await
    }

    pub(crate) async fn send_as(&self, key: &ApiKey, method: Method, path: &str) -> Answered {
        self.send(
            method,
            path,
            &[("authorization", &format!("Bearer {}", key.expose()))],
        )
        .await
    }

    /// Ends the server and closes the logs; the directory stays until the node is dropped.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
        self.receipts.close().await.unwrap();
        self.registry.close().await.unwrap();
    }
}
