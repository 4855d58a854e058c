//! Files of a model: in a directory, or in memory.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::ModelError;

/// Where a model's files are.
#[derive(Debug, Clone, Copy)]
pub enum ModelFiles<'a> {
    /// In a directory.
    Directory(&'a Path),
    /// In memory: paths with contents.
    Memory(&'a [(&'a str, &'a [u8])]),
}

impl ModelFiles<'_> {
    /// Reads a file of at most `limit` bytes. Memory is taken as bytes arrive, not as a header promises.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, ModelError> {
        let too_long = || ModelError::malformed(path, format!("more than {limit} bytes"));
        match self {
            Self::Memory(files) => {
                let file = files.iter().find(|(name, _)| *name == path);
                let (_, bytes) =
                    file.ok_or_else(|| ModelError::malformed(path, "it is missing"))?;
                if bytes.len() as u64 > limit {
                    return Err(too_long());
                }
                Ok(bytes.to_vec())
            }
            Self::Directory(directory) => {
                let full = directory.join(path);
                let unavailable = |source| ModelError::Unavailable {
                    path: full.clone(),
                    source,
                };
                let file = File::open(&full).map_err(unavailable)?;
                let size = file.metadata().map_err(unavailable)?.len();
                let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0));
                file.take(limit.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(unavailable)?;
                if bytes.len() as u64 > limit {
                    return Err(too_long());
                }
                Ok(bytes)
            }
        }
    }
}
