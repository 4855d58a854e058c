//! The public files of a log: in a directory, or on a node's URL. Nothing in them is believed before it is checked.

use std::path::PathBuf;

use proofmark_log::{DirectoryStorage, ObjectName, Storage as _};
use proofmark_tlog::{BundleId, Checkpoint, Note, TILE_WIDTH, TileId, TilePath, decode_entries};

use crate::error::CommandError;
use crate::remote::Remote;

/// A bundle of 256 of the longest entries.
const OBJECT_MAX_BYTES: usize = 256 * (65_535 + 2);

/// Where they are.
pub(crate) enum LogFiles {
    /// A directory on this machine.
    Directory(DirectoryStorage, PathBuf),
    /// A node, and the prefix of its log.
    Remote(Box<Remote>, &'static str),
}

impl LogFiles {
    /// The files below `path`.
    pub(crate) fn in_directory(path: PathBuf) -> Self {
        // A reader puts nothing together, so the directory for unfinished files is never used.
        Self::Directory(DirectoryStorage::new(&path, &path), path)
    }

    fn read(&self, object: &ObjectName) -> Result<Option<Vec<u8>>, CommandError> {
        match self {
            Self::Directory(storage, _) => storage.read(object).map_err(|error| {
                CommandError::internal(format!("{object} of the log cannot be read")).because(error)
            }),
            Self::Remote(remote, prefix) => {
                let path = format!("{prefix}/{object}");
                let answered = remote.get(&path, OBJECT_MAX_BYTES)?;
                match answered.status.as_u16() {
                    200 => Ok(Some(answered.body)),
                    404 => Ok(None),
                    _ => Err(remote.refused(&path, &answered)),
                }
            }
        }
    }

    /// For messages.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Directory(_, path) => path.display().to_string(),
            Self::Remote(remote, prefix) => format!("{}{prefix}", remote.base()),
        }
    }

    /// The checkpoint's bytes and what it says; its signature is **not** verified.
    pub(crate) fn checkpoint(&self) -> Result<(Vec<u8>, Note, Checkpoint), CommandError> {
        let bytes = self.read(&ObjectName::Checkpoint)?.ok_or_else(|| {
            CommandError::could_not_check(format!("there is no checkpoint in {}", self.place()))
                .hint("a log publishes its first checkpoint when its node starts: proofmark serve")
        })?;
        let malformed =
            || CommandError::rejected(format!("the checkpoint in {} is damaged", self.place()));
        let note =
            Note::parse(&bytes).map_err(|error| malformed().code(error.code()).because(error))?;
        let checkpoint = Checkpoint::parse_text(note.text())
            .map_err(|error| malformed().code(error.code()).because(error))?;
        Ok((bytes, note, checkpoint))
    }

    /// A tile, or the full one in its place.
    pub(crate) fn tile(&self, tile: TileId) -> Result<Vec<u8>, CommandError> {
        self.tile_or_full(TilePath::Hashes(tile), TilePath::Hashes(tile.full()))
    }

    fn tile_or_full(&self, path: TilePath, full: TilePath) -> Result<Vec<u8>, CommandError> {
        if let Some(bytes) = self.read(&ObjectName::Tile(path))? {
            return Ok(bytes);
        }
        let bytes = if path == full {
            None
        } else {
            self.read(&ObjectName::Tile(full))?
        };
        bytes.ok_or_else(|| {
            CommandError::could_not_check(format!("{path} is missing in {}", self.place()))
                .code("log.tile.unavailable")
        })
    }

    /// The entries of the bundle with entry `index`, as a tree of `size` leaves has it, and the index of the first.
    pub(crate) fn entries_around(
        &self,
        index: u64,
        size: u64,
    ) -> Result<(u64, Vec<Vec<u8>>), CommandError> {
        let bundle =
            BundleId::in_tree(index / u64::from(TILE_WIDTH), size).filter(|_| index < size);
        let bundle = bundle.ok_or_else(|| {
            CommandError::usage(format!(
                "the log has {size} entries, numbered from 0: there is no {index}"
            ))
        })?;
        let bytes =
            self.tile_or_full(TilePath::Entries(bundle), TilePath::Entries(bundle.full()))?;
        let width = usize::from(bundle.width());
        let entries =
            decode_entries(&bytes, bundle.width()).or_else(|_| decode_entries(&bytes, TILE_WIDTH));
        let damaged =
            || CommandError::rejected(format!("{} is damaged", TilePath::Entries(bundle)));
        let entries = entries.map_err(|error| damaged().code(error.code()).because(error))?;
        if entries.len() < width {
            return Err(damaged());
        }
        Ok((
            bundle.entries().start,
            entries
                .into_iter()
                .take(width)
                .map(<[u8]>::to_vec)
                .collect(),
        ))
    }

    /// One entry.
    pub(crate) fn entry(&self, index: u64, size: u64) -> Result<Vec<u8>, CommandError> {
        let (first, entries) = self.entries_around(index, size)?;
        let at = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
        entries
            .into_iter()
            .nth(at)
            .ok_or_else(|| CommandError::internal("the bundle does not hold the entry"))
    }

    /// All entries of a small log.
    pub(crate) fn all_entries(&self, size: u64) -> Result<Vec<Vec<u8>>, CommandError> {
        let mut entries = Vec::new();
        let mut next = 0;
        while next < size {
            let (first, more) = self.entries_around(next, size)?;
            next = first.saturating_add(u64::try_from(more.len()).unwrap_or(u64::MAX));
            entries.extend(more);
        }
        Ok(entries)
    }
}
