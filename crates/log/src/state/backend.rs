//! The file of the state database, as the database wants to see it.

use std::{io, sync::Arc};

use crate::disk::DiskFile;

/// A file of the log's disk. The directory is locked by the log, so the file is not.
#[derive(Debug)]
pub(crate) struct FileBackend(pub(crate) Arc<dyn DiskFile>);

impl redb::StorageBackend for FileBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(data, offset)
    }
}
