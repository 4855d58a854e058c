//! The hook through which witnesses cosign a checkpoint before it is published.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use proofmark_tlog::{Hash, NoteSignature, VerifiedCheckpoint, VerifierKey};

use crate::{error::LogError, storage::Storage, tiles};

/// A cosignature and the witness key that it is by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessCosignature {
    /// Key of the witness, from configuration.
    pub witness: VerifierKey,
    /// The signature line. The log verifies it before it publishes it.
    pub signature: NoteSignature,
}

/// Gives the consistency proofs that witnesses ask for.
#[derive(Debug, Clone)]
pub struct ConsistencySource {
    size: u64,
    storage: Arc<dyn Storage>,
}

impl ConsistencySource {
    pub(crate) fn new(size: u64, storage: Arc<dyn Storage>) -> Self {
        Self { size, storage }
    }

    /// Size of the checkpoint that is to be cosigned: where the proofs lead to.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Proof that the tree extends its first `old_size` leaves. Reads a few tiles; empty for 0 and for the same size.
    pub fn consistency_proof(&self, old_size: u64) -> Result<Vec<Hash>, LogError> {
        tiles::consistency_proof(old_size, self.size, &*self.storage)
    }
}

/// A future that the log drives on its own single-threaded runtime (time and I/O enabled).
pub type CosignFuture<'a> = Pin<Box<dyn Future<Output = Vec<WitnessCosignature>> + Send + 'a>>;

/// Collects cosignatures. Implemented by the witness client.
///
/// Trust: none; the log checks each cosignature against the witness key that comes with it.
pub trait CheckpointCosigner: fmt::Debug + Send + Sync {
    /// Number of cosignatures that make a checkpoint complete. With fewer the log publishes it and asks again later.
    fn witnesses(&self) -> usize;

    /// Asks the witnesses to cosign. It bounds its own time: publishing waits for it.
    fn cosign<'a>(
        &'a self,
        checkpoint: &'a VerifiedCheckpoint,
        proofs: &'a ConsistencySource,
    ) -> CosignFuture<'a>;
}
