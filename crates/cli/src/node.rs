//! A node that commands ask: by its URL, or by its data directory on this machine.
//!
//! A running server holds the data directory, so commands go through it: it leaves its address in `run/server.json`, and
//! where API keys are required, a key of the command line's own lies beside it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use http::{StatusCode, header};

use proofmark_gateway::local::LocalModels;
use proofmark_gateway::parse_receipt_id;

use crate::data::DataDir;
use crate::error::CommandError;
use crate::remote::{Answered, Remote, api_key_header};
use crate::running;

/// Longest time that a command waits for a receipt that is on its way.
const PENDING_PATIENCE: Duration = Duration::from_secs(10);
/// Longest time that a command waits for the log, if it was told to.
const LOGGED_PATIENCE: Duration = Duration::from_secs(90);

/// Which node.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    data: DataDir,
    /// A node by its URL instead.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the API key for --url.
    #[arg(long, value_name = "FILE", requires = "url")]
    api_key_file: Option<PathBuf>,
}

/// A node that answers.
pub(crate) struct Node {
    remote: Remote,
    /// A server that lives as long as the command.
    _own: Option<running::OwnServer>,
}

impl NodeArgs {
    /// The node of a data directory, or at a URL.
    pub(crate) fn of(
        data: Option<PathBuf>,
        url: Option<String>,
        api_key_file: Option<PathBuf>,
    ) -> Self {
        Self {
            data: DataDir::of(data),
            url,
            api_key_file,
        }
    }

    pub(crate) fn open(&self) -> Result<Node, CommandError> {
        match &self.url {
            Some(url) => {
                let key = self
                    .api_key_file
                    .as_deref()
                    .map(api_key_header)
                    .transpose()?;
                Ok(Node {
                    remote: Remote::new(url, key)?,
                    _own: None,
                })
            }
            None => local(&self.data.path()),
        }
    }
}

fn local(data: &Path) -> Result<Node, CommandError> {
    let (address, own) = match running::server_of(data)? {
        Some(address) => (address, None),
        None => {
            let own = running::OwnServer::start(data, None)?;
            (own.address(), Some(own))
        }
    };
    let key = running::own_api_key(data)?;
    Ok(Node {
        remote: Remote::new(&format!("http://{address}"), key)?,
        _own: own,
    })
}

impl Node {
    /// A node that answers requests for the models of this process, on a data directory that nobody serves.
    pub(crate) fn serving(data: &Path, models: LocalModels) -> Result<Self, CommandError> {
        let own = running::OwnServer::start(data, Some(models))?;
        let key = running::own_api_key(data)?;
        Ok(Self {
            remote: Remote::new(&format!("http://{}", own.address()), key)?,
            _own: Some(own),
        })
    }

    /// Requests to it.
    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// `GET path`, again and again while the answer is 202, until `patience` is over.
    fn get_when_ready(
        &self,
        path: &str,
        limit: usize,
        patience: Duration,
    ) -> Result<Vec<u8>, CommandError> {
        let started = Instant::now();
        loop {
            let answered = self.remote.get(path, limit)?;
            match answered.status {
                StatusCode::OK => return Ok(answered.body),
                StatusCode::ACCEPTED if started.elapsed() < patience => {
                    std::thread::sleep(pause(&answered));
                }
                StatusCode::ACCEPTED => {
                    return Err(
                        CommandError::could_not_check("the receipt is not there yet")
                            .code("log.pending")
                            .hint("try again a moment later"),
                    );
                }
                _ => return Err(self.remote.refused(path, &answered)),
            }
        }
    }

    pub(crate) fn receipt(&self, id: &str) -> Result<Vec<u8>, CommandError> {
        let path = format!("/v1/receipts/{}", receipt_id(id)?);
        self.get_when_ready(
            &path,
            proofmark_receipt::RECEIPT_MAX_BYTES,
            PENDING_PATIENCE,
        )
    }

    pub(crate) fn bundle(
        &self,
        id: &str,
        disclose: &str,
        wait: bool,
    ) -> Result<Vec<u8>, CommandError> {
        let mut query = Vec::new();
        if !disclose.is_empty() {
            query.push(format!("disclose={}", segment(disclose)?));
        }
        if wait {
            query.push("wait=logged".to_owned());
        }
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{}", query.join("&"))
        };
        let path = format!("/v1/receipts/{}/bundle{query}", receipt_id(id)?);
        let patience = if wait {
            LOGGED_PATIENCE
        } else {
            PENDING_PATIENCE
        };
        self.get_when_ready(&path, proofmark_receipt::BUNDLE_MAX_BYTES, patience)
    }

    pub(crate) fn get_ok(&self, path: &str, limit: usize) -> Result<Vec<u8>, CommandError> {
        self.remote.get_ok(path, limit)
    }
}

fn pause(answered: &Answered) -> Duration {
    let seconds = answered
        .headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
        .clamp(Duration::from_millis(200), Duration::from_secs(5))
}

/// A receipt id as it stands in a path, from an argument that is no file.
fn receipt_id(text: &str) -> Result<&str, CommandError> {
    if parse_receipt_id(text).is_some() {
        return Ok(text);
    }
    let error = CommandError::usage(format!("{text:?} is neither a file here nor a receipt id"));
    Err(error.hint("a receipt id looks like 01990000-0000-7fff-bfff-ffffffffffff"))
}

/// A text that can stand in a path or query as it is.
pub(crate) fn segment(text: &str) -> Result<&str, CommandError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        Ok(text)
    } else {
        Err(
            CommandError::usage(format!("{text:?} is not an id or a name"))
                .hint("a receipt id looks like 01990000-0000-7fff-bfff-ffffffffffff"),
        )
    }
}
