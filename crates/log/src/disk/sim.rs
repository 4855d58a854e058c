//! A disk in memory that loses what was not synced and fails where it is told to. Deterministic for a seed.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::disk::{DirectoryLock, Disk, DiskFile, OpenMode};

const SECTOR: usize = 512;

/// SplitMix64: small, seedable, good enough to pick faults.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// What happens at a numbered operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The machine stops: this operation may be done in part, later ones fail.
    Crash,
    /// This operation fails with an error, later ones work. A sync that fails loses what it was asked to keep.
    Error(io::ErrorKind),
    /// From this operation on, nothing can be written.
    Full,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug, Default, Clone)]
struct Inode {
    durable: Vec<u8>,
    visible: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl NameChange {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => path.parent() == Some(dir),
            Self::Rename(from, to, _) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, inode) => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }
}

#[derive(Debug)]
struct State {
    generation: u64,
    operations: u64,
    fault: Option<(u64, Fault)>,
    full: bool,
    crashed: bool,
    rng: Rng,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<NameChange>,
    dirs: Vec<PathBuf>,
    /// Directories that the directory above them does not durably name.
    volatile_dirs: Vec<PathBuf>,
    locks: Vec<PathBuf>,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<State>>,
    generation: u64,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
    writable: bool,
}

#[derive(Debug)]
struct SimLock(SimDisk, PathBuf);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.raw().locks.retain(|path| *path != self.1);
    }
}

impl SimDisk {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            generation: 0,
            operations: 0,
            fault: None,
            full: false,
            crashed: false,
            rng: Rng(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            dirs: Vec::new(),
            volatile_dirs: Vec::new(),
            locks: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            generation: 0,
        }
    }

    fn raw(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Number of operations so far that change something.
    pub(crate) fn operations(&self) -> u64 {
        self.raw().operations
    }

    /// Arms a fault at the operation that is `after` operations from now.
    pub(crate) fn arm(&self, after: u64, fault: Fault) {
        let mut state = self.raw();
        let at = state.operations + after;
        state.fault = Some((at, fault));
    }

    /// Space is there again.
    pub(crate) fn free_space(&self) {
        let mut state = self.raw();
        state.full = false;
        state.fault = None;
    }

    /// The machine starts again: after a power loss with what was synced and any part of the rest, after the end of
    /// the process alone with everything. Files and locks of before are gone.
    pub(crate) fn reboot(&self, power_loss: bool) -> Self {
        let mut state = self.raw();
        if power_loss {
            state.lose();
        }
        state.generation += 1;
        state.crashed = false;
        state.full = false;
        state.fault = None;
        state.locks.clear();
        let generation = state.generation;
        drop(state);
        Self {
            state: Arc::clone(&self.state),
            generation,
        }
    }

    /// Changes a byte of a file behind everyone's back.
    pub(crate) fn corrupt(&self, path: &Path, offset: usize, xor: u8) {
        let mut state = self.raw();
        let inode = state.names[path];
        state.inodes[inode].visible[offset] ^= xor;
        if let Some(byte) = state.inodes[inode].durable.get_mut(offset) {
            *byte ^= xor;
        }
    }

    /// Removes a file behind everyone's back.
    pub(crate) fn vanish(&self, path: &Path) {
        let mut state = self.raw();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    /// All files, as they are visible now.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.raw();
        let content = |inode: &usize| state.inodes[*inode].visible.clone();
        state
            .names
            .iter()
            .map(|(path, inode)| (path.clone(), content(inode)))
            .collect()
    }

    /// Counts an operation and lets the fault happen. `Ok(true)`: the machine stops within it.
    fn step(&self) -> io::Result<(MutexGuard<'_, State>, bool)> {
        let mut state = self.check()?;
        state.operations += 1;
        if state.fault.is_some_and(|(at, _)| at < state.operations) {
            let (_, fault) = state.fault.take().unwrap();
            match fault {
                Fault::Crash => {
                    state.crashed = true;
                    return Ok((state, true));
                }
                Fault::Error(kind) => return Err(kind.into()),
                Fault::Full => state.full = true,
            }
        }
        Ok((state, false))
    }

    fn check(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.raw();
        if state.crashed || state.generation != self.generation {
            return Err(io::Error::other("the machine stopped"));
        }
        Ok(state)
    }

    fn change_name(
        &self,
        change: impl FnOnce(&mut State) -> io::Result<NameChange>,
    ) -> io::Result<()> {
        let (mut state, crash) = self.step()?;
        if !crash || state.rng.below(2) == 0 {
            let change = change(&mut state)?;
            change.apply(&mut state.names);
            state.pending_names.push(change);
        }
        stopped(crash)
    }
}

fn stopped(crash: bool) -> io::Result<()> {
    if crash {
        Err(io::Error::other("the machine stopped"))
    } else {
        Ok(())
    }
}

impl State {
    fn lose(&mut self) {
        let Self {
            inodes,
            rng,
            names,
            durable_names,
            pending_names,
            dirs,
            volatile_dirs,
            ..
        } = self;
        // One power loss keeps nothing, everything, or any part.
        let keep = match rng.below(4) {
            0 => 0,
            1 => 8,
            _ => 4,
        };
        for change in pending_names.drain(..) {
            if rng.below(8) < keep {
                change.apply(durable_names);
            }
        }
        // A directory takes what is in it along.
        for lost in volatile_dirs.drain(..) {
            if rng.below(8) >= keep {
                durable_names.retain(|path, _| !path.starts_with(&lost));
                dirs.retain(|dir| !dir.starts_with(&lost));
            }
        }
        *names = durable_names.clone();
        for inode in inodes {
            inode.settle(rng, keep);
            inode.visible = inode.durable.clone();
        }
    }
}

impl Inode {
    /// Lets `keep` of 8 sectors reach the disk.
    fn settle(&mut self, rng: &mut Rng, keep: u64) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::SetLen(len) => {
                    if rng.below(8) < keep {
                        self.durable.resize(len, 0);
                    }
                }
                Change::Write { offset, bytes } => {
                    let mut at = offset;
                    let end = offset + bytes.len();
                    while at < end {
                        let next = (at / SECTOR * SECTOR + SECTOR).min(end);
                        if rng.below(8) < keep {
                            write(&mut self.durable, at, &bytes[at - offset..next - offset]);
                        }
                        at = next;
                    }
                }
            }
        }
    }
}

fn write(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let known = self.check()?.names.get(path).copied();
        let writable = mode != OpenMode::Read;
        let inode = match (known, mode) {
            (Some(inode), OpenMode::Read | OpenMode::Write) => inode,
            (None, OpenMode::Read | OpenMode::Write) => return Err(io::ErrorKind::NotFound.into()),
            (_, OpenMode::Truncate | OpenMode::TruncatePublic) => {
                let mut made = 0;
                self.change_name(|state| {
                    if state.full {
                        return Err(io::ErrorKind::StorageFull.into());
                    }
                    let dir = path.parent().unwrap().to_owned();
                    assert!(state.dirs.contains(&dir), "no directory {}", dir.display());
                    made = state.inodes.len();
                    state.inodes.push(Inode::default());
                    Ok(NameChange::Link(path.to_owned(), made))
                })?;
                made
            }
        };
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            inode,
            writable,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.create_dirs(path)?;
        // The directories above are durable too.
        self.check()?
            .volatile_dirs
            .retain(|dir| !path.starts_with(dir));
        Ok(())
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        let mut state = self.check()?;
        let State {
            dirs,
            volatile_dirs,
            ..
        } = &mut *state;
        for dir in path.ancestors() {
            if !dirs.iter().any(|known| known == dir) {
                dirs.push(dir.to_owned());
                volatile_dirs.push(dir.to_owned());
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.check()?;
        if !state.dirs.iter().any(|known| known == dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = state.names.keys().filter(|path| path.parent() == Some(dir));
        let dirs = state.dirs.iter().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = files.chain(dirs).map(name).collect();
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if !self
            .check()?
            .dirs
            .iter()
            .any(|dir| Some(dir.as_path()) == to.parent())
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change_name(|state| {
            let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            Ok(NameChange::Rename(from.to_owned(), to.to_owned(), inode))
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change_name(|state| {
            state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(NameChange::Unlink(path.to_owned()))
        })
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let files: Vec<PathBuf> = self
            .check()?
            .names
            .keys()
            .filter(|file| file.starts_with(path))
            .cloned()
            .collect();
        for file in files {
            self.remove_file(&file)?;
        }
        let mut state = self.check()?;
        state.dirs.retain(|dir| !dir.starts_with(path));
        state.volatile_dirs.retain(|dir| !dir.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, crash) = self.step()?;
        if !crash {
            let State {
                pending_names,
                durable_names,
                volatile_dirs,
                ..
            } = &mut *state;
            volatile_dirs.retain(|volatile| volatile.parent() != Some(dir));
            pending_names.retain(|change| {
                let touches = change.touches(dir);
                if touches {
                    change.apply(durable_names);
                }
                !touches
            });
        }
        stopped(crash)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        let mut state = self.check()?;
        if state.locks.iter().any(|held| held == path) {
            return Ok(None);
        }
        state.locks.push(path.to_owned());
        Ok(Some(Box::new(SimLock(self.clone(), path.to_owned()))))
    }
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (mut state, crash) = self.disk.step()?;
        let State {
            full, rng, inodes, ..
        } = &mut *state;
        let inode = &mut inodes[self.inode];
        let mut change = change;
        let mut result = stopped(crash);
        if let Change::Write { offset, bytes } = &mut change {
            if *full && *offset + bytes.len() > inode.visible.len() {
                // A full disk takes the part that fits into blocks that the file has.
                bytes.truncate(inode.visible.len().saturating_sub(*offset));
                result = Err(io::ErrorKind::StorageFull.into());
            } else if crash {
                bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
            }
        } else if crash {
            return result;
        }
        match &change {
            Change::Write { bytes, .. } if bytes.is_empty() => {}
            Change::Write { offset, bytes } => write(&mut inode.visible, *offset, bytes),
            Change::SetLen(len) => inode.visible.resize(*len, 0),
        }
        inode.pending.push(change);
        result
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.check()?;
        let offset = usize::try_from(offset).unwrap();
        let content = &state.inodes[self.inode].visible;
        let bytes = content
            .get(offset..offset + buf.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write {
            offset: usize::try_from(offset).unwrap(),
            bytes: bytes.to_vec(),
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.disk.step() {
            Ok((mut state, crash)) => {
                let State { rng, inodes, .. } = &mut *state;
                let inode = &mut inodes[self.inode];
                if crash {
                    return stopped(crash);
                }
                // Not all that is visible: what an earlier failed sync lost stays lost.
                inode.settle(rng, 8);
                Ok(())
            }
            Err(error) => {
                if let Ok(mut state) = self.disk.check() {
                    // What was to be written counts as written from now on, but only some of it was.
                    let State { rng, inodes, .. } = &mut *state;
                    inodes[self.inode].settle(rng, 4);
                }
                Err(error)
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(usize::try_from(len).unwrap()))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.check()?.inodes[self.inode].visible.len() as u64)
    }
}
