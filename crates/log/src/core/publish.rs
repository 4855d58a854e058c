//! Cosigning and publishing the checkpoint of the tree.

use std::sync::Arc;

use crate::{
    core::{Core, Integrator, integrator::Tree},
    cosign::{CheckpointCosigner, ConsistencySource},
    error::LogError,
    published::PublishedCheckpoint,
    storage::ObjectName,
    tiles::filled_between,
};

impl Integrator {
    /// Whether the tree has grown since the last publication, or nothing was published yet.
    pub(crate) fn is_unpublished(&self) -> bool {
        self.published()
            .is_none_or(|published| published.size != self.tree.size())
    }

    /// Number of cosignatures that are missing on the published checkpoint.
    pub(crate) fn missing_cosignatures(
        &self,
        cosigner: Option<&Arc<dyn CheckpointCosigner>>,
    ) -> usize {
        let wanted = cosigner.map_or(0, |cosigner| cosigner.witnesses());
        match self.published() {
            // Witnesses have nothing to say about an empty tree.
            Some(published) if published.size > 0 => wanted.saturating_sub(published.cosignatures),
            _ => 0,
        }
    }

    pub(crate) fn published(&self) -> Option<Arc<PublishedCheckpoint>> {
        self.core.published.borrow().clone()
    }

    /// Has the checkpoint cosigned, publishes it, and removes the partial tiles that full ones replaced.
    pub(crate) async fn publish(
        &mut self,
        cosigner: Option<&Arc<dyn CheckpointCosigner>>,
    ) -> Result<(), LogError> {
        let mut checkpoint = self.tree.checkpoint.clone();
        if let Some(cosigner) = cosigner.filter(|_| checkpoint.size() > 0) {
            let proofs = ConsistencySource::new(checkpoint.size(), Arc::clone(&self.core.storage));
            for cosignature in cosigner.cosign(&self.tree.checkpoint, &proofs).await {
                let witness = &cosignature.witness;
                if let Err(error) = checkpoint.add_cosignature(&cosignature.signature, witness) {
                    tracing::warn!(witness = %witness.name(), code = error.code(), "cosignature refused");
                }
            }
        }
        // A republication that got less than the one before is of no use.
        if let Some(published) = self.published()
            && published.size == checkpoint.size()
            && published.checkpoint.note().signatures().len() > checkpoint.note().signatures().len()
        {
            return Ok(());
        }
        let published = PublishedCheckpoint::new(checkpoint, self.core.clock.unix_ms());
        self.core
            .storage
            .write(&[(ObjectName::Checkpoint, published.note.clone().into_bytes())])?;
        self.core.published.send_replace(Some(Arc::new(published)));
        self.clean_up()
    }

    /// Removes partial tiles that full ones replaced. Readers of older checkpoints fall back to the full ones.
    fn clean_up(&mut self) -> Result<(), LogError> {
        self.tree.remove_outgrown(&self.core)
    }
}

impl Tree {
    /// Removes the partial tiles at the places of tiles that became full.
    pub(crate) fn remove_outgrown(&mut self, core: &Core) -> Result<(), LogError> {
        for path in filled_between(self.cleaned_size, self.size()) {
            core.storage.remove_partials(&path)?;
        }
        self.cleaned_size = self.size();
        Ok(())
    }
}
