//! `[[upstream]]`: an OpenAI-compatible server to which requests are relayed.

use std::fmt;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue, header};
use proofmark_http::{BaseUrl, ClientOptions};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::ConfigError;

/// One upstream.
///
/// It sees every prompt that is relayed to it, and what it answers is its own word.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name, in receipts and as a prefix of model names.
    pub name: String,
    /// Base URL, usually ending in `/v1`.
    pub base_url: String,
    /// Environment variable that holds its API key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// File that holds its API key.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Header for the key. Default `authorization`, where `Bearer ` is put in front.
    #[serde(default = "default_key_header")]
    pub api_key_header: String,
    /// Models that it serves: exact names, or prefixes ending in `*`. Default: whatever it is asked for.
    #[serde(default)]
    pub models: Vec<String>,
    /// Where to turn when it fails before its answer has begun: names of upstreams, or `upstream/model` to ask for another
    /// model there. Default: nowhere.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// How often a request is tried again here after it was certainly not processed: connection refused, 429 and 503. Default 1.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// Longest time to connect, TLS included, ms. Default 10 s.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout_ms: u64,
    /// Longest time until its answer begins, ms. Default 600 s.
    #[serde(default = "default_header_timeout")]
    pub header_timeout_ms: u64,
    /// Longest pause within its answer, ms. Default 120 s.
    #[serde(default = "default_idle_timeout")]
    pub idle_timeout_ms: u64,
    /// Whether streams are asked for their token counts (`stream_options.include_usage`) when the client did not ask. Default true.
    #[serde(default = "default_true")]
    pub stream_usage: bool,
    /// PEM file with certificate authorities to believe beside Mozilla's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn default_key_header() -> String {
    "authorization".to_owned()
}

fn default_retries() -> u32 {
    1
}

fn default_connect_timeout() -> u64 {
    10_000
}

fn default_header_timeout() -> u64 {
    600_000
}

fn default_idle_timeout() -> u64 {
    120_000
}

fn default_true() -> bool {
    true
}

impl UpstreamConfig {
    /// An upstream with all defaults.
    #[must_use]
    pub fn new(name: &str, base_url: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_url: base_url.to_owned(),
            api_key_env: None,
            api_key_file: None,
            api_key_header: default_key_header(),
            models: Vec::new(),
            fallback: Vec::new(),
            retries: default_retries(),
            connect_timeout_ms: default_connect_timeout(),
            header_timeout_ms: default_header_timeout(),
            idle_timeout_ms: default_idle_timeout(),
            stream_usage: true,
            ca_file: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(ConfigError::UpstreamName {
                name: self.name.clone(),
            });
        }
        self.base_url()?;
        self.key_header()?;
        if self.api_key_env.is_some() && self.api_key_file.is_some() {
            return Err(ConfigError::TwoKeys {
                upstream: self.name.clone(),
            });
        }
        let broken = |pattern: &&String| {
            let exact = pattern.strip_suffix('*').unwrap_or(pattern);
            pattern.is_empty() || exact.contains('*')
        };
        match self.models.iter().find(broken) {
            Some(pattern) => Err(ConfigError::ModelPattern {
                upstream: self.name.clone(),
                pattern: pattern.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The base URL, read.
    ///
    /// # Errors
    /// [`ConfigError::BaseUrl`].
    pub fn base_url(&self) -> Result<BaseUrl, ConfigError> {
        BaseUrl::parse(&self.base_url).map_err(|source| ConfigError::BaseUrl {
            upstream: self.name.clone(),
            source,
        })
    }

    /// Times for the client.
    #[must_use]
    pub fn client_options(&self) -> ClientOptions {
        use std::time::Duration;
        ClientOptions {
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            header_timeout: Duration::from_millis(self.header_timeout_ms),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            ..ClientOptions::default()
        }
    }

    fn key_header(&self) -> Result<HeaderName, ConfigError> {
        HeaderName::from_bytes(self.api_key_header.as_bytes()).map_err(|_| ConfigError::KeyHeader {
            upstream: self.name.clone(),
            header: self.api_key_header.clone(),
        })
    }

    /// Reads the API key from where the configuration says it is; `None` if it says nothing.
    ///
    /// # Errors
    /// If it is not there or is none.
    pub fn load_key(
        &self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<UpstreamKey>, ConfigError> {
        let text =
            match (&self.api_key_env, &self.api_key_file) {
                (Some(variable), _) => Zeroizing::new(environment(variable).ok_or_else(|| {
                    ConfigError::KeyVariable {
                        upstream: self.name.clone(),
                        variable: variable.clone(),
                    }
                })?),
                (None, Some(path)) => Zeroizing::new(read_file(&self.name, path, |path| {
                    std::fs::read_to_string(path)
                })?),
                (None, None) => return Ok(None),
            };
        let malformed = || ConfigError::KeyMalformed {
            upstream: self.name.clone(),
        };
        let name = self.key_header()?;
        let key = text.trim();
        if key.is_empty() {
            return Err(malformed());
        }
        let line = if name == header::AUTHORIZATION {
            Zeroizing::new(format!("Bearer {key}"))
        } else {
            Zeroizing::new(key.to_owned())
        };
        let mut value = HeaderValue::from_str(&line).map_err(|_| malformed())?;
        value.set_sensitive(true);
        Ok(Some(UpstreamKey { name, value }))
    }

    /// Reads the extra certificate authorities, if there are any.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub fn load_ca(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        self.ca_file
            .as_deref()
            .map(|path| read_file(&self.name, path, |path| std::fs::read(path)))
            .transpose()
    }
}

fn read_file<T>(
    upstream: &str,
    path: &Path,
    read: impl Fn(&Path) -> std::io::Result<T>,
) -> Result<T, ConfigError> {
    read(path).map_err(|source| ConfigError::File {
        upstream: upstream.to_owned(),
        path: path.to_owned(),
        source,
    })
}

/// The header that carries an upstream's API key. Whoever has it can spend at that upstream in the operator's name.
#[derive(Clone)]
pub struct UpstreamKey {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

impl fmt::Debug for UpstreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamKey({}, redacted)", self.name)
    }
}
