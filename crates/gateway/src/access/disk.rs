//! Small files that are replaced as a whole: a reader sees the old bytes or the new ones, also after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::AccessError;

/// Longest file that is read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Permission bits by which others could write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// What tells two versions of a file apart without reading it. Replacing a file gives it another inode, so that two versions written
/// within one tick of the file system's clock differ too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    modified: Option<std::time::SystemTime>,
    bytes: u64,
    inode: u64,
}

/// The version of the file at `path`; `None` if there is none.
pub(super) fn version_of(path: &Path) -> Result<Option<Version>, AccessError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Version {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: inode(&metadata),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("examine", path)(error)),
    }
}

/// The text of the file at `path`; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, AccessError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    check_mode(path, &file.metadata().map_err(failed("examine", path))?)?;
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    let read = read.map_err(failed("read", path))?;
    if read as u64 > MAX_BYTES {
        return Err(failed("read", path)(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(Some(text))
}

/// Replaces the file at `path`, readable by its owner only. Whoever calls this is the only one who does at that time.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), AccessError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    write_private(&new, text).map_err(failed("write", &new))?;
    fs::rename(&new, path).map_err(failed("replace", path))?;
    // The rename itself is durable once its folder is.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("write", folder))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    // A file that a crash left behind could have other permissions.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Holds the lock at `path` until the file is dropped. Waits for whoever has it.
pub(super) fn lock(path: &Path) -> Result<File, AccessError> {
    let file = private().create(true).truncate(false).open(path);
    let file = file.map_err(failed("open", path))?;
    file.lock().map_err(failed("lock", path))?;
    Ok(file)
}

pub(super) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> AccessError + use<> {
    let path: PathBuf = path.to_owned();
    move |source| AccessError::Io {
        action,
        path,
        source,
    }
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.ino()
}

#[cfg(not(unix))]
fn inode(_metadata: &fs::Metadata) -> u64 {
    0
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), AccessError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    Err(AccessError::WritableByOthers {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _metadata: &fs::Metadata) -> Result<(), AccessError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_replaced_file_is_private_and_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        assert_eq!(read(&path).unwrap(), None);
        assert_eq!(version_of(&path).unwrap(), None);
        replace(&path, "one").unwrap();
        let first = version_of(&path).unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        assert_ne!(version_of(&path).unwrap(), first);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn what_a_crash_left_behind_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let left = folder.path().join("keys.toml.new");
        fs::write(&left, "half").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
        replace(&path, "whole").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("whole"));
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        replace(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        let refused = read(&path).unwrap_err();
        assert!(matches!(
            refused,
            AccessError::WritableByOthers { mode: 0o620, .. }
        ));
    }
}
