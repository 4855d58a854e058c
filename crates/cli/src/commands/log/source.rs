//! Which log a command is about, and whose key it is checked with.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use proofmark_tlog::{Checkpoint, Note, VerifiedCheckpoint, VerifierKey, open_checkpoint};
use proofmark_verify::{LogKind, LogRoot, Roots};

use crate::data::{DataDir, log_public_dir};
use crate::error::CommandError;
use crate::log_files::LogFiles;
use crate::remote::Remote;
use crate::roots;

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

    /// Where a node serves it.
    fn prefix(self) -> &'static str {
        match self {
            Self::Receipts => "/log/receipts",
            Self::Registry => "/log/registry",
        }
    }

    pub(crate) fn kind(self) -> LogKind {
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

/// An opened source.
pub(crate) struct Source {
    pub(crate) files: LogFiles,
    which: Which,
    roots: Roots,
    vkey: Option<VerifierKey>,
}

/// Reads a verifier key from the command line.
pub(super) fn parse_vkey(vkey: &str) -> Result<VerifierKey, CommandError> {
    VerifierKey::parse(vkey).map_err(|error| {
        CommandError::usage(format!("--vkey {vkey} is not a verifier key")).because(error)
    })
}

impl LogArgs {
    pub(crate) fn which(&self) -> Which {
        self.log
    }

    pub(crate) fn open(&self) -> Result<Source, CommandError> {
        let own = self.url.is_none() && self.mirror.is_none();
        let data = self.data.path();
        let files = match (&self.url, &self.mirror) {
            (Some(url), _) => {
                LogFiles::Remote(Box::new(Remote::new(url, None)?), self.log.prefix())
            }
            (None, Some(mirror)) => LogFiles::in_directory(mirror.clone()),
            (None, None) => LogFiles::in_directory(log_public_dir(&data, self.log.name())),
        };
        Ok(Source {
            files,
            which: self.log,
            roots: roots::load(None, own.then_some(data.as_path()))?.roots,
            vkey: self.vkey.as_deref().map(parse_vkey).transpose()?,
        })
    }
}

/// A checkpoint, and the same verified with a key that is believed, or the reason why it was not.
pub(crate) struct Seen {
    pub(crate) note: Note,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) verified: Result<VerifiedCheckpoint, CommandError>,
}

impl Source {
    /// The latest checkpoint, as it stands there.
    pub(crate) fn checkpoint(&self) -> Result<Seen, CommandError> {
        let (bytes, note, checkpoint) = self.files.checkpoint()?;
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

    /// The root that names this log.
    fn root(&self, checkpoint: &Checkpoint) -> Option<&LogRoot> {
        let origin = checkpoint.origin.as_str();
        let mut roots = self
            .roots
            .logs
            .iter()
            .filter(|log| log.kind == self.which.kind());
        roots.find(|log| {
            log.verifier_key()
                .is_some_and(|key| key.name().as_str() == origin)
        })
    }

    fn key_of(&self, checkpoint: &Checkpoint) -> Result<VerifierKey, CommandError> {
        let rooted = || self.root(checkpoint).and_then(LogRoot::verifier_key);
        self.vkey.clone().or_else(rooted).ok_or_else(|| {
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

    /// The witnesses that are believed to watch this log, each with who runs it.
    pub(crate) fn witnesses(&self, checkpoint: &Checkpoint) -> Vec<(String, VerifierKey)> {
        let group = self
            .root(checkpoint)
            .and_then(|log| self.roots.witnesses_of(log));
        let members = group
            .map(|group| group.members.as_slice())
            .unwrap_or_default();
        let key = |vkey: &str| VerifierKey::parse(vkey).ok();
        members
            .iter()
            .filter_map(|member| Some((member.operator.clone(), key(&member.vkey)?)))
            .collect()
    }
}
