//! `freeze`: formats are for ever, so their bytes are pinned.
//!
//! `specs/formats.toml` says which files make up a format and whether it is a draft or frozen;
//! `specs/formats.lock` holds the SHA-256 of each of these files. A frozen format may gain vectors
//! and otherwise never changes; a draft may change, and the change is shown. A file under `specs/`
//! or `vectors/` that belongs to no format is an error: nothing normative goes unpinned.

mod lock;
mod manifest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Findings, TaskError, files};
use lock::{Lock, Pinned};
use manifest::{Format, Manifest, Status};

const MANIFEST: &str = "specs/formats.toml";
const LOCK: &str = "specs/formats.lock";
const FOLDERS: [&str; 2] = ["specs", "vectors"];

/// Compares; writes nothing.
pub(crate) fn check(root: &Path) -> Result<Findings, TaskError> {
    let state = State::read(root)?;
    let mut findings = state.findings();
    for (format, drift) in state.drifts() {
        let shown = drift.to_string();
        if drift.is_empty() {
            continue;
        }
        if format.status == Status::Frozen {
            findings
                .problems
                .push(format!("{} is frozen, and {shown}", format.name));
        } else {
            findings
                .notes
                .push(format!("{} is a draft, and {shown}", format.name));
        }
    }
    Ok(findings)
}

/// Writes the lock file, unless a frozen format would change by it.
pub(crate) fn accept(root: &Path) -> Result<Findings, TaskError> {
    let state = State::read(root)?;
    let mut findings = state.findings();
    for (format, drift) in state.drifts() {
        let was_frozen = state
            .lock
            .formats
            .get(&format.name)
            .is_some_and(|pinned| pinned.status == Status::Frozen);
        if was_frozen && !drift.only_adds_vectors() {
            findings.problems.push(format!(
                "{} is frozen, and {drift}: a new version needs a new name",
                format.name
            ));
        }
    }
    if findings.problems.is_empty() {
        let formats = state
            .manifest
            .formats
            .iter()
            .map(|format| {
                let pinned = Pinned {
                    status: format.status,
                    files: state.files_of(&format.name),
                };
                (format.name.clone(), pinned)
            })
            .collect();
        std::fs::write(root.join(LOCK), Lock { formats }.to_string())?;
    }
    Ok(findings)
}

/// All that a comparison needs.
struct State {
    manifest: Manifest,
    lock: Lock,
    /// Normative files: path -> (format, SHA-256 in hexadecimal digits).
    now: BTreeMap<String, (String, String)>,
    /// Files that belong to no format, or to two.
    misplaced: Vec<String>,
}

impl State {
    fn read(root: &Path) -> Result<Self, TaskError> {
        let text = std::fs::read_to_string(root.join(MANIFEST))
            .map_err(|error| format!("{MANIFEST}: {error}"))?;
        let manifest = Manifest::parse(&text)?;
        let lock = match files::read_text(root, LOCK)? {
            Some(text) => Lock::parse(&text)?,
            None => Lock::default(),
        };
        let mut now = BTreeMap::new();
        let mut misplaced = Vec::new();
        for folder in FOLDERS {
            for path in files::walk(root, folder)? {
                if path == MANIFEST || path == LOCK || manifest.is_informative(&path) {
                    continue;
                }
                let owners: Vec<&Format> = manifest
                    .formats
                    .iter()
                    .filter(|format| format.covers(&path))
                    .collect();
                match owners.as_slice() {
                    [owner] => {
                        let digest = sha256_hex(&std::fs::read(root.join(&path))?);
                        now.insert(path, (owner.name.clone(), digest));
                    }
                    [] => misplaced.push(format!(
                        "{path} belongs to no format: name it in {MANIFEST}"
                    )),
                    [first, second, ..] => misplaced.push(format!(
                        "{path} belongs to {} and to {}",
                        first.name, second.name
                    )),
                }
            }
        }
        Ok(Self {
            manifest,
            lock,
            now,
            misplaced,
        })
    }

    fn files_of(&self, format: &str) -> BTreeMap<String, String> {
        self.now
            .iter()
            .filter(|(_, (owner, _))| owner == format)
            .map(|(path, (_, digest))| (path.clone(), digest.clone()))
            .collect()
    }

    fn drifts(&self) -> impl Iterator<Item = (&Format, Drift)> {
        self.manifest.formats.iter().map(|format| {
            let now = self.files_of(&format.name);
            let pinned = self.lock.formats.get(&format.name);
            let before = pinned.map(|pinned| &pinned.files);
            (format, Drift::between(before, &now))
        })
    }

    /// What is wrong whatever the digests say.
    fn findings(&self) -> Findings {
        let mut problems = self.misplaced.clone();
        let mut notes = Vec::new();
        for format in &self.manifest.formats {
            for pattern in format.patterns_without_files(self.now.keys()) {
                let empty = format!("{}: nothing matches {pattern}", format.name);
                match format.status {
                    Status::Frozen => problems.push(empty),
                    Status::Draft => notes.push(empty),
                }
            }
        }
        let named: BTreeSet<&String> = self.manifest.formats.iter().map(|f| &f.name).collect();
        for (name, pinned) in &self.lock.formats {
            if pinned.status != Status::Frozen {
                continue;
            }
            let status = self.manifest.formats.iter().find(|f| &f.name == name);
            if !named.contains(name) {
                problems.push(format!("{name} was frozen, and {MANIFEST} has lost it"));
            } else if status.is_some_and(|format| format.status == Status::Draft) {
                problems.push(format!(
                    "{name} was frozen, and {MANIFEST} calls it a draft"
                ));
            }
        }
        let frozen = self
            .manifest
            .formats
            .iter()
            .filter(|format| format.status == Status::Frozen)
            .count();
        Findings {
            problems,
            notes,
            summary: format!(
                "{} formats ({frozen} frozen), {} files",
                self.manifest.formats.len(),
                self.now.len()
            ),
        }
    }
}

/// What happened to a format's files since they were recorded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drift {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl Drift {
    fn between(before: Option<&BTreeMap<String, String>>, now: &BTreeMap<String, String>) -> Self {
        let empty = BTreeMap::new();
        let before = before.unwrap_or(&empty);
        let mut drift = Self::default();
        for (path, digest) in now {
            match before.get(path) {
                None => drift.added.push(path.clone()),
                Some(old) if old != digest => drift.changed.push(path.clone()),
                Some(_) => {}
            }
        }
        drift.removed = before
            .keys()
            .filter(|path| !now.contains_key(*path))
            .cloned()
            .collect();
        drift
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// More vectors pin a format harder and change nothing of it.
    fn only_adds_vectors(&self) -> bool {
        self.changed.is_empty()
            && self.removed.is_empty()
            && self.added.iter().all(|path| path.starts_with("vectors/"))
    }
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("changed", &self.changed),
            ("was removed", &self.removed),
            ("was added", &self.added),
        ];
        let mut first = true;
        for (what, paths) in parts {
            let Some(path) = paths.first() else { continue };
            if !first {
                f.write_str("; ")?;
            }
            first = false;
            write!(f, "{path} {what}")?;
            if paths.len() > 1 {
                write!(f, " (and {} more)", paths.len() - 1)?;
            }
        }
        Ok(())
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
