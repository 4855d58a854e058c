//! Errors of this crate: those of `proofmark-import`, made in one place.

pub(crate) use proofmark_import::ImportError;

use crate::graph::Place;

/// Result of this crate.
pub(crate) type Result<T> = std::result::Result<T, ImportError>;

/// The file is broken, or contradicts itself.
pub(crate) fn malformed(what: impl Into<String>) -> ImportError {
    ImportError::malformed("ONNX", what, "the model")
}

/// A size is beyond what is read. Nothing was allocated for it.
pub(crate) fn too_large(
    what: &'static str,
    at: impl Into<String>,
    got: u64,
    limit: u64,
) -> ImportError {
    ImportError::TooLarge {
        what,
        at: at.into(),
        got,
        limit,
    }
}

/// A valid model, with an operator or a use of it that exact programs do not have.
pub(crate) fn unsupported(place: &Place, reason: &str) -> ImportError {
    ImportError::unsupported(
        format!("operator {}: {reason}", place.operator),
        format!("node {}", place.node),
    )
}

/// A valid model, with something that is not imported.
pub(crate) fn refused(what: impl Into<String>, at: impl Into<String>) -> ImportError {
    ImportError::unsupported(what, at)
}
