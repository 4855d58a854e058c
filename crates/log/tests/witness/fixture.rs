//! A small log in memory, a witness on an ephemeral port, and transports that misbehave.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use proofmark_http::{BaseUrl, Client, ClientOptions, TlsRoots};
use proofmark_log::{
    Clock, LogError,
    witness::{
        HttpTransport, TransportFuture, Witness, WitnessAnswer, WitnessClient,
        WitnessClientOptions, WitnessConfig, WitnessEndpoint, WitnessTransport, WitnessedLog,
        witness_router,
    },
};
use proofmark_tlog::{
    Checkpoint, CosignatureSigner, Frontier, Hash, NoteKeyName, NoteSigner, Origin, TileId,
    VerifiedCheckpoint, VerifierKey, consistency_proof, leaf_hash, sign_checkpoint,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub(crate) const LOG: &str = "log.example.com/receipts";

pub(crate) fn log_signer() -> NoteSigner {
    NoteSigner::from_seed(NoteKeyName::parse(LOG).unwrap(), &[1; 32])
}

pub(crate) fn cosigner(name: &str, seed: u8) -> Arc<CosignatureSigner> {
    Arc::new(CosignatureSigner::from_seed(
        NoteKeyName::parse(name).unwrap(),
        &[seed; 32],
    ))
}

/// A log whose leaves after `forked_at` are marked with the name of the branch.
pub(crate) struct TestLog {
    tiles: BTreeMap<(u8, u64), Vec<u8>>,
    roots: Vec<Hash>,
}

impl TestLog {
    pub(crate) fn new(size: u64) -> Self {
        Self::forked(size, size, "")
    }

    pub(crate) fn forked(size: u64, forked_at: u64, branch: &str) -> Self {
        let mut frontier = Frontier::new();
        let mut log = Self {
            tiles: BTreeMap::new(),
            roots: vec![frontier.root()],
        };
        for index in 0..size {
            let mark = if index < forked_at { "" } else { branch };
            let leaf = leaf_hash(format!("{mark}{index}").as_bytes());
            let tiles = &mut log.tiles;
            frontier
                .append_with(leaf, |node, hash| {
                    if node.level.is_multiple_of(8) {
                        let at = (u8::try_from(node.level / 8).unwrap(), node.index / 256);
                        tiles
                            .entry(at)
                            .or_default()
                            .extend_from_slice(hash.as_bytes());
                    }
                })
                .unwrap();
            log.roots.push(frontier.root());
        }
        log
    }

    pub(crate) fn checkpoint(&self, size: u64) -> VerifiedCheckpoint {
        let root = self.roots[usize::try_from(size).unwrap()];
        let origin = Origin::parse(LOG).unwrap();
        sign_checkpoint(&Checkpoint { origin, size, root }, &log_signer()).unwrap()
    }

    /// Proofs to `size`.
    pub(crate) fn proofs(&self, size: u64) -> impl Fn(u64) -> Result<Vec<Hash>, LogError> + Sync {
        move |old| {
            let mut read = |tile: TileId| {
                let bytes = &self.tiles[&(tile.level(), tile.index())];
                Ok::<_, Infallible>(bytes[..tile.byte_length()].to_vec())
            };
            Ok(consistency_proof(old, size, &mut read).unwrap())
        }
    }
}

/// A clock that the test sets.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    unix_ms: AtomicU64,
}

impl TestClock {
    pub(crate) fn at(unix_s: u64) -> Arc<Self> {
        let clock = Arc::new(Self::default());
        clock.set(unix_s);
        clock
    }

    pub(crate) fn set(&self, unix_s: u64) {
        self.unix_ms.store(unix_s * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn unix_ms(&self) -> u64 {
        self.unix_ms.load(Ordering::SeqCst)
    }
}

pub(crate) fn config(
    dir: &Path,
    signer: &Arc<CosignatureSigner>,
    clock: Arc<TestClock>,
) -> WitnessConfig {
    let log = WitnessedLog {
        origin: Origin::parse(LOG).unwrap(),
        keys: vec![log_signer().vkey().clone()],
    };
    WitnessConfig {
        dir: dir.to_owned(),
        signer: Arc::clone(signer),
        logs: vec![log],
        clock,
    }
}

/// A witness that serves until it is stopped.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) vkey: VerifierKey,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Serving {
    /// Serves on an ephemeral port.
    pub(crate) async fn start(config: WitnessConfig) -> Self {
        let witness = Witness::open(config).unwrap();
        let vkey = witness.vkey().clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(async move {
            let server = axum::serve(listener, witness_router(witness));
            server
                .with_graceful_shutdown(async {
                    let _: Result<(), _> = stopped.await;
                })
                .await
                .unwrap();
        });
        Self {
            address,
            vkey,
            stop,
            done,
        }
    }

    /// Returns when the server is gone and its lock released.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.done.await.unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        http_client(self.address)
    }

    pub(crate) fn endpoint(&self) -> WitnessEndpoint {
        let transport = Arc::new(HttpTransport::new(self.client()));
        WitnessEndpoint {
            vkey: self.vkey.clone(),
            transport,
        }
    }
}

pub(crate) fn http_client(address: SocketAddr) -> Client {
    let base = BaseUrl::parse(&format!("http://{address}")).unwrap();
    // No connection is kept, so that a server that is told to stop has none to wait for.
    let options = ClientOptions {
        max_idle: 0,
        ..ClientOptions::default()
    };
    Client::new(base, &TlsRoots::mozilla().unwrap(), options).unwrap()
}

/// A client that never gives a witness a rest, with a deadline that only a broken test reaches.
pub(crate) fn patient(witnesses: Vec<WitnessEndpoint>) -> WitnessClient {
    let options = WitnessClientOptions {
        deadline: Duration::from_secs(60),
        rest: Duration::ZERO,
        ..WitnessClientOptions::default()
    };
    WitnessClient::new(witnesses, options)
}

/// A witness that never answers.
#[derive(Debug)]
pub(crate) struct Silent;

impl WitnessTransport for Silent {
    fn add_checkpoint(&self, _: Bytes) -> TransportFuture<'_> {
        Box::pin(future::pending())
    }
}

/// A peer that answers what the test has put down, and keeps what it was sent.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    answers: Mutex<Vec<WitnessAnswer>>,
    pub(crate) requests: Mutex<Vec<String>>,
}

impl Scripted {
    /// Answers in this order; the connection breaks when there are no more.
    pub(crate) fn new(answers: impl IntoIterator<Item = WitnessAnswer>) -> Arc<Self> {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Arc::new(Self {
            answers: Mutex::new(answers),
            requests: Mutex::default(),
        })
    }

    pub(crate) fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

impl WitnessTransport for Scripted {
    fn add_checkpoint(&self, body: Bytes) -> TransportFuture<'_> {
        self.requests
            .lock()
            .unwrap()
            .push(String::from_utf8(body.to_vec()).unwrap());
        let answer = self.answers.lock().unwrap().pop();
        Box::pin(async move { answer.ok_or_else(|| "connection broken".into()) })
    }
}

pub(crate) fn answer(status: u16, is_size: bool, body: impl Into<Bytes>) -> WitnessAnswer {
    WitnessAnswer {
        status,
        is_size,
        body: body.into(),
    }
}
