//! onnxruntime, in a Python process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::image::ROUND;
use crate::BenchError;

const SCRIPT: &str = include_str!("../../peers/onnxruntime.py");

/// A running script with one network; killed on drop.
pub(super) struct OnnxRuntime {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

fn peer(what: impl Into<String>) -> BenchError {
    BenchError::Peer {
        peer: "onnxruntime",
        what: what.into(),
    }
}

impl OnnxRuntime {
    /// Starts `python` with the network of this name.
    pub(super) fn start(python: &Path, dir: &Path, network: &str) -> Result<Self, BenchError> {
        let script = dir.join("peer_onnxruntime.py");
        fs::write(&script, SCRIPT).map_err(BenchError::io("writing the peer's script"))?;
        let mut child = Command::new(python)
            .arg(&script)
            .arg(dir.join("network.onnx"))
            .arg(network)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::io("starting the Python of onnxruntime"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(peer("it has no input or output"));
        };
        let mut running = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        let line = running.line()?;
        if !line.starts_with("ready") {
            return Err(peer(format!("it did not start: {line:?}")));
        }
        Ok(running)
    }

    /// The median of the runs of one round.
    pub(super) fn milliseconds(&mut self, threads: usize) -> Result<f64, BenchError> {
        writeln!(self.input, "{threads} {}", ROUND.as_secs_f64())
            .map_err(BenchError::io("asking onnxruntime"))?;
        let line = self.line()?;
        line.trim()
            .parse()
            .map_err(|_| peer(format!("it printed {line:?}")))
    }

    fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .map_err(BenchError::io("reading what onnxruntime printed"))?;
        Ok(line)
    }
}

impl Drop for OnnxRuntime {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
