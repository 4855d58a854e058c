//! What can go wrong with the state database.

use proofmark_tlog::ErrorKind;

/// Why the state could not be read or stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The database failed: disk full, I/O error, damaged file.
    #[error("state database: {source}")]
    Database {
        /// What the database said.
        source: Box<redb::Error>,
    },
    /// A row is missing or malformed. The file was damaged or is of another program.
    #[error("row {row:?} of the state database is missing or malformed")]
    Row {
        /// Name of the row.
        row: &'static str,
    },
    /// The stored checkpoint is not the one that the new one was to replace: somebody else writes to this database.
    #[error("the stored checkpoint is not the one that was to be replaced")]
    Conflict,
}

impl StateError {
    /// Stable code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database { .. } => "log.state.io",
            Self::Row { .. } => "log.state.malformed",
            Self::Conflict => "log.state.conflict",
        }
    }

    /// Whether the database is bad, refused, or could not be had.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Database { .. } => ErrorKind::Unavailable,
            Self::Row { .. } => ErrorKind::Malformed,
            Self::Conflict => ErrorKind::Rejected,
        }
    }
}

macro_rules! from_database {
    ($($error:ty),*) => {$(
        impl From<$error> for StateError {
            fn from(error: $error) -> Self {
                Self::Database { source: Box::new(error.into()) }
            }
        }
    )*};
}

from_database!(
    redb::Error,
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);
