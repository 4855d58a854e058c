//! The operations on files that the log rests on, so that tests can put a disk under it that fails and loses.
//!
//! Contract: `sync_data` makes the bytes and the length of a file durable, `sync_dir` the names in a directory.
//! Before that a power loss may keep any part of what was written, in any order.

mod real;
#[cfg(test)]
pub(crate) mod sim;

use std::{any::Any, fmt, io, path::Path, sync::Arc};

pub(crate) use real::RealDisk;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// A new file to read and write; an older one of this name is emptied.
    Truncate,
    /// The same, for a file that other users may read.
    TruncatePublic,
}

/// Keeps a directory locked until it is dropped.
pub(crate) type DirectoryLock = Box<dyn Any + Send + Sync>;

/// A file system.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file. `NotFound` if it must exist and does not.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a directory and those above it, durably.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory and those above it. They are durable when the directories that name them were synced.
    fn create_dirs(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted; `NotFound` if there is none.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Gives a file another name, replacing what had it, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with the files in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock of a lock file; `None` if another process has it.
    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>>;

    /// Contents of a file, or `None` if there is no such file. Refuses files above `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let len = file.len()?;
        if len > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
        file.read_at(&mut bytes, 0)?;
        Ok(Some(bytes))
    }
}

/// An open file. Reads and writes name their offset, so that threads share it.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync {
    /// Fills `buf` from `offset` on; `UnexpectedEof` if the file ends before.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, extending the file if needed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes contents and length durable. After an error nothing is certain about what was written.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros).
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
}
