//! The configuration file: one TOML, unknown keys refused, every default written down here.
//!
//! ```toml
//! listen = "127.0.0.1:8787"
//! data = "/var/lib/proofmark"
//!
//! [[upstream]]
//! name = "openai"
//! base_url = "https://api.openai.com/v1"
//! api_key_env = "OPENAI_API_KEY"
//! models = ["gpt-5", "o*"]
//! ```

mod error;
mod sections;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::access::{CapacityConfig, PriceConfig};
pub use error::ConfigError;
pub use sections::{
    BundledModel, ContentStore, Durability, EngineConfig, LogConfig, LoggingConfig, LoggingFormat,
    ModelConfig, ProofsConfig, ReceiptsConfig, ServerConfig, StoreConfig, WitnessConfig,
};
pub use upstream::{UpstreamConfig, UpstreamKey};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to serve on. Default `127.0.0.1:8787`; beyond loopback API keys are required.
    pub listen: SocketAddr,
    /// Data directory: keys, logs, receipts. Default `proofmark-data`.
    pub data: PathBuf,
    /// Name of this node in key statements and log origins. Default `node-1`.
    pub name: String,
    /// Where clients reach this node, such as `https://ai.example`, put in front of receipt URLs. Default: none, URLs are paths.
    pub public_url: Option<String>,
    /// The upstreams, in order of preference.
    pub upstream: Vec<UpstreamConfig>,
    /// Models of this node's own.
    pub model: Vec<ModelConfig>,
    /// How they are run.
    pub engine: EngineConfig,
    /// Proofs of their answers.
    pub proofs: ProofsConfig,
    /// What models cost.
    pub price: Vec<PriceConfig>,
    /// How much may be in flight at once.
    pub limits: CapacityConfig,
    /// Sizes and times of what strangers may send.
    pub server: ServerConfig,
    /// How receipts are issued.
    pub receipts: ReceiptsConfig,
    /// What is kept, and for how long.
    pub store: StoreConfig,
    /// The transparency log.
    pub log: LogConfig,
    /// What the process writes about itself.
    pub logging: LoggingConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            data: PathBuf::from("proofmark-data"),
            name: "node-1".to_owned(),
            public_url: None,
            upstream: Vec::new(),
            model: Vec::new(),
            engine: EngineConfig::default(),
            proofs: ProofsConfig::default(),
            price: Vec::new(),
            limits: CapacityConfig::default(),
            server: ServerConfig::default(),
            receipts: ReceiptsConfig::default(),
            store: StoreConfig::default(),
            log: LogConfig::default(),
            logging: LoggingConfig::default(),
        }
    }
}

impl Config {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`ConfigError::Toml`], whose message names line and key, and those of [`Config::check`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|source| ConfigError::Toml {
            source: Box::new(source),
        })?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, upstream) in self.upstream.iter().enumerate() {
            upstream.check()?;
            if self
                .upstream
                .iter()
                .skip(index + 1)
                .any(|other| other.name == upstream.name)
            {
                return Err(ConfigError::DuplicateUpstream {
                    name: upstream.name.clone(),
                });
            }
            for model in &upstream.models {
                if let Some(owner) = owners.insert(model, &upstream.name) {
                    return Err(ConfigError::DuplicateModel {
                        model: model.clone(),
                        first: owner.to_owned(),
                        second: upstream.name.clone(),
                    });
                }
            }
            for target in &upstream.fallback {
                let name = target
                    .split_once('/')
                    .map_or(target.as_str(), |(name, _)| name);
                if name == upstream.name || !self.upstream.iter().any(|other| other.name == name) {
                    return Err(ConfigError::Fallback {
                        upstream: upstream.name.clone(),
                        target: target.clone(),
                    });
                }
            }
        }
        for (index, model) in self.model.iter().enumerate() {
            let is_same = |other: &ModelConfig| other.name == model.name;
            if model.name.is_empty() || self.model.iter().skip(index + 1).any(is_same) {
                return Err(ConfigError::ModelName {
                    name: model.name.clone(),
                });
            }
        }
        for (index, price) in self.price.iter().enumerate() {
            if self
                .price
                .iter()
                .skip(index + 1)
                .any(|other| other.model == price.model)
            {
                return Err(ConfigError::DuplicatePrice {
                    model: price.model.clone(),
                });
            }
        }
        self.store.check()?;
        self.server.check(&self.limits)
    }
}
