//! The directory of key files: who may read it, how a file gets there whole or not at all, and one writer at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::key_file::KEY_FILE_MAX_BYTES;
use crate::{KeyFile, KeyFileError, KeyRole, KeysError};

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
const LOCK_FILE: &str = ".lock";
/// Files that are not whole yet, or no longer, begin so; a crash leaves them, the next writer removes them.
const UNFINISHED_PREFIX: &str = ".unfinished-";

fn io_error<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> KeysError + 'p {
    move |source| KeysError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn check_mode(path: &Path, mode: u32, allowed: u32) -> Result<(), KeysError> {
    let mode = mode & 0o7777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeysError::TooOpen {
            path: path.to_owned(),
            mode,
            allowed,
        })
    }
}

/// Makes an entry of the directory durable (fsync of a directory, POSIX).
fn sync_dir(path: &Path) -> Result<(), KeysError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync the directory", path))
}

/// Creates `path` and what is missing above it, each with mode 0700 from the first moment.
fn create_private_dir(path: &Path) -> Result<(), KeysError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(path)
        .map_err(io_error("create the directory", path))?;
    let metadata = fs::metadata(path).map_err(io_error("read the directory", path))?;
    check_mode(path, metadata.permissions().mode(), DIR_MODE)
}

/// Writes a file that is whole or not there, with mode 0600 from the first moment. The caller holds the lock and knows
/// that there is no such file.
fn write_new(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), KeysError> {
    let unfinished = dir.join(format!("{UNFINISHED_PREFIX}{name}"));
    let path = dir.join(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(&unfinished)
        .map_err(io_error("create", &unfinished))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io_error("write", &unfinished))?;
    fs::rename(&unfinished, &path).map_err(io_error("create", &path))?;
    sync_dir(dir)
}

/// Reads a file of at most `limit` bytes that nobody else may read; `None` if there is none.
fn read_private(path: &Path, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let metadata = file.metadata().map_err(io_error("read", path))?;
    check_mode(path, metadata.permissions().mode(), FILE_MODE)?;
    // One buffer from the start: growing it would leave copies of the secret behind.
    let capacity = usize::try_from(metadata.len().min(limit))
        .unwrap_or(0)
        .saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(io_error("read", path))?;
    Ok(Some(bytes))
}

fn parse_key(path: &Path, bytes: &[u8], role: KeyRole) -> Result<KeyFile, KeysError> {
    let text = std::str::from_utf8(bytes).map_err(|_| KeyFileError::Version);
    text.and_then(|text| KeyFile::parse(text, role))
        .map_err(|source| KeysError::KeyFile {
            path: path.to_owned(),
            source,
        })
}

/// Reads one key file, wherever it lies; `None` if there is none.
///
/// # Errors
/// [`KeysError::TooOpen`] if others may read it, [`KeysError::KeyFile`] if it is damaged, [`KeysError::Io`].
pub fn read_key_file(path: &Path, role: KeyRole) -> Result<Option<KeyFile>, KeysError> {
    match read_private(path, KEY_FILE_MAX_BYTES)? {
        Some(bytes) => parse_key(path, &bytes, role).map(Some),
        None => Ok(None),
    }
}

/// Writes a key into a new file of mode 0600, whole or not at all; the directory is created with mode 0700.
///
/// # Errors
/// [`KeysError::Io`], also if there is such a file already.
pub fn create_key_file(path: &Path, key: &KeyFile) -> Result<(), KeysError> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(io_error("create the directory", dir))?;
    let _lock = lock(dir)?;
    if path.exists() {
        return Err(io_error("create", path)(
            io::ErrorKind::AlreadyExists.into(),
        ));
    }
    remove_unfinished(dir)?;
    write_new(dir, name, key.to_text().as_bytes())
}

/// Waits until no other writer is at work in the directory. The lock ends with the file handle, also by a crash.
fn lock(dir: &Path) -> Result<File, KeysError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(io_error("open", &path))?;
    file.lock().map_err(io_error("lock", &path))?;
    Ok(file)
}

fn names(dir: &Path) -> Result<Vec<String>, KeysError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error("read the directory", dir))? {
        let entry = entry.map_err(io_error("read the directory", dir))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn remove_unfinished(dir: &Path) -> Result<(), KeysError> {
    for name in names(dir)?
        .into_iter()
        .filter(|name| name.starts_with(UNFINISHED_PREFIX))
    {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
    }
    Ok(())
}

/// A directory with key files. Trust: whoever can read it has the keys; whoever can write it can only break it.
#[derive(Debug, Clone)]
pub(crate) struct KeyDir {
    path: PathBuf,
}

/// Held while keys are made or changed.
pub(crate) struct Locked<'d> {
    dir: &'d KeyDir,
    _lock: File,
}

impl KeyDir {
    pub(crate) fn create(path: &Path) -> Result<Self, KeysError> {
        create_private_dir(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The directory if it is there.
    pub(crate) fn open(path: &Path) -> Result<Self, KeysError> {
        let metadata = fs::metadata(path).map_err(io_error("read the directory", path))?;
        check_mode(path, metadata.permissions().mode(), DIR_MODE)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn lock(&self) -> Result<Locked<'_>, KeysError> {
        let lock = lock(&self.path)?;
        remove_unfinished(&self.path)?;
        Ok(Locked {
            dir: self,
            _lock: lock,
        })
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, KeysError> {
        names(&self.path)
    }

    pub(crate) fn read_key(&self, name: &str, role: KeyRole) -> Result<Option<KeyFile>, KeysError> {
        read_key_file(&self.path.join(name), role)
    }

    pub(crate) fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, KeysError> {
        let bytes = read_private(&self.path.join(name), limit as u64)?;
        Ok(bytes.map(|mut bytes| std::mem::take(&mut *bytes)))
    }
}

impl Locked<'_> {
    pub(crate) fn dir(&self) -> &KeyDir {
        self.dir
    }

    pub(crate) fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), KeysError> {
        write_new(&self.dir.path, name, bytes)
    }

    /// Overwrites and removes a file. Disks and file systems that write elsewhere keep the old bytes for a while; a
    /// revocation is what ends a key.
    pub(crate) fn erase(&self, name: &str) -> Result<(), KeysError> {
        let path = self.dir.path.join(name);
        let dying = self.dir.path.join(format!("{UNFINISHED_PREFIX}{name}"));
        match fs::rename(&path, &dying) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error("erase", &path)(error)),
        }
        let overwrite = || {
            let mut file = OpenOptions::new().write(true).open(&dying)?;
            let length = file.metadata()?.len().min(KEY_FILE_MAX_BYTES);
            file.write_all(&vec![0_u8; usize::try_from(length).unwrap_or(0)])?;
            file.sync_all()
        };
        overwrite()
            .and_then(|()| fs::remove_file(&dying))
            .map_err(io_error("erase", &dying))?;
        sync_dir(&self.dir.path)
    }
}
