//! What can be wrong with the files of API keys.

use std::io;
use std::path::PathBuf;

/// Why a key file cannot be read, or a key not be made or revoked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A file cannot be read or written: permissions, or the disk.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not the TOML that this program writes: edited by hand, or of a later version.
    #[error("{} is not a list of API keys: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// Written by a later version.
    #[error("{} has version {got}, this program reads version {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that is read.
        expected: u32,
        /// The version found.
        got: u32,
    },
    /// One record has a member that it cannot have, or two records share what must be unique.
    #[error("{}: key {id:?}: {what}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The record's id as it stands there.
        id: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Others than its owner can write it, so that they decide who may ask: `chmod 600` it.
    #[error("{} can be written by others (mode {mode:o}); run chmod 600 on it", path.display())]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// More keys than one file may have.
    #[error("more than {limit} keys; remove revoked ones from the file")]
    TooManyKeys {
        /// The limit.
        limit: usize,
    },
    /// The new key's name, limit or expiry is not one that a key can have.
    #[error("the new key {what}")]
    NewKey {
        /// What is wrong.
        what: &'static str,
    },
    /// A live key has this name already.
    #[error("there is a key named {name:?} already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No key has this id or name.
    #[error("no key has the id or name {wanted:?}")]
    UnknownKey {
        /// The id or name.
        wanted: String,
    },
    /// The operating system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}
