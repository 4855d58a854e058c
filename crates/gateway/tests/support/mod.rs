//! What a node stands on: a data directory with keys and both logs, a clock, and a client for its port.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proofmark_gateway::Clock;
use proofmark_gateway::access::{ApiKey, KeyFile, KeyRecord, NewKey};
use proofmark_http::{Answer, BaseUrl, Client, ClientOptions, Outgoing, Payload, TlsRoots};
use proofmark_keys::{KeyStore, NodeFacts, OsEntropy, Serving};
use proofmark_log::{Durability, Log, LogConfig, Record, RecordKey};
use proofmark_testkit::SteppedClock;
use proofmark_tlog::NoteSigner;
use proofmark_verify::{LogKind, LogRoot, OperatorRoot, Roots, format_operator_key};
use serde_json::Value;

/// Unix milliseconds at which every test begins.
pub(crate) const NOW_MS: u64 = 1_795_000_000_000;

/// Longest answer that a test reads.
const MAX_ANSWER_BYTES: usize = 64 << 20;

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

/// A data directory with its keys and logs open. The registry log has the node's statements.
pub(crate) struct Ground {
    pub(crate) data: tempfile::TempDir,
    pub(crate) clock: TestClock,
    pub(crate) serving: Serving,
    pub(crate) receipts: Log,
    pub(crate) registry: Log,
    pub(crate) roots: Roots,
}

impl Ground {
    /// A new one; `interval` is the time between checkpoints of the receipts log.
    pub(crate) async fn open(interval: Duration) -> Self {
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
        let open_log = |name: &str, signer: NoteSigner, interval| {
            let config = LogConfig {
                checkpoint_interval: interval,
                clock: Arc::new(clock.clone()),
                ..LogConfig::new(data.path().join("log").join(name), Arc::new(signer))
            };
            Log::open(config).unwrap()
        };
        let receipts = open_log("receipts", keys.receipts_log_signer(), interval);
        let at_once = Duration::from_millis(1);
        let registry = open_log("registry", keys.registry_log_signer(), at_once);
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
        Self {
            serving: keys.serving(now_s).unwrap(),
            roots: roots_of(&keys, &receipts, &registry),
            data,
            clock,
            receipts,
            registry,
        }
    }

    /// Makes an API key.
    pub(crate) fn key(&self, new: NewKey) -> (KeyRecord, ApiKey) {
        KeyFile::of(self.data.path()).create(new, 1).unwrap()
    }

    /// Closes the logs; the directory stays.
    pub(crate) async fn close(&self) {
        self.receipts.close().await.unwrap();
        self.registry.close().await.unwrap();
    }

    /// Every file of the data directory with its bytes.
    pub(crate) fn files(&self) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let mut folders = vec![self.data.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    files.push((path, bytes));
                }
            }
        }
        let is_journal = |path: &std::path::Path| path.extension().is_some_and(|end| end == "seg");
        assert!(
            files.iter().any(|(path, _)| is_journal(path)),
            "no journal was searched"
        );
        files
    }

    /// That these bytes are in no file of the data directory.
    pub(crate) fn assert_nowhere(&self, bytes: &[u8]) {
        for (path, have) in self.files() {
            let found = have.windows(bytes.len()).any(|window| window == bytes);
            assert!(!found, "{} has it", path.display());
        }
    }
}

/// The roots that the node proposes to strangers.
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
        replayers: Vec::new(),
        witness_groups: Vec::new(),
    };
    roots.check().unwrap();
    roots
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) async fn read(answer: Answer) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.collect(MAX_ANSWER_BYTES).await.unwrap().to_vec();
        Self {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

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

/// A client of the server at `address`.
pub(crate) fn client_of(address: std::net::SocketAddr) -> Client {
    let base = BaseUrl::parse(&format!("http://{address}")).unwrap();
    Client::new(
        base,
        &TlsRoots::mozilla().unwrap(),
        ClientOptions::default(),
    )
    .unwrap()
}

/// A request with a key, or none.
pub(crate) fn request(
    method: Method,
    path: &str,
    key: Option<&ApiKey>,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Outgoing {
    let header = |name: &'static str, value: &str| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    let mut map: HeaderMap = headers
        .iter()
        .map(|(name, value)| header(name, value))
        .collect();
    if let Some(key) = key {
        map.extend([header("authorization", &format!("Bearer {}", key.expose()))]);
    }
    let payload = if body.is_empty() {
        Payload::empty()
    } else {
        map.extend([header("content-type", "application/json")]);
        Payload::from(bytes::Bytes::from(body.to_owned()))
    };
    Outgoing {
        method,
        path: path.to_owned(),
        headers: map,
        payload,
    }
}
