//! A decoder, compiled, for whoever wants the logits of all rows: to compare programs, not to generate.

use proofmark_kernels::{Isa, Pool};
use proofmark_program::CheckedProgram;

use super::Decoder;
use crate::error::{ModelError, RequestError};

/// A decoder that reads sequences one after another.
pub struct LogitsRunner {
    decoder: Decoder,
    pool: Pool,
}

impl core::fmt::Debug for LogitsRunner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LogitsRunner")
            .field("decoder", &self.decoder)
            .finish_non_exhaustive()
    }
}

impl LogitsRunner {
    /// Compiles a checked decoder; the weights may be dropped afterwards.
    ///
    /// # Errors
    /// [`ModelError`] for a tensor program, or a node that this engine cannot run.
    pub fn new<B: AsRef<[u8]>>(
        program: &CheckedProgram<B>,
        isa: Isa,
        threads: usize,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            decoder: Decoder::new(program, isa)?,
            pool: Pool::new(threads.max(1)),
        })
    }

    /// Logits of all rows, `[ids, vocabulary]`, in units of 2^−16.
    ///
    /// # Errors
    /// [`RequestError`] if the ids are none, too many, or not of the vocabulary.
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<i32>, RequestError> {
        let (vocabulary, positions) = (self.decoder.vocabulary(), self.decoder.max_positions());
        if ids.is_empty() {
            return Err(RequestError::EmptyPrompt);
        }
        if ids.len() > positions {
            return Err(RequestError::ContextTooLong {
                prompt: ids.len() as u64,
                max_tokens: 0,
                positions: positions as u64,
            });
        }
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(RequestError::TokenId {
                id,
                vocabulary: u32::try_from(vocabulary).unwrap_or(u32::MAX),
            });
        }
        Ok(self.decoder.all_logits(&self.pool, ids))
    }
}
