//! The registry log, as bundles need it.

use std::sync::{Arc, Mutex, PoisonError};

use proofmark_log::{Log, LogError, RecordKey};
use proofmark_receipt::{RegistryKind, RegistryLeaf, Snapshot, StatementDigest};

/// Most leaves of a snapshot: what its format carries.
const MAX_LEAVES: u64 = 65_536;

/// A key statement with the proof that it is in the registry log.
pub(super) struct ProvenStatement {
    /// The signed statement.
    pub(super) statement: Vec<u8>,
    /// tlog-proof of its leaf; `None` while it is pending.
    pub(super) proof: Option<Vec<u8>>,
}

/// A registry log that has grown beyond what one snapshot carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the registry log has {size} leaves, more than a snapshot carries")]
pub(super) struct TooLarge {
    size: u64,
}

/// Leaves of published statements; there are few, and they never change.
pub(super) struct Registry {
    log: Log,
    leaves: Mutex<Arc<Vec<Vec<u8>>>>,
}

impl Registry {
    pub(super) fn new(log: Log) -> Self {
        Self {
            log,
            leaves: Mutex::default(),
        }
    }

    /// All leaves of the published checkpoint, with it; `None` before there is one.
    pub(super) async fn snapshot(&self) -> Result<Option<Result<Snapshot, TooLarge>>, LogError> {
        let Some(published) = self.log.published() else {
            return Ok(None);
        };
        let size = published.size;
        if size > MAX_LEAVES {
            return Ok(Some(Err(TooLarge { size })));
        }
        let leaves = self.leaves(size).await?;
        let leaves = leaves
            .iter()
            .take(usize::try_from(size).unwrap_or(usize::MAX))
            .cloned()
            .collect();
        let checkpoint = published.note.clone().into_bytes();
        Ok(Some(Ok(Snapshot { checkpoint, leaves })))
    }

    /// At least the first `size` leaves.
    async fn leaves(&self, size: u64) -> Result<Arc<Vec<Vec<u8>>>, LogError> {
        let known = Arc::clone(&self.leaves.lock().unwrap_or_else(PoisonError::into_inner));
        let have = known.len() as u64;
        if have >= size {
            return Ok(known);
        }
        let more = self.log.entries(have..size).await?;
        let mut leaves = known.as_ref().clone();
        leaves.extend(more.into_iter().map(Vec::from));
        let leaves = Arc::new(leaves);
        *self.leaves.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&leaves);
        Ok(leaves)
    }

    /// The key statement with this digest; `None` if the log does not have it.
    pub(super) async fn statement(
        &self,
        digest: &StatementDigest,
    ) -> Result<Option<ProvenStatement>, LogError> {
        let mut key = [0_u8; 16];
        key.iter_mut()
            .zip(digest.as_bytes())
            .for_each(|(to, from)| *to = *from);
        let Some(record) = self.log.record_by_key(RecordKey::from_bytes(key)).await? else {
            return Ok(None);
        };
        let leaf = RegistryLeaf::decode(&record.entry)
            .ok()
            .filter(|leaf| leaf.kind == RegistryKind::KeyStatement);
        let Some(leaf) = leaf.filter(|leaf| StatementDigest::of(&leaf.statement) == *digest) else {
            return Ok(None);
        };
        let proof = self.log.proof(record.index).await?.map(String::into_bytes);
        Ok(Some(ProvenStatement {
            statement: leaf.statement,
            proof,
        }))
    }

    /// The newest key statement of the published checkpoint.
    pub(super) async fn newest_statement(&self) -> Result<Option<Vec<u8>>, LogError> {
        let size = self
            .log
            .published()
            .map_or(0, |published| published.size.min(MAX_LEAVES));
        let leaves = self.leaves(size).await?;
        let mut statements = leaves
            .iter()
            .rev()
            .filter_map(|leaf| RegistryLeaf::decode(leaf).ok());
        let newest = statements.find(|leaf| leaf.kind == RegistryKind::KeyStatement);
        Ok(newest.map(|leaf| leaf.statement))
    }
}
