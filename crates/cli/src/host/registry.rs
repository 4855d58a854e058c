//! Statements into the registry log, and back out of it where the history on the disk was lost.

use std::path::Path;

use proofmark_keys::KeyStore;
use proofmark_log::{Durability, Log, LogError, Record, RecordKey};

use crate::data::log_public_dir;
use crate::error::CommandError;
use crate::log_files::LogFiles;

/// Appends every statement that is not in the log yet, and waits until a published checkpoint covers all of them.
pub(crate) async fn publish(keys: &KeyStore, registry: &Log) -> Result<(), LogError> {
    let mut last = None;
    for record in keys.registry_records() {
        let record = Record {
            key: RecordKey::from_bytes(record.key),
            entry: record.leaf.into(),
            ..Record::default()
        };
        last = Some(registry.append(record, Durability::Durable).await?.index);
    }
    if let Some(index) = last {
        registry.wait_integrated(index).await?;
    }
    Ok(())
}

/// The leaves of the registry log in `data`, as they stand there; whoever uses them verifies each statement.
pub(super) fn read_leaves(data: &Path) -> Result<Vec<Vec<u8>>, CommandError> {
    let files = LogFiles::in_directory(log_public_dir(data, "registry"));
    let (_, _, checkpoint) = files.checkpoint()?;
    files.all_entries(checkpoint.size)
}
