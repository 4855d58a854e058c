//! The data directory of a node, as commands find it.

use std::path::{Path, PathBuf};

use clap::Args;

/// Where a node keeps everything if nobody says otherwise.
pub(crate) const DEFAULT_DATA_DIR: &str = "proofmark-data";

/// `--data`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataDir {
    /// Data directory of the node.
    #[arg(long, value_name = "DIR", env = "PROOFMARK_DATA", default_value = DEFAULT_DATA_DIR)]
    data: PathBuf,
}

impl DataDir {
    pub(crate) fn path(&self) -> PathBuf {
        self.data.clone()
    }
}

/// Where the keys of a data directory lie.
pub(crate) fn keys_dir(data: &Path) -> PathBuf {
    data.join("keys")
}
