//! Where tiles, entry bundles and the published checkpoint are kept: a directory, later also object stores.
//!
//! Trust: none. Who changes what is stored here is caught by the next proof; the log checks what it reads back.

mod directory;

use std::{error::Error, fmt};

use proofmark_tlog::TilePath;

pub use directory::DirectoryStorage;

/// Name of a stored object, relative to the log's prefix (tlog-tiles).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// `checkpoint`: the latest published checkpoint.
    Checkpoint,
    /// A hash tile or entry bundle.
    Tile(TilePath),
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Tile(path) => path.fmt(f),
        }
    }
}

/// The storage could not do what it was asked for. Trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("could not {op} {object}")]
pub struct StorageError {
    /// What was tried.
    pub op: &'static str,
    /// With which object.
    pub object: ObjectName,
    /// What the storage said.
    pub source: Box<dyn Error + Send + Sync>,
}

/// A store of public objects. Objects but the checkpoint never change once they were written.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Reads an object, or `None` if it is not there.
    fn read(&self, object: &ObjectName) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes objects. Each appears as a whole or not at all. A crash may take them away again, or damage them, until
    /// they were synced: the log writes those anew when it is opened.
    fn write(&self, objects: &[(ObjectName, Vec<u8>)]) -> Result<(), StorageError>;

    /// Makes objects that were written durable.
    fn sync(&self, objects: &[ObjectName]) -> Result<(), StorageError>;

    /// Removes the partial tiles at the place of a full one. Those that are not there are no error.
    fn remove_partials(&self, full: &TilePath) -> Result<(), StorageError>;
}
