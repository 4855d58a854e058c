//! GGUF files, versions 2 and 3.

use std::path::Path;

use crate::ImportError;
use crate::source::FloatModel;

/// Opens a GGUF file.
///
/// # Errors
/// It is malformed or says something that is not supported.
pub fn open_gguf(path: &Path) -> Result<FloatModel, ImportError> {
    Err(ImportError::unsupported("GGUF", path.display().to_string()))
}
