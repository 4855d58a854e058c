//! Opening a log: lock, state, journal, edge of the tree, and catching up with the journal.

use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, atomic::AtomicU64},
};

use bytes::Bytes;
use proofmark_tlog::{
    Checkpoint, EMPTY_ROOT, Frontier, Origin, TilePath, VerifiedCheckpoint, VerifierKey, leaf_hash,
    open_checkpoint, sign_checkpoint,
};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};

use crate::{
    config::LogConfig,
    core::{
        Core, Integrator, Limits, Progress, Queue, Writer,
        integrator::{Leaf, Tree, is_full_step},
    },
    disk::{DirectoryLock, Disk, OpenMode},
    error::{LogError, io_error},
    journal::{JournalIdentity, JournalOptions, JournalWriter},
    published::PublishedCheckpoint,
    state::{LogState, State, StateError},
    storage::{DirectoryStorage, ObjectName, Storage},
    tiles::Edge,
};

/// Names in the data directory.
pub(crate) const LOCK_FILE: &str = "lock";
pub(crate) const STATE_FILE: &str = "state.redb";
const UNFINISHED_STATE_FILE: &str = "state.redb.unfinished";
pub(crate) const JOURNAL_DIR: &str = "journal";
pub(crate) const PUBLIC_DIR: &str = "public";
pub(crate) const STAGING_DIR: &str = "staging";

/// A log that is open and caught up, its steps not running yet.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) core: Arc<Core>,
    pub(crate) writer: Writer,
    pub(crate) integrator: Integrator,
}

/// Opens the log in a directory, or makes it.
pub(crate) fn open(disk: &Arc<dyn Disk>, config: &LogConfig) -> Result<Opened, LogError> {
    config.check()?;
    let origin = Origin::of_key(config.signer.name()).map_err(LogError::Origin)?;
    let dir = &config.dir;
    disk.create_dir_all(dir).map_err(io_error("make", dir))?;
    let lock = lock(&**disk, dir)?;
    let storage = DirectoryStorage::on(
        Arc::clone(disk),
        dir.join(PUBLIC_DIR),
        dir.join(STAGING_DIR),
    );
    storage
        .prepare()
        .map_err(io_error("prepare", dir.join(PUBLIC_DIR)))?;
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let (state, stored) = open_state(&**disk, config, &origin)?;
    let published = check_published(&*storage, config.signer.vkey(), &stored.frontier)?;

    let now_ms = config.clock.unix_ms();
    let age = u64::try_from(config.segment_max_age.as_millis()).unwrap_or(u64::MAX);
    let (journal, catalog, recovered) = JournalWriter::open(
        Arc::clone(disk),
        dir.join(JOURNAL_DIR),
        journal_identity(config.signer.vkey()),
        JournalOptions {
            segment_bytes: config.segment_bytes,
            segment_max_age_ms: age,
        },
        (stored.journal_start, stored.frontier.size()),
        now_ms,
    )?;
    if recovered.torn {
        tracing::warn!(%origin, size = recovered.size, "cut off records that a crash left unfinished");
    }
    let checkpoint = open_checkpoint(&stored.checkpoint, config.signer.vkey())?;
    let edge = Edge::decode(&stored.edge).ok_or(StateError::Row { row: "edge" })?;
    let flushed = edge.frontier().size();
    if flushed > stored.frontier.size() || flushed < stored.journal_start {
        return Err(StateError::Row { row: "edge" }.into());
    }
    let tree = Tree {
        edge,
        checkpoint,
        cleaned_size: flushed,
        unsynced: Vec::new(),
    };
    let published = published
        .filter(|published| published.size() == stored.frontier.size())
        .map(|checkpoint| Arc::new(PublishedCheckpoint::new(checkpoint, now_ms)));
    let core = Arc::new(Core {
        signer: Arc::clone(&config.signer),
        origin,
        clock: Arc::clone(&config.clock),
        limits: Limits {
            max_payload_bytes: config.max_payload_bytes,
            promise_delay_ms: u64::try_from(config.promise_max_delay.as_millis())
                .unwrap_or(u64::MAX),
        },
        state,
        catalog,
        storage,
        queue: Mutex::new(Queue::new(recovered.size, recovered.last_ms)),
        to_write: Condvar::new(),
        to_integrate: Condvar::new(),
        to_end: Condvar::new(),
        progress: watch::Sender::new(Progress {
            durable: recovered.size,
            flushed,
            ..Progress::default()
        }),
        published: watch::Sender::new(published),
        room_bytes: Arc::new(Semaphore::new(config.queue_bytes)),
        room_records: Arc::new(Semaphore::new(config.queue_records)),
        last_sync_us: AtomicU64::new(0),
        _lock: lock,
    });
    let mut integrator = Integrator {
        core: Arc::clone(&core),
        tree,
    };
    integrator.write_anew(&stored.frontier)?;
    integrator.catch_up(recovered.size)?;
    Ok(Opened {
        writer: Writer::new(Arc::clone(&core), journal),
        integrator,
        core,
    })
}

/// Locks a data directory.
pub(crate) fn lock(disk: &dyn Disk, dir: &Path) -> Result<DirectoryLock, LogError> {
    let path = dir.join(LOCK_FILE);
    match disk.lock(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(LogError::Locked { path }),
        Err(source) => Err(io_error("lock", path)(source)),
    }
}

/// What binds journal segments to a log.
pub(crate) fn journal_identity(vkey: &VerifierKey) -> JournalIdentity {
    Sha256::digest(vkey.to_string()).into()
}

fn open_state(
    disk: &dyn Disk,
    config: &LogConfig,
    origin: &Origin,
) -> Result<(State, LogState), LogError> {
    let path = config.dir.join(STATE_FILE);
    let vkey = config.signer.vkey();
    let file = match disk.open(&path, OpenMode::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_state(disk, config, origin, &path)?;
            disk.open(&path, OpenMode::Write)
                .map_err(io_error("open", &path))?
        }
        opened => opened.map_err(io_error("open", &path))?,
    };
    let state = State::open(file, config.state_cache_bytes)?;
    let stored = state.load()?.ok_or(StateError::Row { row: "vkey" })?;
    let got = VerifierKey::parse(&stored.vkey).map_err(|_| StateError::Row { row: "vkey" })?;
    if got != *vkey {
        return Err(LogError::OtherLog {
            expected: Box::new(vkey.clone()),
            got: Box::new(got),
        });
    }
    Ok((state, stored))
}

/// Makes the state of a new log under another name first: a database that was begun and not finished could not be
/// opened again.
fn make_state(
    disk: &dyn Disk,
    config: &LogConfig,
    origin: &Origin,
    path: &Path,
) -> Result<(), LogError> {
    let unfinished = config.dir.join(UNFINISHED_STATE_FILE);
    let file = disk
        .open(&unfinished, OpenMode::Truncate)
        .map_err(io_error("make", &unfinished))?;
    let checkpoint = Checkpoint {
        origin: origin.clone(),
        size: 0,
        root: EMPTY_ROOT,
    };
    State::open(file, config.state_cache_bytes)?.create(&LogState {
        vkey: config.signer.vkey().to_string(),
        checkpoint: sign_checkpoint(&checkpoint, &config.signer)?.to_bytes(),
        frontier: Frontier::new(),
        edge: Edge::default().encode()?,
        journal_start: 0,
    })?;
    disk.rename(&unfinished, path)
        .map_err(io_error("rename", &unfinished))?;
    disk.sync_dir(&config.dir)
        .map_err(io_error("sync", &config.dir))
}

/// Opens the published checkpoint and refuses to go on from a state that is older.
fn check_published(
    storage: &dyn Storage,
    vkey: &VerifierKey,
    frontier: &Frontier,
) -> Result<Option<VerifiedCheckpoint>, LogError> {
    let Some(bytes) = storage.read(&ObjectName::Checkpoint)? else {
        return Ok(None);
    };
    let checkpoint = match open_checkpoint(&bytes, vkey) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            tracing::warn!(
                code = error.code(),
                "the published checkpoint cannot be read; it is published anew"
            );
            return Ok(None);
        }
    };
    let (published, integrated) = (checkpoint.size(), frontier.size());
    if published > integrated {
        return Err(LogError::RolledBack {
            published,
            integrated,
        });
    }
    if published == integrated && *checkpoint.root() != frontier.root() {
        return Err(LogError::Forked { size: published });
    }
    Ok(Some(checkpoint))
}

impl Integrator {
    /// Writes the tiles that were not durable yet from the journal, up to the tree that the state knows.
    fn write_anew(&mut self, frontier: &Frontier) -> Result<(), LogError> {
        let core = Arc::clone(&self.core);
        self.replay(frontier.size(), |tree, leaves| {
            let mut edge = tree.edge.clone();
            let objects = edge.grow(leaves.iter().map(|leaf| (leaf.hash, leaf.entry.clone())))?;
            tree.write(&core, &objects)?;
            tree.edge = edge;
            Ok(())
        })?;
        if self.tree.edge.frontier() != frontier {
            return Err(LogError::Diverged {
                size: frontier.size(),
            });
        }
        self.tree.remove_outgrown(&core)?;
        // What a crash left of partial tiles is not to be trusted either.
        let partials = self.tree.edge.partials()?;
        for (name, _) in &partials {
            match name {
                ObjectName::Tile(TilePath::Hashes(tile)) => {
                    core.storage
                        .remove_partials(&TilePath::Hashes(tile.full()))?;
                }
                ObjectName::Tile(TilePath::Entries(bundle)) => {
                    core.storage
                        .remove_partials(&TilePath::Entries(bundle.full()))?;
                }
                ObjectName::Checkpoint => {}
            }
        }
        self.tree.write(&core, &partials)
    }

    /// Integrates the records that the journal has and the state has not.
    fn catch_up(&mut self, size: u64) -> Result<(), LogError> {
        if self.tree.size() < size {
            let from = self.tree.size();
            tracing::info!(origin = %self.core.origin, from, size, "catching up with the journal");
        }
        let core = Arc::clone(&self.core);
        self.replay(size, |tree, leaves| tree.extend(&core, leaves))
    }

    /// Hands the records of the journal behind the tree to `step`, in portions, up to `size`.
    fn replay(
        &mut self,
        size: u64,
        mut step: impl FnMut(&mut Tree, &[Leaf]) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let from = self.tree.size();
        if from == size {
            return Ok(());
        }
        let tree = &mut self.tree;
        let mut leaves = Vec::new();
        let mut bytes = 0;
        self.core.catalog.replay(from, size, |record| {
            let entry = Bytes::copy_from_slice(record.header.entry(record.bytes));
            bytes += entry.len();
            leaves.push(Leaf {
                key: record.header.key,
                hash: leaf_hash(&entry),
                entry,
                meta: Bytes::copy_from_slice(record.header.meta(record.bytes)),
                offset: record.offset,
            });
            if is_full_step(leaves.len(), bytes) {
                step(tree, &leaves)?;
                leaves.clear();
                bytes = 0;
            }
            Ok::<_, LogError>(())
        })?;
        if leaves.is_empty() {
            Ok(())
        } else {
            step(tree, &leaves)
        }
    }
}
