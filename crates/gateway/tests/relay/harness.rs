//! A gateway with a mock upstream behind it, an issuer that remembers, and a client in front.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proofmark_gateway::access::{Access, AccessConfig, Admitted};
use proofmark_gateway::endpoints::Pending;
use proofmark_gateway::metrics::Metrics;
use proofmark_gateway::{
    Clock, Config, Entropy, EntropyError, Exchange, Gateway, GatewayError, GatewayParts, Handoff,
    IssueError, Issued, Issuer, Returned, UpstreamConfig, Wishes,
};
use proofmark_http::{
    Answer, BaseUrl, Client, ClientError, ClientOptions, Outgoing, Served, TlsRoots,
};
use proofmark_receipt::{ClaimsDigest, Outcome, ReceiptId, ReceiptSecret, StreamClaim, Timing};
use proofmark_testkit::{MockConfig, MockUpstream, SeededRng, SteppedClock};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) const NOW_MS: u64 = 1_795_000_000_000;

/// What the issuer was given, without what an exchange holds on to.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: ReceiptId,
    pub(crate) secret: ReceiptSecret,
    pub(crate) wishes: Wishes,
    pub(crate) previous: Option<(ReceiptId, ClaimsDigest)>,
    pub(crate) asked: String,
    pub(crate) streamed: bool,
    pub(crate) received: Bytes,
    pub(crate) handoff: Handoff,
    pub(crate) returned: Returned,
    pub(crate) stream: Option<StreamClaim>,
    pub(crate) outcome: Outcome,
    pub(crate) timing: Timing,
}

/// An issuer that remembers, waits, and fails on demand.
pub(crate) struct Recorder {
    seen: mpsc::UnboundedSender<Seen>,
    /// Whether each receipt waits for a permit.
    pub(crate) gated: AtomicBool,
    pub(crate) gate: Semaphore,
    pub(crate) closed: AtomicBool,
    pub(crate) failing: AtomicBool,
    pub(crate) entered: mpsc::UnboundedSender<()>,
}

impl Issuer for Recorder {
    fn check_open(&self) -> Result<(), IssueError> {
        match self.closed.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(IssueError::Unavailable {
                reason: "closed".into(),
            }),
        }
    }

    async fn previous(
        &self,
        _: &Admitted,
        id: ReceiptId,
    ) -> Result<Option<ClaimsDigest>, IssueError> {
        Ok((id == known_receipt()).then_some(ClaimsDigest([5; 32])))
    }

    async fn issue(&self, exchange: Exchange) -> Result<Issued, IssueError> {
        let _ = self.entered.send(());
        if self.gated.load(Ordering::SeqCst) {
            self.gate.acquire().await.unwrap().forget();
        }
        if self.failing.load(Ordering::SeqCst) {
            return Err(IssueError::Unavailable {
                reason: "disk".into(),
            });
        }
        let id = exchange.id;
        let Exchange {
            secret,
            wishes,
            previous,
            asked,
            streamed,
            received,
            handoff,
            returned,
            stream,
            outcome,
            timing,
            ..
        } = exchange;
        let seen = Seen {
            id,
            secret,
            wishes,
            previous,
            asked,
            streamed,
            received,
            handoff,
            returned,
            stream,
            outcome,
            timing,
        };
        self.seen.send(seen).unwrap();
        Ok(Issued { id })
    }
}

/// The only receipt that the recorder knows of.
pub(crate) fn known_receipt() -> ReceiptId {
    ReceiptId::from_parts(7, [7; 10])
}

struct TestClock(SteppedClock);

impl Clock for TestClock {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }
}

struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        SeededRng::new(self.0.fetch_add(1, Ordering::SeqCst)).fill(out);
        Ok(())
    }
}

pub(crate) struct House {
    pub(crate) mock: MockUpstream,
    pub(crate) issuer: Arc<Recorder>,
    pub(crate) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
    pub(crate) entered: mpsc::UnboundedReceiver<()>,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Served>,
    _data: tempfile::TempDir,
}

/// One upstream, `mock`, that takes every model.
pub(crate) async fn house() -> House {
    house_with(|_| {}).await
}

/// The same with changes to the configuration; the mock's own entry is the first.
pub(crate) async fn house_with(change: impl FnOnce(&mut Config)) -> House {
    let mock_config = MockConfig {
        record: 16,
        api_keys: vec!["sk-upstream".into()],
        ..MockConfig::default()
    };
    let mock = MockUpstream::start(mock_config).await.unwrap();
    let mut upstream = UpstreamConfig::new("mock", &mock.base_url());
    upstream.api_key_env = Some("MOCK_KEY".into());
    let mut config = Config {
        upstream: vec![upstream],
        ..Config::default()
    };
    change(&mut config);
    config.check().unwrap();
    start(mock, &config).await
}

async fn start(mock: MockUpstream, config: &Config) -> House {
    let (sender, seen) = mpsc::unbounded_channel();
    let (entered_sender, entered) = mpsc::unbounded_channel();
    let issuer = Arc::new(Recorder {
        seen: sender,
        gated: AtomicBool::new(false),
        gate: Semaphore::new(0),
        closed: AtomicBool::new(false),
        failing: AtomicBool::new(false),
        entered: entered_sender,
    });
    let data = tempfile::tempdir().unwrap();
    let access = AccessConfig {
        prices: config.price.clone(),
        capacity: config.limits,
        loopback: true,
    };
    let access = Arc::new(Access::open(data.path(), &access).unwrap());
    let environment = |name: &str| (name == "MOCK_KEY").then(|| "sk-upstream".to_owned());
    let clock = Arc::new(TestClock(SteppedClock::at_unix_ms(NOW_MS)));
    let entropy = Arc::new(TestEntropy(AtomicU64::new(1)));
    let router = axum::Router::new().fallback(|| async { GatewayError::NotFound });
    let parts = GatewayParts {
        issuer: Arc::clone(&issuer),
        access,
        metrics: Metrics::new(),
        pending: Pending::new(),
        local: proofmark_gateway::local::LocalModels::new(),
        endpoints: None,
        router,
        clock,
        entropy,
    };
    let gateway = Gateway::open(config, environment, parts).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(gateway.serve(listener, async move {
        let _ = stopped.await;
    }));
    let client = client_of(address);
    House {
        mock,
        issuer,
        address,
        seen,
        entered,
        client,
        stop: Some(stop),
        task,
        _data: data,
    }
}

pub(crate) fn client_of(address: SocketAddr) -> Client {
    let base = BaseUrl::parse(&format!("http://{address}/v1")).unwrap();
    let options = ClientOptions {
        header_timeout: std::time::Duration::from_secs(100_000),
        idle_timeout: std::time::Duration::from_secs(100_000),
        ..ClientOptions::default()
    };
    Client::new(base, &TlsRoots::mozilla().unwrap(), options).unwrap()
}

impl House {
    /// The next receipt.
    pub(crate) async fn receipt(&mut self) -> Seen {
        self.seen
            .recv()
            .await
            .expect("the issuer lives as long as the house")
    }

    /// That there is no receipt more.
    pub(crate) fn assert_no_receipt(&mut self) {
        assert!(
            self.seen.try_recv().is_err(),
            "a receipt that should not be"
        );
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::read(self.client.send(Outgoing::get(path)).await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, body, &[]).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&'static str, &str)],
    ) -> Reply {
        self.post_bytes(path, Bytes::from(body.to_string()), headers)
            .await
    }

    pub(crate) async fn post_bytes(
        &self,
        path: &str,
        body: Bytes,
        headers: &[(&'static str, &str)],
    ) -> Reply {
        Reply::read(send(&self.client, path, body, headers).await.unwrap()).await
    }

    /// Stops the gateway, and waits until it has ended.
    pub(crate) async fn close(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap();
    }
}

/// Sends a POST; the future is the client's whole interest in it.
pub(crate) fn send(
    client: &Client,
    path: &str,
    body: Bytes,
    headers: &[(&'static str, &str)],
) -> impl Future<Output = Result<Answer, ClientError>> + Send + 'static {
    let mut map = HeaderMap::from_iter([(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )]);
    for (name, value) in headers {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let outgoing = Outgoing {
        method: Method::POST,
        path: path.to_owned(),
        headers: map,
        payload: body.into(),
    };
    let client = client.clone();
    async move { client.send(outgoing).await }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) async fn read(answer: Answer) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        Self {
            status,
            headers,
            body: answer.collect(1 << 30).await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Data of the events of a stream.
    pub(crate) fn events(&self) -> Vec<String> {
        events_of(&self.body)
    }
}

pub(crate) fn events_of(body: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(body).unwrap();
    let event = |event: &str| {
        event
            .strip_prefix("data: ")
            .unwrap_or_else(|| panic!("not one data line: {event:?}"))
            .to_owned()
    };
    text.split_terminator("\n\n").map(event).collect()
}

/// The text that the chunks of a chat add up to.
pub(crate) fn text_of(events: &[String]) -> String {
    let delta = |event: &String| {
        let chunk: Value = serde_json::from_str(event).ok()?;
        Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())
    };
    events.iter().filter_map(delta).collect()
}

pub(crate) fn chat(model: &str, text: &str) -> Value {
    serde_json::json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

pub(crate) fn chat_stream(model: &str, text: &str) -> Value {
    let mut body = chat(model, text);
    body["stream"] = true.into();
    body
}
