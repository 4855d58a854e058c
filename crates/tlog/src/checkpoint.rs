//! C2SP tlog-checkpoint: the signed statement of a log's size and root.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
};
use core::fmt;

use crate::{
    ErrorKind,
    encoding::parse_decimal,
    merkle::{EMPTY_ROOT, Hash, MAX_TREE_SIZE},
    note::{Note, NoteError, NoteKeyName, NoteSigner, VerifierKey, open_note},
};

/// No origin starts with this: texts of other kinds that a log key signs do.
pub const RESERVED_ORIGIN_PREFIX: &str = "proofmark/log/";

/// Longest origin in bytes (tlog-cosignature gives origins one length byte).
const MAX_ORIGIN_BYTES: usize = 255;

/// Why a checkpoint was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around the checkpoint was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A line of the text is missing or not what it should be; line numbers start at 1.
    #[error("line {line} of the checkpoint is malformed")]
    Line {
        /// Number of the line.
        line: usize,
    },
    /// The tree is larger than [`MAX_TREE_SIZE`].
    #[error("tree size {got} is larger than {MAX_TREE_SIZE}")]
    Size {
        /// Size in the checkpoint.
        got: u64,
    },
    /// A tree without leaves has one root, and this is another.
    #[error("checkpoint of an empty tree has root {got}")]
    EmptyRoot {
        /// Root in the checkpoint.
        got: Hash,
    },
    /// The origin is empty, longer than 255 bytes, or has an ASCII control character.
    #[error("origin is empty, too long, or has a control character")]
    Origin,
    /// The origin starts with [`RESERVED_ORIGIN_PREFIX`]: the text is of another kind.
    #[error("no log may have an origin that starts with {RESERVED_ORIGIN_PREFIX}")]
    OriginReserved,
    /// The checkpoint is about another log.
    #[error("checkpoint is about {got}, expected {expected}")]
    OriginMismatch {
        /// Origin that was asked for.
        expected: Origin,
        /// Origin in the checkpoint.
        got: Origin,
    },
    /// The checkpoint has extension lines, which nobody can audit.
    #[error("checkpoint has extension lines from line {line} on")]
    Extension {
        /// Number of the first extension line.
        line: usize,
    },
}

impl CheckpointError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(error) => error.code(),
            Self::OriginReserved => "log.checkpoint.origin-reserved",
            Self::OriginMismatch { .. } => "log.checkpoint.origin-mismatch",
            Self::Extension { .. } => "log.checkpoint.extension",
            _ => "log.checkpoint.malformed",
        }
    }

    /// Whether the checkpoint could not be read or a check on it failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Note(error) => error.kind(),
            Self::OriginReserved | Self::OriginMismatch { .. } | Self::Extension { .. } => {
                ErrorKind::Rejected
            }
            _ => ErrorKind::Malformed,
        }
    }
}

/// Identity of a log: the first line of its checkpoints.
///
/// Logs of this project use the name of their key. Other logs may use any line of at most 255 bytes without ASCII control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Takes a line as an origin.
    pub fn parse(origin: &str) -> Result<Self, CheckpointError> {
        if origin.is_empty()
            || origin.len() > MAX_ORIGIN_BYTES
            || origin.bytes().any(|byte| byte < 0x20)
        {
            return Err(CheckpointError::Origin);
        }
        if origin.starts_with(RESERVED_ORIGIN_PREFIX) {
            return Err(CheckpointError::OriginReserved);
        }
        Ok(Self(origin.to_owned()))
    }

    /// The origin of the log whose key has this name.
    pub fn of_key(name: &NoteKeyName) -> Result<Self, CheckpointError> {
        Self::parse(name.as_str())
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a checkpoint says. A value of this type is not evidence: [`VerifiedCheckpoint`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identity of the log.
    pub origin: Origin,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of that many leaves.
    pub root: Hash,
}

impl Checkpoint {
    /// Parses the text of a checkpoint; extension lines are refused.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let (checkpoint, extensions) = Self::parse_text_with_extensions(text)?;
        if extensions.is_empty() {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Extension { line: 4 })
        }
    }

    /// Parses the text of a checkpoint and returns its extension lines (with newlines) as they stand.
    pub fn parse_text_with_extensions(text: &str) -> Result<(Self, &str), CheckpointError> {
        let mut rest = text;
        let mut next_line = |line: usize| {
            let (head, tail) = rest
                .split_once('\n')
                .ok_or(CheckpointError::Line { line })?;
            rest = tail;
            Ok::<_, CheckpointError>(head)
        };
        let origin = Origin::parse(next_line(1)?)?;
        let size = parse_decimal(next_line(2)?).ok_or(CheckpointError::Line { line: 2 })?;
        let root = Hash::parse_base64(next_line(3)?).ok_or(CheckpointError::Line { line: 3 })?;
        for (line, extension) in (4usize..).zip(rest.split_inclusive('\n')) {
            if extension == "\n" || !extension.ends_with('\n') {
                return Err(CheckpointError::Line { line });
            }
        }
        let checkpoint = Self { origin, size, root };
        checkpoint.check()?;
        Ok((checkpoint, rest))
    }

    /// The three lines of the note text.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    fn check(&self) -> Result<(), CheckpointError> {
        if self.size > MAX_TREE_SIZE {
            return Err(CheckpointError::Size { got: self.size });
        }
        if self.size == 0 && self.root != EMPTY_ROOT {
            return Err(CheckpointError::EmptyRoot { got: self.root });
        }
        Ok(())
    }
}

/// A checkpoint whose log signature verified. Made only by the functions of this crate that verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl VerifiedCheckpoint {
    /// What the checkpoint says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Identity of the log.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Root of the tree.
    pub fn root(&self) -> &Hash {
        &self.checkpoint.root
    }

    /// The note with all its signatures, verified or not.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The bytes to publish.
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        self.note.to_string().into_bytes()
    }

    pub(crate) fn note_mut(&mut self) -> &mut Note {
        &mut self.note
    }
}

/// Opens a checkpoint of a log whose origin is the name of its key; extension lines are refused.
pub fn open_checkpoint(
    note: &[u8],
    log: &VerifierKey,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    let opened = open_note(note, core::slice::from_ref(log))?;
    let checkpoint = Checkpoint::parse_text(opened.text())?;
    check_origin(&checkpoint, Origin::of_key(log.name())?)?;
    Ok(VerifiedCheckpoint {
        checkpoint,
        note: opened.into_note(),
    })
}

/// Opens a checkpoint of any C2SP log: the origin may differ from the key names, and extension lines are let through.
///
/// At least one of `keys` must have signed, and each that did must have signed correctly.
pub fn open_foreign_checkpoint(
    note: &[u8],
    origin: &Origin,
    keys: &[VerifierKey],
) -> Result<VerifiedCheckpoint, CheckpointError> {
    let opened = open_note(note, keys)?;
    let (checkpoint, _) = Checkpoint::parse_text_with_extensions(opened.text())?;
    check_origin(&checkpoint, origin.clone())?;
    Ok(VerifiedCheckpoint {
        checkpoint,
        note: opened.into_note(),
    })
}

/// Signs a checkpoint. The origin must be the name of the signer's key.
///
/// A log must never sign two checkpoints of which neither extends the other; keeping to that is the caller's duty.
pub fn sign_checkpoint(
    checkpoint: &Checkpoint,
    signer: &NoteSigner,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    checkpoint.check()?;
    check_origin(checkpoint, Origin::of_key(signer.name())?)?;
    let note = signer.sign(&checkpoint.to_text())?;
    Ok(VerifiedCheckpoint {
        checkpoint: checkpoint.clone(),
        note,
    })
}

fn check_origin(checkpoint: &Checkpoint, expected: Origin) -> Result<(), CheckpointError> {
    if checkpoint.origin == expected {
        Ok(())
    } else {
        Err(CheckpointError::OriginMismatch {
            expected,
            got: checkpoint.origin.clone(),
        })
    }
}
