//! A node in a process of its own, in a directory that is thrown away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proofmark_receipt::Bundle;
use proofmark_verify::{OperatorRoot, Roots};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::node::NodeArgs;
use crate::remote::Remote;
use crate::roots::NODE_ROOTS_FILE;
use crate::{bundled, files, roots, running};

/// Longest time that a node may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// A directory that is removed when it is dropped.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub(super) fn new() -> Result<Self, CommandError> {
        let mut random = [0; 8];
        proofmark_gateway::Entropy::fill(&proofmark_gateway::SystemEntropy, &mut random)
            .map_err(|error| CommandError::internal("no randomness").because(error))?;
        let name = format!("proofmark-demo-{:016x}", u64::from_be_bytes(random));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| CommandError::file("make", &path, error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clean up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `proofmark serve` with the bundled model.
pub(super) struct DemoNode {
    child: Child,
    data: PathBuf,
    remote: Remote,
    address: String,
}

/// An answer.
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) text: String,
}

impl DemoNode {
    pub(super) fn start(data: &Path) -> Result<Self, CommandError> {
        let program = std::env::current_exe()
            .map_err(|error| CommandError::internal("where this program is").because(error))?;
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env_remove("PROOFMARK_CONFIG")
            .env("PROOFMARK_ENGINE_BUNDLED", "serve")
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| CommandError::internal("a node cannot be started").because(error))?;
        let started = Instant::now();
        let address = loop {
            if let Some(address) = running::server_of(data).ok().flatten() {
                break address.to_string();
            }
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || started.elapsed() > PATIENCE {
                let _ = child.kill();
                return Err(CommandError::internal("the node did not start")
                    .hint("see why: proofmark serve"));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Ok(Self {
            child,
            data: data.to_owned(),
            remote: Remote::new(&format!("http://{address}"), None)?,
            address,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks with the caller's own seed.
    pub(super) fn ask(&self, question: &str, seed: i64) -> Result<Asked, CommandError> {
        self.send(&json!({
            "model": bundled::NAME,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 160,
            "seed": seed,
        }))
    }

    /// Sends a chat request.
    pub(super) fn send(&self, request: &Value) -> Result<Asked, CommandError> {
        let path = "/v1/chat/completions";
        let body = request.to_string().into_bytes();
        let answered = self.remote.post_json(path, body, ANSWER_MAX_BYTES)?;
        if !answered.status.is_success() {
            return Err(self.remote.refused(path, &answered));
        }
        let answer: Value = serde_json::from_slice(&answered.body)
            .map_err(|error| CommandError::internal("the answer is no JSON").because(error))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Asked {
            id: text(&answer["proofmark"]["id"]),
            text: text(&answer["choices"][0]["message"]["content"]),
        })
    }

    /// The bundle with everything opened, once it is in the log.
    pub(super) fn bundle(&self, id: &str) -> Result<Vec<u8>, CommandError> {
        NodeArgs::of(Some(self.data.clone()), None, None)
            .open()?
            .bundle(id, "all", true)
    }

    pub(super) fn roots(&self) -> Result<Roots, CommandError> {
        Ok(roots::read(&self.data.join(NODE_ROOTS_FILE))?.roots)
    }

    /// Ends the process; its keys and logs stay.
    pub(super) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for DemoNode {
    fn drop(&mut self) {
        self.end();
    }
}

/// The operators whose roots lie in a data directory.
pub(super) fn operators(data: &Path) -> Result<Vec<OperatorRoot>, CommandError> {
    Ok(roots::read(&data.join(NODE_ROOTS_FILE))?.roots.operators)
}

/// `proofmark replay` of a bundle into the data directory of an auditor: the bundle with his verdict.
pub(super) fn replay(bundle: &[u8], auditor: &Path) -> Result<Vec<u8>, CommandError> {
    fs::create_dir_all(auditor).map_err(|error| CommandError::file("make", auditor, error))?;
    let file = auditor.join("answer.receipt");
    files::replace(&file, bundle, 0o600)?;
    let program = std::env::current_exe()
        .map_err(|error| CommandError::internal("where this program is").because(error))?;
    let status = Command::new(program)
        .arg("replay")
        .arg(&file)
        .arg("--data")
        .arg(auditor)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| CommandError::internal("the replay cannot be started").because(error))?;
    // 0: the same; 10: refuted, which is a verdict as well.
    if !matches!(status.code(), Some(0 | 10)) {
        return Err(CommandError::internal(format!(
            "the replay ended with {status}"
        )));
    }
    let bytes = files::read(&file, proofmark_receipt::BUNDLE_MAX_BYTES)?;
    Bundle::decode(&bytes)
        .map_err(|error| CommandError::internal("the replayed bundle").because(error))?;
    Ok(bytes)
}
