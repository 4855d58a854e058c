//! Where a log's public files come from, and whose key they are checked with.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use proofmark_log::{DirectoryStorage, ObjectName, Storage as _};
use proofmark_tlog::{
    BundleId, Checkpoint, Note, TILE_WIDTH, TileId, TilePath, VerifiedCheckpoint, VerifierKey,
    decode_entries, open_checkpoint,
};
use proofmark_verify::{LogKind, Roots};

use crate::data::{DataDir, log_public_dir};
use crate::error::CommandError;
use crate::remote::Remote;
use crate::roots;

/// A bundle of 256 of the longest entries.
const OBJECT_MAX_BYTES: usize = 256 * (65_535 + 2);

/// Which of an operator's two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// One leaf per receipt.
    Receipts,
    /// Key statements and revocations.
    Registry,
}

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Registry => "registry",
        }
    }

    fn kind(self) -> LogKind {
        match self {
            Self::Receipts => LogKind::Receipts,
            Self::Registry => LogKind::Registry,
        }
    }
}

/// Which log, and where it is.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Which of the two logs.
    #[arg(long, value_enum, default_value_t = Which::Receipts)]
    log: Which,
    #[command(flatten)]
    data: DataDir,
    /// A node by its URL instead.
    #[arg(long, value_name = "URL", conflicts_with_all = ["mirror"])]
    url: Option<String>,
    /// A directory with nothing but the log's public files instead.
    #[arg(long, value_name = "DIR")]
    mirror: Option<PathBuf>,
    /// Verifier key of the log. Default: that of the data directory, else the one among your trust roots.
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
}

enum Files {
    Directory(DirectoryStorage, PathBuf),
    Remote(Box<Remote>, &'static str),
}

/// An opened source.
pub(crate) struct Source {
    files: Files,
    which: Which,
    roots: Roots,
    vkey: Option<VerifierKey>,
}

impl LogArgs {
    pub(crate) fn which(&self) -> Which {
        self.log
    }

    pub(crate) fn open(&self) -> Result<Source, CommandError> {
        let own = self.url.is_none() && self.mirror.is_none();
        let data = self.data.path();
        let roots = roots::load(None, own.then_some(data.as_path()))?.roots;
        let vkey = self.vkey.as_deref().map(|vkey| {
            VerifierKey::parse(vkey).map_err(|error| {
                CommandError::usage(format!("--vkey {vkey} is not a verifier key")).because(error)
            })
        });
        let files = match (&self.url, &self.mirror) {
            (Some(url), _) => {
                let prefix = match self.log {
                    Which::Receipts => "/log/receipts",
                    Which::Registry => "/log/registry",
                };
                Files::Remote(Box::new(Remote::new(url, None)?), prefix)
            }
            (None, Some(mirror)) => directory(mirror.clone()),
            (None, None) => directory(log_public_dir(&data, self.log.name())),
        };
        Ok(Source {
            files,
            which: self.log,
            roots,
            vkey: vkey.transpose()?,
        })
    }
}

/// A reader puts nothing together, so the directory for unfinished files is never used.
fn directory(path: PathBuf) -> Files {
    Files::Directory(DirectoryStorage::new(&path, &path), path)
}

/// A checkpoint whose log signature was verified with a key that is believed, or the reason why it was not.
pub(crate) struct Seen {
    pub(crate) note: Note,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) verified: Result<VerifiedCheckpoint, CommandError>,
}

impl Source {
    fn read(&self, object: &ObjectName) -> Result<Option<Vec<u8>>, CommandError> {
        match &self.files {
            Files::Directory(storage, _) => storage.read(object).map_err(|error| {
                CommandError::internal(format!("{object} of the log cannot be read")).because(error)
            }),
            Files::Remote(remote, prefix) => {
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

    fn place(&self) -> String {
        match &self.files {
            Files::Directory(_, path) => path.display().to_string(),
            Files::Remote(remote, prefix) => format!("{}{prefix}", remote.base()),
        }
    }

    /// The latest checkpoint, as it stands there.
    pub(crate) fn checkpoint(&self) -> Result<Seen, CommandError> {
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
        let verified = self.key_of(&checkpoint).and_then(|key| {
            open_checkpoint(&bytes, &key).map_err(|error| {
                CommandError::rejected("the checkpoint is not signed by the log's key")
                    .code(error.code())
                    .because(error)
            })
        });
        Ok(Seen {
            note,
            checkpoint,
            verified,
        })
    }

    /// The latest checkpoint, if its log is believed.
    pub(crate) fn verified_checkpoint(&self) -> Result<VerifiedCheckpoint, CommandError> {
        self.checkpoint()?.verified
    }

    fn key_of(&self, checkpoint: &Checkpoint) -> Result<VerifierKey, CommandError> {
        if let Some(key) = &self.vkey {
            return Ok(key.clone());
        }
        let mut logs = self
            .roots
            .logs
            .iter()
            .filter(|log| log.kind == self.which.kind());
        let key = logs.find_map(|log| {
            log.verifier_key()
                .filter(|key| key.name().as_str() == checkpoint.origin.as_str())
        });
        key.ok_or_else(|| {
            CommandError::could_not_check(format!(
                "the log {} is not among your trust roots",
                checkpoint.origin
            ))
            .code("log.unknown")
            .hint(
                "add the roots of its operator (proofmark trust add), or name its key with --vkey",
            )
        })
    }

    /// The witnesses that are believed to watch this log.
    pub(crate) fn witnesses(&self, checkpoint: &Checkpoint) -> Vec<(String, VerifierKey)> {
        let log = self
            .roots
            .logs
            .iter()
            .find(|log| log.vkey.split('+').next() == Some(checkpoint.origin.as_str()));
        let group = log.and_then(|log| self.roots.witnesses_of(log));
        let members = group
            .map(|group| group.members.as_slice())
            .unwrap_or_default();
        members
            .iter()
            .filter_map(|member| {
                Some((
                    member.operator.clone(),
                    VerifierKey::parse(&member.vkey).ok()?,
                ))
            })
            .collect()
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
        let bundle = BundleId::in_tree(index / u64::from(TILE_WIDTH), size)
            .filter(|_| index < size)
            .ok_or_else(|| {
                CommandError::usage(format!(
                    "the log has {size} entries, numbered from 0: there is no {index}"
                ))
            })?;
        let bytes =
            self.tile_or_full(TilePath::Entries(bundle), TilePath::Entries(bundle.full()))?;
        let width = usize::from(bundle.width());
        let entries =
            decode_entries(&bytes, bundle.width()).or_else(|_| decode_entries(&bytes, TILE_WIDTH));
        let entries = entries.map_err(|error| {
            CommandError::rejected(format!("{bundle} is damaged"))
                .code(error.code())
                .because(error)
        })?;
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
        let (first, mut entries) = self.entries_around(index, size)?;
        let at = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
        if at < entries.len() {
            Ok(entries.swap_remove(at))
        } else {
            Err(CommandError::rejected(
                "the entry bundle is shorter than the tree",
            ))
        }
    }
}
