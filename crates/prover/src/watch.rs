//! Progress and cancellation.

use crate::ProverError;

/// Somebody who waits for a proof.
pub trait Watch: Sync {
    /// Called before each step of a proof, `done` of which are done; an error ends the proof.
    ///
    /// # Errors
    /// [`ProverError::Cancelled`] if the proof is no longer wanted.
    fn step(&self, done: usize, steps: usize) -> Result<(), ProverError>;
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Watch for Nobody {
    fn step(&self, _: usize, _: usize) -> Result<(), ProverError> {
        Ok(())
    }
}
