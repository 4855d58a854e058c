//! The data directory of a node, as commands find it.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::default_data_dir;

/// Where a node keeps everything if nobody says otherwise.
pub(crate) const DEFAULT_DATA_DIR: &str = "proofmark-data";

/// `--data`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataDir {
    /// Data directory of the node. Default: that of proofmark.toml, else proofmark-data.
    #[arg(long, value_name = "DIR", env = "PROOFMARK_DATA")]
    data: Option<PathBuf>,
}

impl DataDir {
    /// As if it had been given on the command line.
    pub(crate) fn of(data: Option<PathBuf>) -> Self {
        Self { data }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data_dir)
    }
}

/// Where the keys of a data directory lie.
pub(crate) fn keys_dir(data: &Path) -> PathBuf {
    data.join("keys")
}

/// Where the log `name` (`receipts` or `registry`) lies.
pub(crate) fn log_dir(data: &Path, name: &str) -> PathBuf {
    data.join("log").join(name)
}

/// Its public part: checkpoint and tiles.
pub(crate) fn log_public_dir(data: &Path, name: &str) -> PathBuf {
    log_dir(data, name).join("public")
}
