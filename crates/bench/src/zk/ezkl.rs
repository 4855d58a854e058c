//! EZKL, in a Python process of its own, on a network of the same shape.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::BenchError;

const SCRIPT: &str = include_str!("../../peers/ezkl_peer.py");

/// What the script prints.
#[derive(Debug, Deserialize)]
pub(super) struct Ezkl {
    /// Settings, calibration, keys; without the reference string, which users download.
    pub(super) setup_s: f64,
    pub(super) prove_s: Vec<f64>,
    pub(super) verify_ms: Vec<f64>,
    pub(super) proof_bytes: f64,
    pub(super) peak_mib: f64,
}

fn peer(what: impl Into<String>) -> BenchError {
    BenchError::Peer {
        peer: "EZKL",
        what: what.into(),
    }
}

impl Ezkl {
    /// Runs all steps for a network, so many proofs of it.
    pub(super) fn measure(
        python: &Path,
        dir: &Path,
        network: String,
        rounds: u32,
    ) -> Result<Self, BenchError> {
        let script = dir.join("ezkl_peer.py");
        fs::write(&script, SCRIPT).map_err(BenchError::io("writing the peer's script"))?;
        let files = dir.join("ezkl");
        fs::create_dir_all(&files).map_err(BenchError::io("creating the peer's directory"))?;
        let output = Command::new(python)
            .arg(&script)
            .arg(&files)
            .arg(network)
            .arg(rounds.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(BenchError::io("starting the Python of EZKL"))?;
        fs::remove_dir_all(&files).map_err(BenchError::io("removing the peer's directory"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().rev().find(|line| line.starts_with('{'));
        let line = line.ok_or_else(|| peer(format!("it ended with {}", output.status)))?;
        serde_json::from_str(line).map_err(|error| peer(error.to_string()))
    }
}
