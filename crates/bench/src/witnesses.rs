//! Three witnesses in this process, each with its own server and its own state on disk.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use proofmark_http::{BaseUrl, Client, ClientOptions, TlsRoots};
use proofmark_log::SystemClock;
use proofmark_log::bench::signer;
use proofmark_log::witness::{
    HttpTransport, Witness, WitnessClient, WitnessClientOptions, WitnessConfig, WitnessEndpoint,
    WitnessedLog, witness_router,
};
use proofmark_tlog::{CosignatureSigner, NoteKeyName, Origin};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::BenchError;

const WITNESSES: u8 = 3;

/// Servers that end when this is dropped.
pub(crate) struct Witnesses {
    endpoints: Vec<WitnessEndpoint>,
    _servers: JoinSet<()>,
}

impl Witnesses {
    /// Starts them with their state below `dir`.
    pub(crate) async fn start(dir: &Path) -> Result<Self, BenchError> {
        let log = signer().map_err(|source| BenchError::Log { source })?;
        let origin =
            Origin::of_key(log.name()).map_err(|_| BenchError::Fixture { what: "an origin" })?;
        let tls = TlsRoots::mozilla().map_err(|_| BenchError::Fixture { what: "TLS roots" })?;
        let mut servers = JoinSet::new();
        let mut endpoints = Vec::new();
        for i in 0..WITNESSES {
            let name = NoteKeyName::parse(&format!("witness-{i}.invalid"));
            let name = name.map_err(|_| BenchError::Fixture {
                what: "a witness's name",
            })?;
            let signer = Arc::new(CosignatureSigner::from_seed(name, &[0x50 + i; 32]));
            let vkey = signer.vkey().clone();
            let config = WitnessConfig {
                dir: dir.join(i.to_string()),
                signer,
                logs: vec![WitnessedLog {
                    origin: origin.clone(),
                    keys: vec![log.vkey().clone()],
                }],
                clock: Arc::new(SystemClock),
            };
            let witness =
                Witness::open(config).map_err(|_| BenchError::Fixture { what: "a witness" })?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(BenchError::io("starting a witness"))?;
            let address = listener
                .local_addr()
                .map_err(BenchError::io("starting a witness"))?;
            servers.spawn(async move {
                // Ends with the set that it is in.
                let _ = axum::serve(listener, witness_router(witness)).await;
            });
            let url = format!("http://{address}");
            let bad = |_| BenchError::Address {
                address: url.clone(),
            };
            let base = BaseUrl::parse(&url).map_err(bad)?;
            let client = Client::new(base, &tls, ClientOptions::default());
            let client = client.map_err(|_| BenchError::Address {
                address: url.clone(),
            })?;
            endpoints.push(WitnessEndpoint {
                vkey,
                transport: Arc::new(HttpTransport::new(client)),
            });
        }
        Ok(Self {
            endpoints,
            _servers: servers,
        })
    }

    /// A client that asks all of them.
    pub(crate) fn client(&self) -> WitnessClient {
        let endpoints = self.endpoints.iter().map(|endpoint| WitnessEndpoint {
            vkey: endpoint.vkey.clone(),
            transport: Arc::clone(&endpoint.transport),
        });
        WitnessClient::new(endpoints.collect(), WitnessClientOptions::default())
    }
}
