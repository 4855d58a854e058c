//! What a data directory holds, opened: keys, both logs, API keys, and the endpoints over them.

mod identity;
mod refresher;
mod registry;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proofmark_gateway::access::{Access, AccessConfig};
use proofmark_gateway::endpoints::{Endpoints, EndpointsConfig, Pending, router};
use proofmark_gateway::local::LocalModels;
use proofmark_gateway::metrics::Metrics;
use proofmark_gateway::proofs::{KeptProofs, Proofs, ProofsOptions};
use proofmark_gateway::store::RetentionPolicy;
use proofmark_gateway::{
    Config, ContentStore, Durability, Gateway, GatewayParts, ReceiptIssuer, ReceiptIssuerConfig,
    SystemClock, SystemEntropy,
};
use proofmark_http::{BaseUrl, Client, ClientOptions, TlsRoots};
use proofmark_keys::{KeyStore, NodeFacts, OperatorName, OsEntropy};
use proofmark_log::witness::{HttpTransport, WitnessClient, WitnessClientOptions, WitnessEndpoint};
use proofmark_log::{CheckpointCosigner, Log, LogConfig, LogError};
use proofmark_tlog::{NoteSigner, VerifierKey};
use proofmark_verify::Roots;

use crate::ambient::now_s;
use crate::commands::key::api::access_error;
use crate::data::{keys_dir, log_dir};
use crate::error::CommandError;
use crate::files;
use crate::models;
use crate::roots::NODE_ROOTS_FILE;
use crate::running::Claim;
pub(crate) use refresher::Refresher;
pub(crate) use registry::{append_leaf, publish};

/// The node of one data directory. Only one process at a time has it.
pub(crate) struct Host {
    pub(crate) claim: Claim,
    pub(crate) keys: KeyStore,
    pub(crate) facts: NodeFacts,
    pub(crate) receipts: Log,
    pub(crate) registry: Log,
    pub(crate) access: Arc<Access>,
    pub(crate) metrics: Metrics,
    pub(crate) pending: Pending,
    pub(crate) retention: RetentionPolicy,
    pub(crate) roots: Roots,
}

impl Host {
    /// Opens everything below `config.data`, and makes what a first start needs. To be called within the runtime.
    pub(crate) fn open(config: &Config) -> Result<Self, CommandError> {
        let data = config.data.as_path();
        let claim = Claim::take(data)?;
        let name = config
            .log
            .origin
            .as_deref()
            .map(OperatorName::parse)
            .transpose()?;
        let keys = open_keys(data, name.as_ref())?;
        let receipts = open_log(config, "receipts", keys.receipts_log_signer())?;
        let registry = open_log(config, "registry", keys.registry_log_signer())?;
        let access_config = AccessConfig {
            prices: config.price.clone(),
            capacity: config.limits,
            loopback: config.listen.ip().to_canonical().is_loopback(),
        };
        let access = Arc::new(Access::open(data, &access_config).map_err(access_error)?);
        let keep = config.store.contents == ContentStore::Encrypted;
        Ok(Self {
            claim,
            facts: identity::facts(config)?,
            roots: identity::own_roots(&keys),
            keys,
            receipts,
            registry,
            access,
            metrics: Metrics::new(),
            pending: Pending::new(),
            retention: RetentionPolicy::new(
                keep,
                config.store.retention_days,
                config.store.audit_days,
            ),
        })
    }

    /// Everything but the models.
    pub(crate) fn endpoints(&self, config: &Config, models: &LocalModels) -> Arc<Endpoints> {
        let endpoints = EndpointsConfig {
            receipts: self.receipts.clone(),
            registry: self.registry.clone(),
            access: Arc::clone(&self.access),
            metrics: self.metrics.clone(),
            pending: self.pending.clone(),
            retention: self.retention,
            max_content_bytes: usize::try_from(config.store.max_content_bytes)
                .unwrap_or(usize::MAX),
            roots: self.roots.clone(),
            serves: !config.upstream.is_empty() || models::serves_any(config),
            proofs: proofs(config, models),
        };
        Arc::new(Endpoints::new(endpoints, Arc::new(SystemClock)))
    }

    /// What makes receipts: with the key statement that is current, of which the leaf is in the registry log.
    pub(crate) fn issuer(&self, config: &Config) -> Result<ReceiptIssuer, CommandError> {
        let settings = ReceiptIssuerConfig {
            log: self.receipts.clone(),
            serving: self.keys.serving(now_s())?,
            retention: self.retention,
            max_content_bytes: usize::try_from(config.store.max_content_bytes)
                .unwrap_or(usize::MAX),
            durability: match config.receipts.durability {
                Durability::Durable => proofmark_log::Durability::Durable,
                Durability::Async => proofmark_log::Durability::Enqueued,
            },
        };
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        Ok(ReceiptIssuer::new(settings, clock, entropy))
    }

    /// The server. Reads the keys of the upstreams from where the configuration says they are.
    pub(crate) fn gateway(
        &self,
        config: &Config,
        issuer: Arc<ReceiptIssuer>,
        local: LocalModels,
    ) -> Result<Gateway<ReceiptIssuer>, CommandError> {
        let environment = |name: &str| std::env::var(name).ok();
        let endpoints = self.endpoints(config, &local);
        let parts = GatewayParts {
            issuer,
            access: Arc::clone(&self.access),
            metrics: self.metrics.clone(),
            pending: self.pending.clone(),
            local,
            endpoints: Some(Arc::clone(&endpoints)),
            router: router(endpoints),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        };
        Gateway::open(config, environment, parts).map_err(|error| {
            CommandError::usage("an upstream cannot be used")
                .because(error)
                .hint("see: proofmark config check")
        })
    }

    /// The node's own roots, for whoever trusts this machine.
    pub(crate) fn write_roots(&self, data: &Path) -> Result<(), CommandError> {
        let text = format!(
            "# The roots of this node. Whoever believes them believes its operator: proofmark trust add {NODE_ROOTS_FILE}\n\n{}",
            self.roots.to_toml()
        );
        files::replace(&data.join(NODE_ROOTS_FILE), text.as_bytes(), 0o644)
    }

    /// Writes what is in the queues, publishes, and gives the data directory back.
    pub(crate) async fn close(self) -> Result<(), CommandError> {
        let closed = (self.receipts.close().await, self.registry.close().await);
        closed.0.and(closed.1).map_err(log_error)
    }
}

/// The queue of proofs.
fn proofs(config: &Config, models: &LocalModels) -> Proofs {
    let settings = &config.proofs;
    let threads = match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads as usize,
    };
    let options = ProofsOptions {
        places: settings.max_waiting as usize,
        deadline: Duration::from_secs(settings.deadline_s.into()),
        memory_bytes: u64::from(settings.memory_mib) << 20,
        threads,
        retry_after_s: config.limits.retry_after_s,
    };
    let kept = KeptProofs::new(&config.data.join("proofs"));
    Proofs::new(options, models.clone(), kept, Arc::new(SystemEntropy))
}

/// Makes what a log says about itself an error of the command line.
pub(crate) fn log_error(error: LogError) -> CommandError {
    let what = match &error {
        LogError::Locked { path } => format!("another process uses the log of {}", path.display()),
        _ => "the log cannot be used".to_owned(),
    };
    CommandError::internal(what).because(error)
}

/// The keys; their history is rebuilt from the registry log where it was lost.
fn open_keys(data: &Path, name: Option<&OperatorName>) -> Result<KeyStore, CommandError> {
    let dir = keys_dir(data);
    let open = || KeyStore::open_or_create(&dir, name, now_s(), &mut OsEntropy);
    match open() {
        Err(proofmark_keys::KeysError::HistoryMissing { .. }) => {
            KeyStore::restore_history(&dir, &registry::read_leaves(data)?)?;
            Ok(open()?)
        }
        opened => Ok(opened?),
    }
}

fn open_log(config: &Config, name: &str, signer: NoteSigner) -> Result<Log, CommandError> {
    let settings = LogConfig {
        cosigner: cosigner(config)?,
        checkpoint_interval: Duration::from_millis(config.log.checkpoint_interval_ms),
        promise_max_delay: Duration::from_millis(config.log.promise_max_delay_ms),
        ..LogConfig::new(log_dir(&config.data, name), Arc::new(signer))
    };
    Log::open(settings).map_err(log_error)
}

/// The witnesses of one log: what a client remembers of them is about that log.
fn cosigner(config: &Config) -> Result<Option<Arc<dyn CheckpointCosigner>>, CommandError> {
    if config.log.witness.is_empty() {
        return Ok(None);
    }
    let deadline = Duration::from_millis(config.log.witness_timeout_ms);
    let tls = TlsRoots::mozilla()?;
    let mut witnesses = Vec::new();
    for witness in &config.log.witness {
        let vkey = VerifierKey::parse(&witness.vkey).map_err(|error| {
            CommandError::usage(format!(
                "log.witness: {} is not a verifier key",
                witness.vkey
            ))
            .because(error)
        })?;
        let options = ClientOptions {
            connect_timeout: deadline,
            header_timeout: deadline,
            idle_timeout: deadline,
            ..ClientOptions::default()
        };
        let client = Client::new(BaseUrl::parse(&witness.url)?, &tls, options)?;
        witnesses.push(WitnessEndpoint {
            vkey,
            transport: Arc::new(HttpTransport::new(client)),
        });
    }
    let options = WitnessClientOptions {
        deadline,
        ..WitnessClientOptions::default()
    };
    Ok(Some(Arc::new(WitnessClient::new(witnesses, options))))
}
