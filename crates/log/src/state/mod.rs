//! The state database: what the log knows about itself, and where the record of each key is.
//!
//! Trust: it must not be rolled back. The frontier and the checkpoint in it decide what the log signs next; an older
//! copy beside a newer journal is caught up from the journal, an older copy of both would fork the log.

mod backend;
mod error;
mod index;

use std::{ops::Bound, sync::Arc};

use proofmark_tlog::Frontier;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{disk::DiskFile, record::RecordKey, scan::Direction};

pub use error::StateError;
pub(crate) use index::{IndexEntry, PLACE_STRIDE};

/// key -> [`IndexEntry`]
const KEYS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("keys");
/// index -> offset in its journal segment, for every [`PLACE_STRIDE`]th record
const PLACES: TableDefinition<'_, u64, u32> = TableDefinition::new("places");
/// Single values, see the rows below.
const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");

const ROW_VKEY: &str = "vkey";
const ROW_CHECKPOINT: &str = "checkpoint";
const ROW_FRONTIER: &str = "frontier";
const ROW_EDGE: &str = "edge";
const ROW_JOURNAL_START: &str = "journal-start";

/// What the log knows about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogState {
    /// The log's verifier key, as text.
    pub(crate) vkey: String,
    /// The latest signed checkpoint, without cosignatures.
    pub(crate) checkpoint: Vec<u8>,
    /// The tree that the checkpoint is of.
    pub(crate) frontier: Frontier,
    /// The edge of the largest tree whose full tiles are all durable: tiles behind it are written anew at opening.
    pub(crate) edge: Vec<u8>,
    /// First record that the journal must have.
    pub(crate) journal_start: u64,
}

/// One step of the tree, to be stored as a whole.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// The checkpoint that must be in the database, byte for byte.
    pub(crate) replaces: &'a [u8],
    pub(crate) checkpoint: &'a [u8],
    pub(crate) frontier: &'a Frontier,
    /// The new leaves, in the order of the log.
    pub(crate) leaves: &'a [NewLeaf<'a>],
}

/// What the index keeps of a leaf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewLeaf<'a> {
    pub(crate) index: u64,
    pub(crate) offset: u32,
    pub(crate) key: RecordKey,
    pub(crate) meta: &'a [u8],
}

/// The open database.
#[derive(Debug)]
pub(crate) struct State {
    database: Database,
}

impl State {
    /// Opens the database in a file; an empty file becomes an empty database.
    pub(crate) fn open(file: Arc<dyn DiskFile>, cache_bytes: usize) -> Result<Self, StateError> {
        let database = redb::Builder::new()
            .set_cache_size(cache_bytes)
            .create_with_backend(backend::FileBackend(file))?;
        Ok(Self { database })
    }

    /// What was stored last; `None` in a new database.
    pub(crate) fn load(&self) -> Result<Option<LogState>, StateError> {
        let transaction = self.database.begin_read()?;
        let values = match transaction.open_table(VALUES) {
            Ok(values) => values,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let row = |row: &'static str| {
            let value = values.get(row)?.ok_or(StateError::Row { row })?;
            Ok::<_, StateError>(value.value().to_vec())
        };
        let number = |name: &'static str| {
            let bytes: [u8; 8] = row(name)?
                .try_into()
                .map_err(|_| StateError::Row { row: name })?;
            Ok::<_, StateError>(u64::from_be_bytes(bytes))
        };
        let malformed = |row| StateError::Row { row };
        Ok(Some(LogState {
            vkey: String::from_utf8(row(ROW_VKEY)?).map_err(|_| malformed(ROW_VKEY))?,
            checkpoint: row(ROW_CHECKPOINT)?,
            frontier: Frontier::decode(&row(ROW_FRONTIER)?).map_err(|_| malformed(ROW_FRONTIER))?,
            edge: row(ROW_EDGE)?,
            journal_start: number(ROW_JOURNAL_START)?,
        }))
    }

    /// Stores the first state of a new log.
    pub(crate) fn create(&self, state: &LogState) -> Result<(), StateError> {
        let transaction = self.begin_write()?;
        {
            let mut values = transaction.open_table(VALUES)?;
            values.insert(ROW_VKEY, state.vkey.as_bytes())?;
            values.insert(ROW_CHECKPOINT, state.checkpoint.as_slice())?;
            values.insert(ROW_FRONTIER, state.frontier.encode().as_slice())?;
            values.insert(ROW_EDGE, state.edge.as_slice())?;
            values.insert(
                ROW_JOURNAL_START,
                state.journal_start.to_be_bytes().as_slice(),
            )?;
            transaction.open_table(KEYS)?;
            transaction.open_table(PLACES)?;
        }
        Ok(transaction.commit()?)
    }

    /// Stores a step: index, frontier and checkpoint in one transaction, durable when this returns.
    ///
    /// Refused if the database does not have the checkpoint that the step replaces.
    pub(crate) fn commit(&self, step: &Step<'_>) -> Result<(), StateError> {
        let transaction = self.begin_write()?;
        {
            let mut values = transaction.open_table(VALUES)?;
            let current = values
                .get(ROW_CHECKPOINT)?
                .map(|value| value.value() == step.replaces);
            if current != Some(true) {
                return Err(StateError::Conflict);
            }
            values.insert(ROW_CHECKPOINT, step.checkpoint)?;
            values.insert(ROW_FRONTIER, step.frontier.encode().as_slice())?;
            let mut keys = transaction.open_table(KEYS)?;
            let mut places = transaction.open_table(PLACES)?;
            for leaf in step.leaves {
                if leaf.index.is_multiple_of(PLACE_STRIDE) {
                    places.insert(leaf.index, leaf.offset)?;
                }
                if leaf.key.is_none() {
                    continue;
                }
                let entry = IndexEntry {
                    index: leaf.index,
                    offset: leaf.offset,
                    meta: leaf.meta.to_vec(),
                };
                let older = keys
                    .insert(leaf.key.as_bytes(), entry.encode().as_slice())?
                    .map(|older| older.value().to_vec());
                // The first record of a key is the one that was answered with: an index is never reassigned.
                if let Some(older) = older {
                    tracing::error!(key = ?leaf.key, index = leaf.index, "key is in the log twice");
                    keys.insert(leaf.key.as_bytes(), older.as_slice())?;
                }
            }
        }
        Ok(transaction.commit()?)
    }

    /// Stores that all full tiles of the tree with this edge are durable.
    pub(crate) fn set_edge(&self, edge: &[u8]) -> Result<(), StateError> {
        let transaction = self.begin_write()?;
        transaction.open_table(VALUES)?.insert(ROW_EDGE, edge)?;
        Ok(transaction.commit()?)
    }

    /// Stores that the records before `start` may be missing from the journal.
    pub(crate) fn set_journal_start(&self, start: u64) -> Result<(), StateError> {
        let transaction = self.begin_write()?;
        {
            let mut values = transaction.open_table(VALUES)?;
            values.insert(ROW_JOURNAL_START, start.to_be_bytes().as_slice())?;
            let mut places = transaction.open_table(PLACES)?;
            places.retain_in(..start, |_, _| false)?;
        }
        Ok(transaction.commit()?)
    }

    /// Where the record of a key is.
    pub(crate) fn find(&self, key: &RecordKey) -> Result<Option<IndexEntry>, StateError> {
        let keys = self.database.begin_read()?.open_table(KEYS)?;
        let value = keys.get(key.as_bytes())?;
        value
            .map(|value| IndexEntry::decode(value.value()))
            .transpose()
    }

    /// The last place at or before a record: its index, and its offset in its segment.
    pub(crate) fn place_before(&self, index: u64) -> Result<Option<(u64, u64)>, StateError> {
        let places = self.database.begin_read()?.open_table(PLACES)?;
        let last = places.range(..=index)?.next_back().transpose()?;
        Ok(last.map(|(index, offset)| (index.value(), u64::from(offset.value()))))
    }

    /// A reader of the state as it is now, cheaper than single look-ups.
    pub(crate) fn reader(&self) -> Result<StateReader, StateError> {
        let transaction = self.database.begin_read()?;
        Ok(StateReader {
            keys: transaction.open_table(KEYS)?,
            places: transaction.open_table(PLACES)?,
        })
    }

    /// Walks over keys in order until `visit` says stop (`false`) or the range ends; returns whether it ended.
    pub(crate) fn walk(
        &self,
        range: (Bound<RecordKey>, Bound<RecordKey>),
        direction: Direction,
        mut visit: impl FnMut(RecordKey, IndexEntry) -> bool,
    ) -> Result<bool, StateError> {
        let keys = self.database.begin_read()?.open_table(KEYS)?;
        let bounds = (
            range.0.as_ref().map(RecordKey::as_bytes),
            range.1.as_ref().map(RecordKey::as_bytes),
        );
        let mut rows = keys.range::<&[u8; 16]>(bounds)?;
        loop {
            let row = match direction {
                Direction::Ascending => rows.next(),
                Direction::Descending => rows.next_back(),
            };
            let Some(row) = row else {
                return Ok(true);
            };
            let (key, value) = row?;
            if !visit(
                RecordKey::from_bytes(*key.value()),
                IndexEntry::decode(value.value())?,
            ) {
                return Ok(false);
            }
        }
    }

    fn begin_write(&self) -> Result<redb::WriteTransaction, StateError> {
        let mut transaction = self.database.begin_write()?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(redb::Error::from)?;
        // Opens in constant time after a crash.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }
}

/// The index at one point in time.
pub(crate) struct StateReader {
    keys: ReadOnlyTable<&'static [u8; 16], &'static [u8]>,
    places: ReadOnlyTable<u64, u32>,
}

impl StateReader {
    /// Where the record of a key is.
    pub(crate) fn find(&self, key: &RecordKey) -> Result<Option<IndexEntry>, StateError> {
        let value = self.keys.get(key.as_bytes())?;
        value
            .map(|value| IndexEntry::decode(value.value()))
            .transpose()
    }

    /// The offset that is kept for a record.
    pub(crate) fn place(&self, index: u64) -> Result<Option<u64>, StateError> {
        Ok(self
            .places
            .get(index)?
            .map(|offset| u64::from(offset.value())))
    }
}

#[cfg(test)]
mod tests;
