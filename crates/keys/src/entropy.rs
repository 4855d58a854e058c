//! Where secret bytes come from: the operating system, or a seed in tests.

use crate::KeysError;

/// A source of secret random bytes.
pub trait Entropy {
    /// Fills `buffer`.
    ///
    /// # Errors
    /// [`KeysError::Entropy`] if the source has none; nothing is to be made of a buffer that was not filled.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), KeysError>;
}

/// The operating system's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), KeysError> {
        getrandom::fill(buffer).map_err(|source| KeysError::Entropy { source })
    }
}
