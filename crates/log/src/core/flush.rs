//! Making tiles durable, apart from publishing: until then the journal vouches for them.

use crate::{
    core::{Core, Integrator},
    error::LogError,
    storage::ObjectName,
    tiles::Edge,
};

/// Tiles to be made durable, and the edge of the tree that they belong to.
#[derive(Debug)]
pub(crate) struct FlushJob {
    edge: Edge,
    objects: Vec<ObjectName>,
}

impl FlushJob {
    /// Number of leaves that the job covers.
    pub(crate) fn size(&self) -> u64 {
        self.edge.frontier().size()
    }
}

impl Integrator {
    /// Everything that is to be flushed, if the tree has grown since the last flush.
    pub(crate) fn take_flush(&mut self) -> Option<FlushJob> {
        (self.tree.size() > self.core.progress.borrow().flushed).then(|| FlushJob {
            edge: self.tree.edge.clone(),
            objects: std::mem::take(&mut self.tree.unsynced),
        })
    }

    /// Takes back what a flush could not be started for.
    pub(crate) fn put_back(&mut self, mut job: FlushJob) {
        job.objects.append(&mut self.tree.unsynced);
        self.tree.unsynced = job.objects;
    }
}

impl Core {
    /// Makes tiles durable and remembers from where on they have to be written anew. May be tried again.
    pub(crate) fn flush(&self, job: &FlushJob) -> Result<(), LogError> {
        self.storage.sync(&job.objects)?;
        self.state.set_edge(&job.edge.encode()?)?;
        self.progress
            .send_modify(|progress| progress.flushed = job.size());
        Ok(())
    }

    /// Asks for a flush of what is integrated now. Returns the number of leaves that it has to cover.
    pub(crate) fn request_flush(&self) -> Result<u64, LogError> {
        let mut queue = self.queue();
        queue.check_open()?;
        let integrated = queue.integrated;
        if integrated > self.progress.borrow().flushed {
            queue.flush_wanted = true;
        }
        drop(queue);
        self.to_integrate.notify_all();
        Ok(integrated)
    }
}
