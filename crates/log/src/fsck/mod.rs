//! Checking a log by deriving everything anew: entries, leaf hashes, tiles, root, signature, journal, index.

mod files;
mod journal;
mod report;
mod tree;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use proofmark_tlog::{Checkpoint, Note, VerifierKey, open_foreign_checkpoint};

use crate::{
    core::open::{JOURNAL_DIR, PUBLIC_DIR, STAGING_DIR, STATE_FILE, journal_identity, lock},
    disk::{Disk, OpenMode, RealDisk},
    error::{LogError, io_error},
    state::State,
    storage::{DirectoryStorage, ObjectName, Storage, StorageError},
};

pub use report::{Difference, FsckReport, Place, Problem};

/// How a check is made.
#[derive(Debug, Clone)]
pub struct FsckOptions {
    /// Threads that read and hash (default: as many as the machine has cores, at most 8).
    pub threads: usize,
    /// Differences that are listed; more are only counted (default 1,000).
    pub max_differences: usize,
    /// Cache of the state database in bytes (default 128 MiB).
    pub state_cache_bytes: usize,
}

impl Default for FsckOptions {
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism()
                .map_or(1, usize::from)
                .min(8),
            max_differences: 1000,
            state_cache_bytes: 128 * 1024 * 1024,
        }
    }
}

/// Checks the data directory of a log that is not open. After a power loss the log must have been open once: it writes
/// the newest tiles anew.
///
/// `vkey` is the key that the log must have; `None` takes the
/// word of the state for it.
pub fn fsck(
    dir: &Path,
    vkey: Option<&VerifierKey>,
    options: &FsckOptions,
) -> Result<FsckReport, LogError> {
    check_log(&(Arc::new(RealDisk) as Arc<dyn Disk>), dir, vkey, options)
}

/// Checks a directory of tiles without a journal: the `public` directory of an open log, or a mirror of any C2SP log
/// with entry bundles. Without `vkey` the checkpoint in it is taken as it stands.
pub fn fsck_tiles(
    dir: &Path,
    vkey: Option<&VerifierKey>,
    options: &FsckOptions,
) -> Result<FsckReport, LogError> {
    check_tiles(&(Arc::new(RealDisk) as Arc<dyn Disk>), dir, vkey, options)
}

/// A check in progress, shared by its threads.
#[derive(Debug)]
struct Check<'a> {
    disk: Arc<dyn Disk>,
    storage: DirectoryStorage,
    options: &'a FsckOptions,
    differences: Mutex<Vec<Difference>>,
    unlisted: AtomicU64,
    leaves: AtomicU64,
    objects: AtomicU64,
    records: AtomicU64,
    keys: AtomicU64,
}

impl<'a> Check<'a> {
    fn new(disk: &Arc<dyn Disk>, public: &Path, options: &'a FsckOptions) -> Self {
        let storage = DirectoryStorage::on(
            Arc::clone(disk),
            public.to_owned(),
            public.join(STAGING_DIR),
        );
        Self {
            disk: Arc::clone(disk),
            storage,
            options,
            differences: Mutex::default(),
            unlisted: AtomicU64::new(0),
            leaves: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            records: AtomicU64::new(0),
            keys: AtomicU64::new(0),
        }
    }

    fn differs(&self, place: Place, problem: Problem) {
        let mut differences = self
            .differences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if differences.len() < self.options.max_differences {
            differences.push(Difference { place, problem });
        } else {
            self.unlisted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reads an object; one that cannot be read is a difference, one that is missing is `None`.
    fn read(&self, object: ObjectName) -> Result<Option<Vec<u8>>, ()> {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.storage.read(&object).map_err(|error| {
            let place = match object {
                ObjectName::Checkpoint => Place::Checkpoint,
                ObjectName::Tile(path) => Place::Tile { path, item: None },
            };
            self.differs(place, Problem::Unreadable(io_kind(&error)));
        })
    }

    /// Runs `work` for every number below `count`, on all threads.
    fn parallel(&self, count: u64, work: impl Fn(u64) + Sync) {
        let next = AtomicU64::new(0);
        let run = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                work(number);
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.options.threads.max(1) {
                scope.spawn(run);
            }
            run();
        });
    }

    fn finish(self, mut report: FsckReport) -> FsckReport {
        report.leaves = self.leaves.into_inner();
        report.objects = self.objects.into_inner();
        report.records = self.records.into_inner();
        report.keys = self.keys.into_inner();
        report.unlisted = self.unlisted.into_inner();
        report.differences = self
            .differences
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        report.differences.sort_by(|a, b| a.place.cmp(&b.place));
        report
    }

    /// Reads the published checkpoint.
    fn checkpoint(
        &self,
        vkey: Option<&VerifierKey>,
        report: &mut FsckReport,
    ) -> Option<Checkpoint> {
        let bytes = match self.read(ObjectName::Checkpoint) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.differs(Place::Checkpoint, Problem::Missing);
                return None;
            }
            Err(()) => return None,
        };
        let note = Note::parse(&bytes).ok();
        let claimed = note.and_then(|note| {
            Checkpoint::parse_text_with_extensions(note.text())
                .map(|(checkpoint, _)| checkpoint)
                .ok()
        });
        let Some(checkpoint) = claimed else {
            self.differs(Place::Checkpoint, Problem::Malformed);
            return None;
        };
        if let Some(vkey) = vkey {
            report.signature_checked = true;
            let keys = std::slice::from_ref(vkey);
            if let Err(error) = open_foreign_checkpoint(&bytes, &checkpoint.origin, keys) {
                self.differs(Place::Checkpoint, Problem::Signature { code: error.code() });
            }
        }
        Some(checkpoint)
    }
}

fn io_kind(error: &StorageError) -> std::io::ErrorKind {
    error
        .source
        .downcast_ref::<std::io::Error>()
        .map_or(std::io::ErrorKind::Other, std::io::Error::kind)
}

/// Checks tiles against the checkpoint beside them.
pub(crate) fn check_tiles(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    vkey: Option<&VerifierKey>,
    options: &FsckOptions,
) -> Result<FsckReport, LogError> {
    let check = Check::new(disk, dir, options);
    let mut report = FsckReport::default();
    if let Some(checkpoint) = check.checkpoint(vkey, &mut report) {
        report.origin = Some(checkpoint.origin.to_string());
        report.size = checkpoint.size;
        report.root = Some(checkpoint.root);
        check.tree(checkpoint.size, &checkpoint.root, Place::Checkpoint);
        check
            .files(dir, checkpoint.size)
            .map_err(io_error("list", dir))?;
    }
    Ok(check.finish(report))
}

/// Checks a whole data directory.
pub(crate) fn check_log(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    vkey: Option<&VerifierKey>,
    options: &FsckOptions,
) -> Result<FsckReport, LogError> {
    let _lock = lock(&**disk, dir)?;
    let public = dir.join(PUBLIC_DIR);
    let check = Check::new(disk, &public, options);
    let mut report = FsckReport::default();
    let path = dir.join(STATE_FILE);
    let file = match disk.open(&path, OpenMode::Write) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            check.differs(Place::File(path), Problem::Missing);
            return Ok(check.finish(report));
        }
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let state = State::open(file, options.state_cache_bytes)?;
    let Some(stored) = state.load()? else {
        check.differs(Place::State("checkpoint"), Problem::Missing);
        return Ok(check.finish(report));
    };
    let own = VerifierKey::parse(&stored.vkey).ok();
    if own.is_none() {
        check.differs(Place::State("vkey"), Problem::Malformed);
    } else if vkey.is_some() && vkey != own.as_ref() {
        check.differs(Place::State("vkey"), Problem::OtherLog);
    }
    let vkey = vkey.or(own.as_ref());
    let published = check.checkpoint(vkey, &mut report);
    let (size, root) = (stored.frontier.size(), stored.frontier.root());
    check.state_checkpoint(&stored.checkpoint, vkey, size, &root);
    report.origin = published
        .as_ref()
        .map(|published| published.origin.to_string());
    report.size = size;
    report.root = Some(root);
    check.tree(size, &root, Place::State("frontier"));
    if let Some(published) = published {
        if published.size > size {
            check.differs(
                Place::Checkpoint,
                Problem::Size {
                    expected: size,
                    got: published.size,
                },
            );
        } else {
            check.root(published.size, &published.root, Place::Checkpoint);
        }
    }
    check
        .files(&public, size)
        .map_err(io_error("list", &public))?;
    if let Some(own) = own {
        let journal = dir.join(JOURNAL_DIR);
        check.journal(
            &journal,
            journal_identity(&own),
            &state,
            &stored,
            &mut report,
        )?;
    }
    Ok(check.finish(report))
}

#[cfg(test)]
mod tests;
