//! What a witness must never forget: one small file per log, replaced atomically.
//!
//! Trust: the directory must not be put back to an older copy; a witness that forgets cosigns a second history.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use proofmark_tlog::{CosignatureTime, Hash, Origin, VerifierKey, WitnessedState, leaf_hash};

use crate::witness::WitnessError;

/// First line of a state file.
const HEADER: &str = "proofmark/log/1/witness-state";

/// Longest state file that is read.
const MAX_FILE_BYTES: u64 = 4096;

/// The state directory, locked for this process.
#[derive(Debug)]
pub(crate) struct StateStore {
    dir: PathBuf,
    vkey: VerifierKey,
    /// Set for ever when a write failed: what is on disk then is not certain.
    failed: AtomicBool,
    /// Held open: the lock ends with the process, however that ends.
    _lock: File,
}

impl StateStore {
    /// Opens or makes the directory and reads the states in it.
    pub(crate) fn open(
        dir: &Path,
        vkey: &VerifierKey,
    ) -> Result<(Self, BTreeMap<Origin, WitnessedState>), WitnessError> {
        if !dir.is_dir() {
            fs::create_dir_all(dir).map_err(io_error("create", dir))?;
            // Without its name in the parent the directory, and all memory with it, could be gone after a crash.
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync_directory(parent)?;
            }
        }
        let lock = lock(&dir.join("lock"))?;
        let mut states = BTreeMap::new();
        for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
            let path = entry.map_err(io_error("list", dir))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "state")
            {
                let (origin, state) = read_state(&path, vkey)?;
                states.insert(origin, state);
            }
        }
        let store = Self {
            dir: dir.to_owned(),
            vkey: vkey.clone(),
            failed: AtomicBool::new(false),
            _lock: lock,
        };
        Ok((store, states))
    }

    /// Puts `next` in the place of `previous` on stable storage. Blocks.
    ///
    /// After an error nothing more is stored: the file may have the old or the new state.
    pub(crate) fn store(
        &self,
        origin: &Origin,
        previous: Option<&WitnessedState>,
        next: &WitnessedState,
    ) -> Result<(), WitnessError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(WitnessError::Failed);
        }
        let back = previous.is_some_and(|previous| {
            next.size < previous.size
                || next.time < previous.time
                || (next.size == previous.size && next.root != previous.root)
        });
        if back {
            let stored = previous.map_or(0, |previous| previous.size);
            return Err(WitnessError::Backward {
                origin: origin.clone(),
                stored,
                offered: next.size,
            });
        }
        self.replace(origin, next)
            .inspect_err(|_| self.failed.store(true, Ordering::Release))
    }

    fn replace(&self, origin: &Origin, next: &WitnessedState) -> Result<(), WitnessError> {
        let name = file_name(origin);
        let (path, new) = (self.dir.join(&name), self.dir.join(format!("{name}.new")));
        let mut file = File::create(&new).map_err(io_error("create", &new))?;
        file.write_all(encode(&self.vkey, origin, next).as_bytes())
            .map_err(io_error("write", &new))?;
        file.sync_all().map_err(io_error("sync", &new))?;
        fs::rename(&new, &path).map_err(io_error("rename", &new))?;
        sync_directory(&self.dir)
    }
}

fn lock(path: &Path) -> Result<File, WitnessError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(io_error("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WitnessError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", path)(source)),
    }
}

fn sync_directory(dir: &Path) -> Result<(), WitnessError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync", dir))
}

fn io_error(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WitnessError {
    let path = path.to_owned();
    move |source| WitnessError::Io { op, path, source }
}

/// Origins may have characters that file names must not have.
fn file_name(origin: &Origin) -> String {
    format!("{:x}.state", leaf_hash(origin.as_str().as_bytes()))
}

/// Header, vkey of the witness, origin, size, root, time, and a hash of these lines against damage.
fn encode(vkey: &VerifierKey, origin: &Origin, state: &WitnessedState) -> String {
    let WitnessedState { size, root, time } = state;
    let text = format!(
        "{HEADER}\n{vkey}\n{origin}\n{size}\n{root}\n{}\n",
        time.unix_s()
    );
    let check = leaf_hash(text.as_bytes());
    format!("{text}{check}\n")
}

fn read_state(path: &Path, vkey: &VerifierKey) -> Result<(Origin, WitnessedState), WitnessError> {
    let mut text = String::new();
    let file = File::open(path).map_err(io_error("open", path))?;
    let damaged = || WitnessError::Damaged {
        path: path.to_owned(),
    };
    match file.take(MAX_FILE_BYTES).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged()),
        Err(error) => return Err(io_error("read", path)(error)),
    }
    let (by, origin, state) = decode(&text).ok_or_else(damaged)?;
    if by != *vkey {
        return Err(WitnessError::OtherKey {
            path: path.to_owned(),
            expected: Box::new(vkey.clone()),
            got: Box::new(by),
        });
    }
    // A file under the name of another log would shadow that log's memory.
    if path
        .file_name()
        .is_none_or(|name| name != file_name(&origin).as_str())
    {
        return Err(damaged());
    }
    Ok((origin, state))
}

fn decode(text: &str) -> Option<(VerifierKey, Origin, WitnessedState)> {
    let mut lines = text.split('\n');
    if lines.next()? != HEADER {
        return None;
    }
    let vkey = VerifierKey::parse(lines.next()?).ok()?;
    let origin = Origin::parse(lines.next()?).ok()?;
    let state = WitnessedState {
        size: lines.next()?.parse().ok()?,
        root: Hash::parse_base64(lines.next()?)?,
        time: CosignatureTime::from_unix_s(lines.next()?.parse().ok()?)?,
    };
    // The one text that says this, check included.
    (encode(&vkey, &origin, &state) == text).then_some((vkey, origin, state))
}

#[cfg(test)]
mod tests;
