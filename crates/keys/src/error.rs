//! What can go wrong with keys, each with what to do about it.

use std::io;
use std::path::PathBuf;

use proofmark_receipt::{KeyId, ReceiptError};

use crate::key_file::KeyFileError;

/// Why keys could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A key that others can read is no secret: it is not loaded.
    #[error("{} can be reached by other users (mode {mode:04o}, at most {allowed:04o} is allowed)", path.display())]
    TooOpen {
        /// File or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits that it may have.
        allowed: u32,
    },
    /// A key file that is damaged, or that is not one.
    #[error("{} is not a usable key file", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyFileError,
    },
    /// A statement in the history that is damaged, or not this operator's.
    #[error("{} is not a statement of this operator", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReceiptError,
    },
    /// The files of the history are not numbered 1, 2, 3 …: one was removed.
    #[error("the history of statements has no {}", path.display())]
    HistoryGap {
        /// The file that is missing.
        path: PathBuf,
    },
    /// There are keys and no statements: the directory was removed, or restored without it.
    #[error("the history of statements in {} is missing", path.display())]
    HistoryMissing {
        /// The directory.
        path: PathBuf,
    },
    /// The history of the registry log belongs to somebody else, or does not begin with an operator statement.
    #[error("the registry does not begin with the statement of an operator")]
    HistoryForeign,
    /// A name that cannot be part of a log's origin.
    #[error(
        "{given:?} cannot be a name: use 1 to 64 letters, digits, dots, dashes, underscores and inner slashes"
    )]
    Name {
        /// The name as given.
        given: String,
    },
    /// The keys belong to an operator of another name. A name is part of the logs' identity and never changes.
    #[error("these keys belong to the operator {expected:?}, and the configuration says {got:?}")]
    OperatorName {
        /// The name in the operator statement.
        expected: String,
        /// The name that was asked for.
        got: String,
    },
    /// The operator key was moved away, and something has to be signed with it.
    #[error("the operator key {kid} is not on this machine")]
    OperatorKeyAway {
        /// The key that is needed.
        kid: KeyId,
    },
    /// A key was given as the operator key that is not.
    #[error("the operator key is {expected}, and the file holds {got}")]
    OperatorKeyForeign {
        /// The operator's key.
        expected: KeyId,
        /// The key in the file.
        got: KeyId,
    },
    /// The key that the current statement endorses is not there.
    #[error("the node key {kid} of the current key statement is missing")]
    NodeKeyMissing {
        /// The key.
        kid: KeyId,
    },
    /// A log key is missing although key statements name it. A new one would be another log.
    #[error("the log key {} is missing, and key statements already name it", path.display())]
    LogKeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// The node key was revoked: nothing may be signed with it.
    #[error("the node key {kid} is revoked since {since} (Unix seconds)")]
    NodeKeyRevoked {
        /// The key.
        kid: KeyId,
        /// Since when, Unix seconds.
        since: u64,
    },
    /// No key statement was issued yet.
    #[error("there is no key statement yet")]
    NoStatement,
    /// The key statement is not valid now, and the operator key for a new one is not there.
    #[error(
        "the key statement is valid from {not_before} to {not_after}, and the clock says {now} (Unix seconds)"
    )]
    StatementNotValid {
        /// Its first second.
        not_before: u64,
        /// Its last second.
        not_after: u64,
        /// The time now.
        now: u64,
    },
    /// Revocation of a key that no statement of this operator endorsed.
    #[error("no key statement of this operator endorses the key {kid}")]
    UnknownKey {
        /// The key.
        kid: KeyId,
    },
    /// The key statement could not be signed.
    #[error("the statement could not be made")]
    Statement(#[source] ReceiptError),
    /// The system has no random bytes.
    #[error("the operating system gave no random bytes")]
    Entropy {
        /// The system's reason.
        source: getrandom::Error,
    },
}

impl KeysError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "keys.io",
            Self::TooOpen { .. } => "keys.permissions",
            Self::KeyFile { .. } => "keys.file-damaged",
            Self::History { .. } | Self::HistoryGap { .. } | Self::HistoryForeign => {
                "keys.history-damaged"
            }
            Self::HistoryMissing { .. } => "keys.history-missing",
            Self::Name { .. } => "keys.name",
            Self::OperatorName { .. } => "keys.operator-name",
            Self::OperatorKeyAway { .. } => "keys.operator-key-away",
            Self::OperatorKeyForeign { .. } => "keys.operator-key-foreign",
            Self::NodeKeyMissing { .. } => "keys.node-key-missing",
            Self::LogKeyMissing { .. } => "keys.log-key-missing",
            Self::NodeKeyRevoked { .. } => "keys.node-key-revoked",
            Self::NoStatement => "keys.no-statement",
            Self::StatementNotValid { .. } => "keys.statement-not-valid",
            Self::UnknownKey { .. } => "keys.unknown-key",
            Self::Statement(_) => "keys.statement",
            Self::Entropy { .. } => "keys.entropy",
        }
    }

    /// What to do about it, for people.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooOpen { path, allowed, .. } => {
                format!("run: chmod {allowed:o} {}", path.display())
            }
            Self::KeyFile { .. } => "restore the file from a backup; a key cannot be computed from anything else".into(),
            Self::History { .. } | Self::HistoryGap { .. } => {
                "remove the directory `statements`: it is rebuilt from the registry log".into()
            }
            Self::HistoryMissing { .. } => {
                "start `proofmark serve`: it is rebuilt from the registry log".into()
            }
            Self::OperatorName { expected, .. } => {
                format!("set the operator's name to {expected:?}, or use another data directory")
            }
            Self::OperatorKeyAway { .. } => {
                "give its file with --operator-key FILE, from a medium that you take away again".into()
            }
            Self::NodeKeyMissing { .. } | Self::NodeKeyRevoked { .. } => {
                "make a new node key: proofmark key node rotate".into()
            }
            Self::StatementNotValid { now, not_before, .. } if now < not_before => {
                "check this machine's clock; if it is right: proofmark key node rotate --operator-key FILE".into()
            }
            Self::StatementNotValid { .. } => {
                "issue a new one: proofmark key node rotate --operator-key FILE".into()
            }
            Self::LogKeyMissing { .. } => {
                "restore the file from a backup; a log without its key can only be read".into()
            }
            _ => return None,
        })
    }
}
