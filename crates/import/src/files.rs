//! Bounded reading: no length of a file is believed before the file was found to be that long.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::ImportError;

/// Longest JSON or text file that is read whole.
pub(crate) const TEXT_MAX_BYTES: u64 = 64 << 20;

/// The whole file, if it has at most `limit` bytes.
pub(crate) fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>, ImportError> {
    let io = |source| ImportError::io(path, source);
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(ImportError::TooLarge {
            what: "bytes",
            at: path.display().to_string(),
            got: bytes.len() as u64,
            limit,
        });
    }
    Ok(bytes)
}

/// As [`read_whole`], or none where there is no such file.
pub(crate) fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ImportError> {
    match read_whole(path, limit) {
        Err(ImportError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// A file of which pieces are read.
#[derive(Debug)]
pub(crate) struct Pieces {
    path: PathBuf,
    file: Mutex<File>,
    length: u64,
}

impl Pieces {
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let io = |source| ImportError::io(path, source);
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(ImportError::missing(
                "a regular file",
                path.display().to_string(),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            length: metadata.len(),
            file: Mutex::new(file),
        })
    }

    /// Bytes of the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `length` bytes from `at`, which have to be there.
    pub(crate) fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, ImportError> {
        let end = at.checked_add(length).filter(|end| *end <= self.length);
        let (Some(_), Ok(size)) = (end, usize::try_from(length)) else {
            return Err(ImportError::malformed(
                "file",
                format!("{length} bytes at {at} of {}", self.length),
                self.path.display().to_string(),
            ));
        };
        let mut bytes = vec![0; size];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| ImportError::io(&self.path, source))?;
        Ok(bytes)
    }
}
