//! Statements into the registry log, and back out of it where the history on the disk was lost.

use std::path::Path;

use proofmark_gateway::Config;
use proofmark_keys::KeyStore;
use proofmark_log::{Durability, Log, LogError, Record, RecordKey};
use proofmark_receipt::RegistryLeaf;
use sha2::{Digest as _, Sha256};

use crate::data::log_public_dir;
use crate::error::CommandError;
use crate::host::{Host, log_error};
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

/// Appends a statement to the registry log of a data directory that nobody serves, and waits until a published checkpoint covers it.
pub(crate) fn append_leaf(data: &Path, leaf: &RegistryLeaf) -> Result<(), CommandError> {
    let leaf = leaf.encode();
    let mut key = [0_u8; 16];
    key.iter_mut()
        .zip(Sha256::digest(&leaf))
        .for_each(|(to, from)| *to = from);
    let record = Record {
        key: RecordKey::from_bytes(key),
        entry: leaf.into(),
        ..Record::default()
    };
    let config = Config {
        data: data.to_owned(),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::internal("no runtime").because(error))?;
    runtime.block_on(async {
        let host = Host::open(&config)?;
        let appended = host
            .registry
            .append(record, Durability::Durable)
            .await
            .map_err(log_error)?;
        host.registry
            .wait_integrated(appended.index)
            .await
            .map_err(log_error)?;
        host.close().await
    })
}

/// The leaves of the registry log in `data`, as they stand there; whoever uses them verifies each statement.
pub(super) fn read_leaves(data: &Path) -> Result<Vec<Vec<u8>>, CommandError> {
    let files = LogFiles::in_directory(log_public_dir(data, "registry"));
    let (_, _, checkpoint) = files.checkpoint()?;
    files.all_entries(checkpoint.size)
}
