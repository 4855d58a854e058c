//! Why a model was not imported, and whose fault that is.

use std::path::{Path, PathBuf};

/// Whose problem an error is: the kinds that no tool may fold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The source's bytes are not of its format.
    Malformed,
    /// The source was read, and is not something that becomes an exact program.
    Rejected,
    /// The source or the destination could not be read or written, or something else is missing.
    Unavailable,
}

/// Why a model was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes are damaged, or were written by something that does not follow the format.
    #[error("malformed {format}: {what} at {at}")]
    Malformed {
        /// Such as `GGUF`, `safetensors`, `config.json`, `ONNX`.
        format: &'static str,
        /// What is wrong.
        what: String,
        /// Where: a tensor, a key, a node, a byte.
        at: String,
    },
    /// A length or a count is beyond what is read: an attack, or a model that is too large for this version.
    #[error("{what} of {at}: {got}, more than the allowed {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// Where.
        at: String,
        /// The number found.
        got: u64,
        /// The bound.
        limit: u64,
    },
    /// The model uses something that has no exact form here: an operator, an architecture or a setting, named with its place.
    #[error("{what} is not supported ({at})")]
    Unsupported {
        /// Operator, architecture or setting.
        what: String,
        /// Where it stands.
        at: String,
    },
    /// A tensor or a file that the model needs is not there.
    #[error("{what} is missing ({at})")]
    Missing {
        /// What.
        what: String,
        /// Where it was looked for.
        at: String,
    },
    /// Weights that are not finite, or scales with which no program passes the checks.
    #[error("{at} cannot be quantized: {why}")]
    Quantization {
        /// Tensor or node.
        at: String,
        /// Why.
        why: String,
    },
    /// The program that was made is refused by the checker: a fault of this importer.
    #[error("the exact program is not accepted")]
    Program(#[from] proofmark_program::ProgramError),
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl ImportError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "import.malformed",
            Self::TooLarge { .. } => "import.too-large",
            Self::Unsupported { .. } => "import.unsupported",
            Self::Missing { .. } => "import.missing",
            Self::Quantization { .. } => "import.quantization",
            Self::Io { .. } => "import.unreadable",
            Self::Program(error) => error.code(),
        }
    }

    /// Whose problem it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed { .. } | Self::TooLarge { .. } => ErrorKind::Malformed,
            Self::Unsupported { .. } | Self::Quantization { .. } | Self::Program(_) => {
                ErrorKind::Rejected
            }
            Self::Missing { .. } | Self::Io { .. } => ErrorKind::Unavailable,
        }
    }

    /// The bytes are not of their format.
    pub fn malformed(format: &'static str, what: impl Into<String>, at: impl Into<String>) -> Self {
        Self::Malformed {
            format,
            what: what.into(),
            at: at.into(),
        }
    }

    /// Something has no exact form here.
    pub fn unsupported(what: impl Into<String>, at: impl Into<String>) -> Self {
        Self::Unsupported {
            what: what.into(),
            at: at.into(),
        }
    }

    /// Something that is needed is not there.
    pub fn missing(what: impl Into<String>, at: impl Into<String>) -> Self {
        Self::Missing {
            what: what.into(),
            at: at.into(),
        }
    }

    /// No scales fit.
    pub fn quantization(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Quantization {
            at: at.into(),
            why: why.into(),
        }
    }

    /// A file could not be read or written.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
