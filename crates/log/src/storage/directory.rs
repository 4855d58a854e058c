//! Objects as files of a directory, which any web server can serve and anyone can copy.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use proofmark_tlog::TilePath;

use crate::{
    disk::{Disk, OpenMode, RealDisk},
    storage::{ObjectName, Storage, StorageError},
};

/// Longest object: a bundle of 256 of the longest entries.
const MAX_OBJECT_BYTES: u64 = 256 * (65_535 + 2);

/// A directory of objects. A reader needs the first directory only; a writer puts new files together in the second.
#[derive(Debug)]
pub struct DirectoryStorage {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    staging: PathBuf,
    next: AtomicU64,
}

impl DirectoryStorage {
    /// The objects below `root`. `staging` is for unfinished files, on the same file system as `root`.
    pub fn new(root: impl Into<PathBuf>, staging: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(RealDisk), root.into(), staging.into())
    }

    pub(crate) fn on(disk: Arc<dyn Disk>, root: PathBuf, staging: PathBuf) -> Self {
        Self {
            disk,
            root,
            staging,
            next: AtomicU64::new(0),
        }
    }

    /// Makes the directories and removes what an earlier process left unfinished.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.disk.create_dir_all(&self.root)?;
        self.disk.create_dir_all(&self.staging)?;
        for name in self.disk.list(&self.staging)? {
            self.disk.remove_file(&self.staging.join(name))?;
        }
        Ok(())
    }

    fn path(&self, object: &ObjectName) -> PathBuf {
        self.root.join(object.to_string())
    }

    /// Writes a file under a temporary name.
    fn stage(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self
            .staging
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = self.disk.open(&path, OpenMode::TruncatePublic)?;
        file.write_at(bytes, 0)?;
        Ok(path)
    }

    fn parent(path: &Path) -> &Path {
        path.parent().unwrap_or(path)
    }
}

fn failed<E: Into<io::Error>>(
    op: &'static str,
    object: ObjectName,
) -> impl FnOnce(E) -> StorageError {
    move |error| StorageError {
        op,
        object,
        source: Box::new(error.into()),
    }
}

impl Storage for DirectoryStorage {
    fn read(&self, object: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        self.disk
            .read(&self.path(object), MAX_OBJECT_BYTES)
            .map_err(failed("read", *object))
    }

    fn write(&self, objects: &[(ObjectName, Vec<u8>)]) -> Result<(), StorageError> {
        for (object, bytes) in objects {
            let temporary = self.stage(bytes).map_err(failed("write", *object))?;
            let path = self.path(object);
            let named = self.disk.rename(&temporary, &path).or_else(|error| {
                // Most objects are written to a directory that is there.
                if error.kind() != io::ErrorKind::NotFound {
                    return Err(error);
                }
                self.disk.create_dirs(Self::parent(&path))?;
                self.disk.rename(&temporary, &path)
            });
            named.map_err(failed("name", *object))?;
        }
        Ok(())
    }

    fn sync(&self, objects: &[ObjectName]) -> Result<(), StorageError> {
        let mut dirs = BTreeSet::new();
        for object in objects {
            let path = self.path(object);
            let file = self.disk.open(&path, OpenMode::Read);
            file.and_then(|file| file.sync_data())
                .map_err(failed("sync", *object))?;
            // Up to the root: the directories may be new.
            let above = path
                .ancestors()
                .skip(1)
                .take_while(|dir| dir.starts_with(&self.root));
            dirs.extend(above.map(Path::to_owned));
        }
        let last = objects
            .last()
            .map_or(ObjectName::Checkpoint, |object| *object);
        dirs.iter()
            .try_for_each(|dir| self.disk.sync_dir(dir))
            .map_err(failed("sync the directory of", last))
    }

    fn remove_partials(&self, full: &TilePath) -> Result<(), StorageError> {
        let object = ObjectName::Tile(*full);
        let dir = self.root.join(format!("{full}.p"));
        match self.disk.remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove the partial tiles of", object)(error))
            }
            _ => Ok(()),
        }
    }
}
