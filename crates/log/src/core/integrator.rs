//! The integrator's step: durable records become leaves, tiles, index entries and a signed checkpoint.

use std::sync::Arc;

use bytes::Bytes;
use proofmark_tlog::{Checkpoint, Hash, VerifiedCheckpoint, sign_checkpoint};

use crate::{
    core::Core,
    error::LogError,
    record::RecordKey,
    state::{NewLeaf, Step},
    storage::ObjectName,
    tiles::{Edge, Objects, is_full},
};

/// Leaves in one step.
const MAX_STEP_LEAVES: usize = 16_384;
/// Bytes of entries in one step. One entry may be larger.
const MAX_STEP_BYTES: usize = 8 * 1024 * 1024;

/// A durable record, as the tree and the index need it.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) key: RecordKey,
    pub(crate) hash: Hash,
    pub(crate) entry: Bytes,
    pub(crate) meta: Bytes,
    pub(crate) offset: u64,
}

/// Moves durable records into the tree.
#[derive(Debug)]
pub(crate) struct Integrator {
    pub(crate) core: Arc<Core>,
    pub(crate) tree: Tree,
}

/// The tree as it was last stored.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) edge: Edge,
    /// The signed checkpoint of it, without cosignatures.
    pub(crate) checkpoint: VerifiedCheckpoint,
    /// Size that the partial tiles were cleaned up for.
    pub(crate) cleaned_size: u64,
    /// Full tiles that were written and not given to a flush yet.
    pub(crate) unsynced: Vec<ObjectName>,
}

impl Tree {
    /// Number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.edge.frontier().size()
    }

    /// Appends leaves: tiles first, then index, frontier and checkpoint in one transaction.
    ///
    /// The tree stays as it is on an error. An error of the storage may be tried again: a step writes the same bytes each time.
    pub(crate) fn extend(&mut self, core: &Core, leaves: &[Leaf]) -> Result<(), LogError> {
        let old_size = self.size();
        let mut edge = self.edge.clone();
        let objects = edge.grow(leaves.iter().map(|leaf| (leaf.hash, leaf.entry.clone())))?;
        self.write(core, &objects)?;
        let checkpoint = Checkpoint {
            origin: core.origin.clone(),
            size: edge.frontier().size(),
            root: edge.frontier().root(),
        };
        let checkpoint = sign_checkpoint(&checkpoint, &core.signer)?;
        let index: Vec<NewLeaf<'_>> = (old_size..)
            .zip(leaves)
            .map(|(index, leaf)| NewLeaf {
                index,
                // Segments are shorter than 4 GiB.
                offset: u32::try_from(leaf.offset).unwrap_or(u32::MAX),
                key: leaf.key,
                meta: &leaf.meta,
            })
            .collect();
        core.state.commit(&Step {
            replaces: &self.checkpoint.to_bytes(),
            checkpoint: &checkpoint.to_bytes(),
            frontier: edge.frontier(),
            leaves: &index,
        })?;
        self.edge = edge;
        self.checkpoint = checkpoint;
        Ok(())
    }
}

impl Tree {
    /// Writes tiles, and notes which have to become durable.
    pub(crate) fn write(&mut self, core: &Core, objects: &Objects) -> Result<(), LogError> {
        core.storage.write(objects)?;
        self.unsynced.extend(
            objects
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| match name {
                    ObjectName::Tile(path) => is_full(path),
                    ObjectName::Checkpoint => false,
                }),
        );
        Ok(())
    }
}

/// Whether leaves of these sizes fill a step.
pub(crate) fn is_full_step(leaves: usize, bytes: usize) -> bool {
    leaves >= MAX_STEP_LEAVES || bytes >= MAX_STEP_BYTES
}

impl Integrator {
    /// Integrates what is durable when it is called. What becomes durable meanwhile may wait for the next call: under a steady load
    /// there is always more, and a checkpoint that waited for the end of it would come late.
    pub(crate) fn integrate_durable(&mut self) -> Result<(), LogError> {
        let durable = self.core.queue().durable;
        while self.tree.size() < durable && self.step()? > 0 {}
        Ok(())
    }

    /// Integrates what is durable, at most one step of it. Returns how many leaves that were.
    pub(crate) fn step(&mut self) -> Result<usize, LogError> {
        let leaves = self.durable_leaves();
        if leaves.is_empty() {
            return Ok(0);
        }
        self.tree.extend(&self.core, &leaves)?;
        self.core.queue().integrated(leaves.len());
        Ok(leaves.len())
    }

    fn durable_leaves(&self) -> Vec<Leaf> {
        let queue = self.core.queue();
        let durable = usize::try_from(queue.durable - queue.integrated).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut leaves = Vec::new();
        for pending in queue.pending.iter().take(durable) {
            if is_full_step(leaves.len(), bytes) {
                break;
            }
            bytes += pending.entry.len();
            leaves.push(Leaf {
                key: pending.key,
                hash: pending.leaf,
                entry: pending.entry.clone(),
                meta: pending.meta.clone(),
                offset: pending.offset,
            });
        }
        leaves
    }
}
