//! Why the store could not do what was asked.

use std::path::{Path, PathBuf};

use proofmark_program::ProgramError;

/// Whose problem an error is: the kinds that no tool may fold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A name or a file is not of its form.
    Malformed,
    /// A file is not the one that the manifest names.
    Rejected,
    /// It is not there, or the disk does not give it.
    Unavailable,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Names have 1 to 64 letters, digits, dots, underscores and hyphens, and begin with a letter or a digit.
    #[error("{got:?} is not a name of a model")]
    Name {
        /// What was given.
        got: String,
    },
    /// No model has this name or digest.
    #[error("there is no model {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// Several digests begin so.
    #[error("several models begin with {what}")]
    Ambiguous {
        /// What was asked for.
        what: String,
    },
    /// A name belongs to another model already.
    #[error("the name {name} belongs to {digest}")]
    NameTaken {
        /// The name.
        name: String,
        /// The model that has it.
        digest: String,
    },
    /// A file is in the model's folder that the manifest does not name, or is no regular file.
    #[error("{path} does not belong to the model")]
    Stray {
        /// Path in the folder.
        path: String,
    },
    /// The model is not what its digest says.
    #[error("the model is not the one that its digest names")]
    Model(#[from] ProgramError),
    /// The disk.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl HubError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "model.name",
            Self::NotFound { .. } => "model.not-found",
            Self::Ambiguous { .. } => "model.ambiguous",
            Self::NameTaken { .. } => "model.name-taken",
            Self::Stray { .. } => "model.stray-file",
            Self::Model(error) => error.code(),
            Self::Io { .. } => "model.unreadable",
        }
    }

    /// Whose problem it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Name { .. } | Self::Ambiguous { .. } | Self::NameTaken { .. } => {
                ErrorKind::Malformed
            }
            Self::Stray { .. } => ErrorKind::Rejected,
            Self::Model(error) => match error.kind() {
                proofmark_program::ErrorKind::Malformed => ErrorKind::Malformed,
                proofmark_program::ErrorKind::Rejected => ErrorKind::Rejected,
                proofmark_program::ErrorKind::Unavailable => ErrorKind::Unavailable,
            },
            Self::NotFound { .. } | Self::Io { .. } => ErrorKind::Unavailable,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
