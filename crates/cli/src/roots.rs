//! The user's own trust roots, and those of a data directory: where they lie, and how they are read and written.
//!
//! Trust: whoever can write the roots file decides whom this user believes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use proofmark_tlog::VerifierKey;
use proofmark_verify::Roots;

use crate::ambient::user_roots_path;
use crate::error::CommandError;
use crate::files;

/// Roots of an operator are small; this bounds what a stranger's file can make us hold.
pub(crate) const ROOTS_MAX_BYTES: usize = 1024 * 1024;
/// The node's own roots in its data directory.
pub(crate) const NODE_ROOTS_FILE: &str = "root.toml";

/// Roots and where they came from.
#[derive(Debug, Clone)]
pub(crate) struct RootsFile {
    pub(crate) roots: Roots,
    pub(crate) path: PathBuf,
}

/// Reads a roots file that must be there.
pub(crate) fn read(path: &Path) -> Result<RootsFile, CommandError> {
    let text = files::read_text(path, ROOTS_MAX_BYTES)?;
    let roots = Roots::from_toml(&text).map_err(|error| {
        CommandError::usage(format!("{} is not a usable roots file", path.display())).because(error)
    })?;
    Ok(RootsFile {
        roots,
        path: path.to_owned(),
    })
}

/// The roots to verify with: `--roots FILE`, `--data DIR` or the user's own; nobody is believed if there is no file.
pub(crate) fn load(file: Option<&Path>, data: Option<&Path>) -> Result<RootsFile, CommandError> {
    match (file, data) {
        (Some(file), _) => read(file),
        (None, Some(data)) => read(&data.join(NODE_ROOTS_FILE)).map_err(|error| {
            error.hint("the node writes it on its first start: proofmark serve --data DIR")
        }),
        (None, None) => user_roots(),
    }
}

/// The user's own roots.
pub(crate) fn user_roots() -> Result<RootsFile, CommandError> {
    let path = user_path()?;
    if path.exists() {
        read(&path)
    } else {
        Ok(RootsFile {
            roots: Roots::default(),
            path,
        })
    }
}

fn user_path() -> Result<PathBuf, CommandError> {
    user_roots_path().ok_or_else(|| {
        CommandError::usage(
            "there is no place for your trust roots: neither HOME nor XDG_CONFIG_HOME is set",
        )
        .hint("name the file: PROOFMARK_ROOTS=FILE, or --roots FILE")
    })
}

/// Changes the user's own roots; two commands at the same time do not lose each other's change.
pub(crate) fn change_user_roots<T>(
    change: impl FnOnce(&mut Roots) -> Result<T, CommandError>,
) -> Result<(T, PathBuf), CommandError> {
    let path = user_path()?;
    let _lock = lock(&path).map_err(|error| CommandError::file("lock", &path, error))?;
    let mut file = user_roots()?;
    let changed = change(&mut file.roots)?;
    let text = format!(
        "# Whom `proofmark verify` believes. Written by `proofmark trust`; see specs/01-receipt.md section 11.\n\n{}",
        file.roots.to_toml()
    );
    files::replace(&path, text.as_bytes(), 0o644)?;
    Ok((changed, path))
}

fn lock(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.with_file_name(name))?;
    file.lock()?;
    Ok(file)
}

/// A fingerprint for people to compare: 64 hexadecimal digits in groups of eight.
pub(crate) fn group(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    digits
        .chunks(8)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Fingerprint of a verifier key: SHA-256 over its name, type and key.
pub(crate) fn vkey_fingerprint(vkey: &str) -> Option<String> {
    let key = VerifierKey::parse(vkey).ok()?;
    Some(
        key.fingerprint()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}
