//! The sections beside the upstreams.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;
use crate::access::CapacityConfig;
use crate::store::MAX_CONTENT_BYTES;

/// `[server]`: sizes and times of what strangers may send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Longest request body in bytes; 413 beyond it. Default 64 MiB.
    pub max_request_bytes: u64,
    /// Longest answer, or assembled stream, in bytes. Default 64 MiB.
    pub max_answer_bytes: u64,
    /// Connections; 503 beyond it. Default 4096.
    pub max_connections: u32,
    /// Longest pause while a request's body arrives, ms. Default 30 s.
    pub body_idle_timeout_ms: u64,
    /// Longest time for a request's head, and between two requests of a connection, ms. Default 60 s.
    pub head_timeout_ms: u64,
    /// Longest time that a client may leave its answer unread, ms. Default 60 s.
    pub stall_timeout_ms: u64,
    /// What requests in flight get after the signal to stop, ms. Default 30 s.
    pub shutdown_grace_ms: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_request_bytes: 64 << 20,
            max_answer_bytes: 64 << 20,
            max_connections: 4096,
            body_idle_timeout_ms: 30_000,
            head_timeout_ms: 60_000,
            stall_timeout_ms: 60_000,
            shutdown_grace_ms: 30_000,
        }
    }
}

impl ServerConfig {
    pub(super) fn check(&self, limits: &CapacityConfig) -> Result<(), ConfigError> {
        const GIB: u64 = 1 << 30;
        let bound = |key, got, min, max| {
            if (min..=max).contains(&got) {
                Ok(())
            } else {
                Err(ConfigError::Limit { key, got, min, max })
            }
        };
        bound(
            "server.max_request_bytes",
            self.max_request_bytes,
            1024,
            GIB,
        )?;
        bound("server.max_answer_bytes", self.max_answer_bytes, 1024, GIB)?;
        let longest = self.max_request_bytes.max(self.max_answer_bytes);
        bound(
            "limits.max_body_bytes",
            limits.max_body_bytes,
            longest,
            1024 * GIB,
        )?;
        bound(
            "limits.max_requests",
            limits.max_requests.into(),
            1,
            1_000_000,
        )?;
        bound(
            "limits.max_streams",
            limits.max_streams.into(),
            1,
            1_000_000,
        )?;
        bound(
            "server.max_connections",
            self.max_connections.into(),
            1,
            1_000_000,
        )
    }
}

/// When an answer is let go in relation to its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The receipt is on disk before the last byte of the answer is sent.
    Durable,
    /// The receipt is signed and queued before the last byte; a crash within moments can lose it.
    Async,
}

/// `[receipts]`: how receipts are issued.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiptsConfig {
    /// Default `durable`.
    pub durability: Durability,
}

impl Default for ReceiptsConfig {
    fn default() -> Self {
        Self {
            durability: Durability::Durable,
        }
    }
}

/// `[[model]]`: a model of this node's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Name under which it is served.
    pub name: String,
    /// Its directory. Default: the model of this name in the data directory's store.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

/// Whether the model inside of the program is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BundledModel {
    /// If neither upstreams nor other models are configured.
    Alone,
    /// Always.
    Serve,
    /// Never.
    Off,
}

/// `[engine]`: how models of this node's own are run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Default `alone`.
    pub bundled: BundledModel,
    /// Threads per model; 0 for one per processor. Default 0.
    pub threads: u32,
    /// Memory for each model with its keys and values, MiB. What does not fit is refused before it is loaded. Default 8192.
    pub memory_mib: u32,
    /// Requests that wait for a model; 503 beyond it. Default 256.
    pub max_waiting: u32,
    /// Answers that are generated at the same time. Default 32.
    pub max_sequences: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            bundled: BundledModel::Alone,
            threads: 0,
            memory_mib: 8_192,
            max_waiting: 256,
            max_sequences: 32,
        }
    }
}

/// `[proofs]`: proofs of inference of this node's own answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProofsConfig {
    /// Proofs that wait or are made; 503 beyond it. 0: this node makes none. Default 16.
    pub max_waiting: u32,
    /// Longest time from the request for a proof to its end, seconds. Default 600.
    pub deadline_s: u32,
    /// What needs more memory is refused before it is begun, MiB. Default 4096.
    pub memory_mib: u32,
    /// Threads; 0 for one per processor. Default 0.
    pub threads: u32,
}

impl Default for ProofsConfig {
    fn default() -> Self {
        Self {
            max_waiting: 16,
            deadline_s: 600,
            memory_mib: 4_096,
            threads: 0,
        }
    }
}

/// Whether contents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentStore {
    /// Request and answer, encrypted under the receipt's secret.
    Encrypted,
    /// Nothing but the receipt.
    None,
}

/// `[store]`: what is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Default `encrypted`.
    pub contents: ContentStore,
    /// Days after which contents are erased. Default 183, six months.
    pub retention_days: u32,
    /// Longest contents that are kept, in bytes. Default 4 MiB, at most 8 MiB.
    pub max_content_bytes: u64,
    /// Days for which contents of a receipt that gave audit permission cannot be erased. Default 30.
    pub audit_days: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            contents: ContentStore::Encrypted,
            retention_days: 183,
            max_content_bytes: 4 << 20,
            audit_days: 30,
        }
    }
}

impl StoreConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.retention_days < self.audit_days {
            return Err(ConfigError::Retention {
                retention_days: self.retention_days,
                audit_days: self.audit_days,
            });
        }
        let max = MAX_CONTENT_BYTES as u64;
        if self.max_content_bytes > max {
            return Err(ConfigError::Limit {
                key: "store.max_content_bytes",
                got: self.max_content_bytes,
                min: 0,
                max,
            });
        }
        Ok(())
    }
}

/// `[log]`: the transparency log of the receipts and that of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// First part of both logs' origins, such as `ai.example`. Default: made of the node's name.
    pub origin: Option<String>,
    /// Time between checkpoints, ms. Default 100.
    pub checkpoint_interval_ms: u64,
    /// Longest time that an inclusion promise leaves the log, ms. Default 60 s.
    pub promise_max_delay_ms: u64,
    /// Witnesses that are asked to cosign.
    pub witness: Vec<WitnessConfig>,
    /// Longest time that a checkpoint waits for them, ms. Default 1 s.
    pub witness_timeout_ms: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            origin: None,
            checkpoint_interval_ms: 100,
            promise_max_delay_ms: 60_000,
            witness: Vec::new(),
            witness_timeout_ms: 1_000,
        }
    }
}

/// `[[log.witness]]`: one witness.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Its verifier key (C2SP signed-note).
    pub vkey: String,
    /// Where it takes `POST /add-checkpoint`.
    pub url: String,
}

/// How the process's own log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoggingFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// `[logging]`: what the process writes about itself. Prompts and answers are never in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// Default `text`.
    pub format: LoggingFormat,
    /// Filter such as `info` or `proofmark_gateway=debug`. Default `info`.
    pub level: String,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            format: LoggingFormat::Text,
            level: "info".to_owned(),
        }
    }
}
