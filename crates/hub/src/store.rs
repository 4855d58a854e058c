//! The store.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use proofmark_program::{
    ClosureDigest, MAX_MANIFEST_BYTES, MAX_PROGRAM_BYTES, Manifest, PROGRAM_PATH, ProgramError,
    WEIGHTS_PATH, closure_digest,
};

use crate::names::digest_of;
use crate::verify::{digest_of_program, hash_file};
use crate::{HubError, ModelName};

const MANIFEST: &str = "manifest.cbor";
const NAMES: &str = "names";
const STAGING: &str = "staging";
const LOCK: &str = ".lock";
/// A name's file: 64 digits and a line feed.
const NAME_FILE_MAX_BYTES: u64 = 65;
/// Fewest digits of a digest that stand for it.
const PREFIX_MIN_DIGITS: usize = 8;

/// A model of the store.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its digest.
    pub digest: ClosureDigest,
    /// Its names, ascending.
    pub names: Vec<String>,
    /// Its manifest, of which the digest was checked.
    pub manifest: Manifest,
    /// Its folder.
    pub path: PathBuf,
}

/// What a store has, in ascending order of digests.
#[derive(Debug, Default)]
pub struct Listing {
    /// Models.
    pub models: Vec<Stored>,
    /// Folders that are named like models, with what is wrong with them.
    pub damaged: Vec<(ClosureDigest, HubError)>,
}

/// A folder of models.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in this folder, which need not exist until something is installed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Installs a model: all of its files, or nothing. Installing what is there already changes nothing.
    ///
    /// # Errors
    /// The files are not those of the manifest, or the disk fails.
    pub fn install(
        &self,
        manifest: &Manifest,
        files: &[(String, Vec<u8>)],
    ) -> Result<ClosureDigest, HubError> {
        let encoded = manifest.encode()?;
        let digest = closure_digest(&encoded);
        let target = self.root.join(digest.to_string());
        if target.join(MANIFEST).exists() && self.verify(&digest).is_ok() {
            return Ok(digest);
        }
        let staging = self.stage()?;
        for (path, bytes) in files {
            manifest.check_file(path, bytes.len() as u64, &crate::file_digest(bytes))?;
            write_synced(&staging.path.join(path), bytes)?;
        }
        write_synced(&staging.path.join(MANIFEST), &encoded)?;
        self.check_folder(&staging.path, &digest)?;
        sync_folder(&staging.path)?;
        if target.exists() {
            // Damaged, as the check above has shown: away with it.
            self.discard(&target)?;
        }
        fs::rename(&staging.path, &target).map_err(HubError::io(&target))?;
        sync_folder(&self.root)?;
        staging.remove()?;
        Ok(digest)
    }

    /// Gives a model a name. A name of another model is moved only if `replace` says so.
    ///
    /// # Errors
    /// The name is taken, the model is not there, or the disk fails.
    pub fn name(
        &self,
        name: &ModelName,
        digest: &ClosureDigest,
        replace: bool,
    ) -> Result<(), HubError> {
        if !self.root.join(digest.to_string()).join(MANIFEST).is_file() {
            return Err(HubError::NotFound {
                what: digest.to_string(),
            });
        }
        let taken = self.named(name)?.filter(|other| other != digest);
        if let Some(other) = taken.filter(|_| !replace) {
            return Err(HubError::NameTaken {
                name: name.to_string(),
                digest: other.to_string(),
            });
        }
        let folder = self.root.join(NAMES);
        fs::create_dir_all(&folder).map_err(HubError::io(&folder))?;
        let staging = self.stage()?;
        let written = staging.path.join("name");
        write_synced(&written, format!("{digest}\n").as_bytes())?;
        let target = folder.join(name.as_str());
        fs::rename(&written, &target).map_err(HubError::io(&target))?;
        sync_folder(&folder)?;
        staging.remove()
    }

    /// The model of a name, of a digest, or of at least eight digits that one digest begins with.
    ///
    /// # Errors
    /// There is none, there are several, or the manifest is damaged.
    pub fn find(&self, what: &str) -> Result<Stored, HubError> {
        let not_found = || HubError::NotFound { what: what.into() };
        if let Some(digest) = digest_of(what) {
            return self.stored(&ClosureDigest(digest));
        }
        if let Ok(name) = ModelName::parse(what)
            && let Some(digest) = self.named(&name)?
        {
            return self.stored(&digest);
        }
        if what.len() < PREFIX_MIN_DIGITS || !what.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(not_found());
        }
        let digests = self.digests()?;
        let mut matching = digests
            .iter()
            .filter(|digest| digest.to_string().starts_with(what));
        match (matching.next(), matching.next()) {
            (Some(digest), None) => self.stored(digest),
            (Some(_), Some(_)) => Err(HubError::Ambiguous { what: what.into() }),
            _ => Err(not_found()),
        }
    }

    /// All models, and folders that should be some and are not.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn list(&self) -> Result<Listing, HubError> {
        let mut listing = Listing::default();
        for digest in self.digests()? {
            match self.stored(&digest) {
                Ok(stored) => listing.models.push(stored),
                Err(error) => listing.damaged.push((digest, error)),
            }
        }
        Ok(listing)
    }

    /// Reads every byte of a model and compares with its digest.
    ///
    /// # Errors
    /// A file is another one, is missing, or does not belong to the model.
    pub fn verify(&self, digest: &ClosureDigest) -> Result<Stored, HubError> {
        let stored = self.stored(digest)?;
        self.check_folder(&stored.path, digest)?;
        Ok(stored)
    }

    /// Removes a name and, if it was the last one, the model; a digest removes the model with all its names.
    /// Says whether the model is gone.
    ///
    /// # Errors
    /// There is no such model, or the disk fails.
    pub fn remove(&self, what: &str) -> Result<bool, HubError> {
        let by_name = ModelName::parse(what).ok();
        let digest = match &by_name {
            Some(name) => match self.named(name)? {
                Some(digest) => digest,
                None => self.find(what)?.digest,
            },
            None => digest_of(what)
                .map(ClosureDigest)
                .filter(|digest| self.root.join(digest.to_string()).exists())
                .ok_or_else(|| HubError::NotFound { what: what.into() })?,
        };
        let names = self.names_of(&digest)?;
        let one = by_name.filter(|name| names.iter().any(|other| other == name.as_str()));
        for name in &names {
            if one.as_ref().is_some_and(|one| one.as_str() != name) {
                continue;
            }
            let path = self.root.join(NAMES).join(name);
            fs::remove_file(&path).map_err(HubError::io(&path))?;
        }
        if one.is_some() && names.len() > 1 {
            return Ok(false);
        }
        let path = self.root.join(digest.to_string());
        if path.exists() {
            self.discard(&path)?;
        }
        Ok(true)
    }

    /// The manifest of a digest, checked against it.
    fn stored(&self, digest: &ClosureDigest) -> Result<Stored, HubError> {
        let path = self.root.join(digest.to_string());
        let file = path.join(MANIFEST);
        let encoded = match read_bounded(&file, MAX_MANIFEST_BYTES as u64) {
            Err(HubError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(HubError::NotFound {
                    what: digest.to_string(),
                });
            }
            read => read?,
        };
        if closure_digest(&encoded) != *digest {
            return Err(mismatch(MANIFEST).into());
        }
        Ok(Stored {
            digest: *digest,
            names: self.names_of(digest)?,
            manifest: Manifest::decode(&encoded)?,
            path,
        })
    }

    /// Every byte of a folder against a digest.
    fn check_folder(&self, folder: &Path, digest: &ClosureDigest) -> Result<(), HubError> {
        let encoded = read_bounded(&folder.join(MANIFEST), MAX_MANIFEST_BYTES as u64)?;
        if closure_digest(&encoded) != *digest {
            return Err(mismatch(MANIFEST).into());
        }
        let manifest = Manifest::decode(&encoded)?;
        let mut expected: BTreeSet<String> = manifest
            .files
            .iter()
            .map(|file| file.path.clone())
            .collect();
        expected.insert(MANIFEST.to_owned());
        for path in files_below(folder)? {
            if !expected.contains(&path) {
                return Err(HubError::Stray { path });
            }
        }
        for file in &manifest.files {
            let path = folder.join(&file.path);
            let hashes = hash_file(&path, file.size, file.path == WEIGHTS_PATH)?
                .ok_or_else(|| mismatch(&file.path))?;
            manifest.check_file(&file.path, file.size, &hashes.file)?;
            if let Some(root) = hashes.weights {
                manifest.check_weights(&root)?;
            }
        }
        let program = read_bounded(&folder.join(PROGRAM_PATH), MAX_PROGRAM_BYTES as u64)?;
        manifest.check_program(&digest_of_program(&program))?;
        Ok(())
    }

    /// Digests that folders are named by, ascending.
    fn digests(&self) -> Result<Vec<ClosureDigest>, HubError> {
        let mut digests: Vec<ClosureDigest> = entries(&self.root)?
            .iter()
            .filter_map(|name| digest_of(name).map(ClosureDigest))
            .collect();
        digests.sort();
        Ok(digests)
    }

    fn names_of(&self, digest: &ClosureDigest) -> Result<Vec<String>, HubError> {
        let mut names = Vec::new();
        for entry in entries(&self.root.join(NAMES))? {
            let Ok(name) = ModelName::parse(&entry) else {
                continue;
            };
            if self.named(&name)? == Some(*digest) {
                names.push(entry);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The digest that a name stands for; a damaged file of a name is none.
    fn named(&self, name: &ModelName) -> Result<Option<ClosureDigest>, HubError> {
        let path = self.root.join(NAMES).join(name.as_str());
        let bytes = match read_bounded(&path, NAME_FILE_MAX_BYTES) {
            Err(HubError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            read => read?,
        };
        let text = String::from_utf8(bytes).unwrap_or_default();
        Ok(digest_of(text.trim_end_matches('\n')).map(ClosureDigest))
    }

    /// A new folder for writing; those of processes that died are removed first.
    fn stage(&self) -> Result<Staging, HubError> {
        let parent = self.root.join(STAGING);
        fs::create_dir_all(&parent).map_err(HubError::io(&parent))?;
        clear_staging(&parent)?;
        loop {
            let name = random_name(&parent)?;
            let path = parent.join(&name);
            let lock_path = parent.join(format!("{name}{LOCK}"));
            let lock = File::create_new(&lock_path).map_err(HubError::io(&lock_path))?;
            lock.lock().map_err(HubError::io(&lock_path))?;
            // Another process may have taken the lock for that of a dead one before it was locked; then the file is gone.
            if lock_path.exists() {
                fs::create_dir(&path).map_err(HubError::io(&path))?;
                return Ok(Staging {
                    path,
                    lock_path,
                    lock,
                });
            }
        }
    }

    /// Takes a folder out of sight by one rename, then deletes it.
    fn discard(&self, folder: &Path) -> Result<(), HubError> {
        let staging = self.stage()?;
        let target = staging.path.join("gone");
        fs::rename(folder, &target).map_err(HubError::io(folder))?;
        sync_folder(&self.root)?;
        staging.remove()
    }
}

/// A folder that is being written.
#[derive(Debug)]
struct Staging {
    path: PathBuf,
    lock_path: PathBuf,
    /// Held until the folder is complete or its process is dead.
    lock: File,
}

impl Staging {
    fn remove(self) -> Result<(), HubError> {
        remove_if_there(&self.path)?;
        fs::remove_file(&self.lock_path).map_err(HubError::io(&self.lock_path))?;
        drop(self.lock);
        Ok(())
    }
}

/// Removes what processes left that died: folders whose lock nobody holds, or that have none.
fn clear_staging(parent: &Path) -> Result<(), HubError> {
    let names = entries(parent)?;
    for name in &names {
        if let Some(folder) = name.strip_suffix(LOCK) {
            let lock_path = parent.join(name);
            let Ok(lock) = File::open(&lock_path) else {
                continue;
            };
            if lock.try_lock().is_ok() {
                remove_if_there(&parent.join(folder))?;
                fs::remove_file(&lock_path).map_err(HubError::io(&lock_path))?;
            }
        } else if !parent.join(format!("{name}{LOCK}")).exists() {
            remove_if_there(&parent.join(name))?;
        }
    }
    Ok(())
}

fn remove_if_there(folder: &Path) -> Result<(), HubError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(HubError::io(folder)),
    }
}

fn mismatch(path: &str) -> ProgramError {
    ProgramError::DigestMismatch { path: path.into() }
}

fn random_name(at: &Path) -> Result<String, HubError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| HubError::Io {
        path: at.to_owned(),
        source: io::Error::other(error.to_string()),
    })?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// Names of a folder's entries; none of a folder that does not exist.
fn entries(folder: &Path) -> Result<Vec<String>, HubError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(HubError::io(folder))?,
    };
    listed
        .map(|entry| {
            let entry = entry.map_err(HubError::io(folder))?;
            Ok(entry.file_name().to_string_lossy().into_owned())
        })
        .collect()
}

/// Paths of all files below a folder, with slashes; links and the like are refused.
fn files_below(folder: &Path) -> Result<Vec<String>, HubError> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(prefix) = open.pop() {
        for name in entries(&folder.join(&prefix))? {
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}/{name}")
            };
            let full = folder.join(&path);
            let kind = fs::symlink_metadata(&full)
                .map_err(HubError::io(&full))?
                .file_type();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                found.push(path);
            } else {
                return Err(HubError::Stray { path });
            }
        }
    }
    Ok(found)
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, HubError> {
    let file = File::open(path).map_err(HubError::io(path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(HubError::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(ProgramError::TooLarge {
            what: "bytes of a file",
            limit,
            got: bytes.len() as u64,
        }
        .into());
    }
    Ok(bytes)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(HubError::io(parent))?;
    }
    let mut file = File::create_new(path).map_err(HubError::io(path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(HubError::io(path))
}

fn sync_folder(folder: &Path) -> Result<(), HubError> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(HubError::io(folder))
}
