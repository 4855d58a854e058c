//! Why a configuration is refused.

use std::io;
use std::path::PathBuf;

use proofmark_http::{BaseUrlError, TlsConfigError};

/// A configuration that cannot be served. The operator is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{source}")]
    Toml {
        /// The reader's words, with line and column.
        source: Box<toml::de::Error>,
    },
    /// An upstream's name is empty or has characters that a model name's prefix cannot have.
    #[error("upstream name {name:?}: use letters, digits, '-', '_' and '.'")]
    UpstreamName {
        /// The name.
        name: String,
    },
    /// An upstream's base URL is none.
    #[error("upstream {upstream}: base_url: {source}")]
    BaseUrl {
        /// The upstream's name.
        upstream: String,
        /// What is wrong with it.
        source: BaseUrlError,
    },
    /// A model's name is empty, or another model has it.
    #[error("model name {name:?}: every model of this node needs a name of its own")]
    ModelName {
        /// The name.
        name: String,
    },
    /// Two upstreams have one name.
    #[error("two upstreams are called {name}")]
    DuplicateUpstream {
        /// The name.
        name: String,
    },
    /// Two upstreams list one model, so that chance would decide.
    #[error(
        "model {model} is listed by {first} and by {second}: keep it at one, and name the other as its fallback"
    )]
    DuplicateModel {
        /// The model or pattern.
        model: String,
        /// The upstream that lists it first.
        first: String,
        /// The upstream that lists it again.
        second: String,
    },
    /// A model pattern has `*` elsewhere than at its end, or is empty.
    #[error("upstream {upstream}: model {pattern:?}: '*' stands at the end only")]
    ModelPattern {
        /// The upstream's name.
        upstream: String,
        /// The pattern.
        pattern: String,
    },
    /// A fallback names no other upstream.
    #[error("upstream {upstream}: fallback {target:?} names no other upstream")]
    Fallback {
        /// The upstream's name.
        upstream: String,
        /// The target as written.
        target: String,
    },
    /// `api_key_env` and `api_key_file` are both there.
    #[error("upstream {upstream}: give api_key_env or api_key_file, not both")]
    TwoKeys {
        /// The upstream's name.
        upstream: String,
    },
    /// The environment variable of a key is not set.
    #[error("upstream {upstream}: environment variable {variable} is not set")]
    KeyVariable {
        /// The upstream's name.
        upstream: String,
        /// The variable.
        variable: String,
    },
    /// The file of a key or of certificates cannot be read.
    #[error("upstream {upstream}: cannot read {}", path.display())]
    File {
        /// The upstream's name.
        upstream: String,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A key is empty or cannot stand in a header. It is not shown.
    #[error(
        "upstream {upstream}: the API key is empty or has characters that a header cannot have"
    )]
    KeyMalformed {
        /// The upstream's name.
        upstream: String,
    },
    /// The name of a header is none.
    #[error("upstream {upstream}: api_key_header {header:?} is no header name")]
    KeyHeader {
        /// The upstream's name.
        upstream: String,
        /// The name as written.
        header: String,
    },
    /// Certificates cannot be used, or the host cannot stand in one.
    #[error("upstream {upstream}: {source}")]
    Tls {
        /// The upstream's name.
        upstream: String,
        /// The reason.
        source: TlsConfigError,
    },
    /// One model has two prices.
    #[error("model {model} has two prices")]
    DuplicatePrice {
        /// The model.
        model: String,
    },
    /// Contents would be erased before an audit's deadline.
    #[error("store.retention_days is {retention_days}, less than store.audit_days, {audit_days}")]
    Retention {
        /// How long contents are kept.
        retention_days: u32,
        /// How long an audit may take.
        audit_days: u32,
    },
    /// A bound is outside of what makes sense.
    #[error("{key} is {got}, allowed are {min} to {max}")]
    Limit {
        /// The key.
        key: &'static str,
        /// The value.
        got: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}
