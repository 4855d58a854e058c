//! Inclusion promises: the log's signed word that a leaf will be in its tree by a given time.

use alloc::{format, string::String};

use crate::{
    ErrorKind,
    checkpoint::{CheckpointError, Origin},
    encoding::parse_decimal,
    merkle::Hash,
    note::{Note, NoteError, NoteSigner, VerifierKey, open_note},
};

/// First line of a promise. Checkpoint origins cannot start like it, so a promise is never a checkpoint.
const HEADER: &str = "proofmark/log/1/promise";

/// Why a promise was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromiseError {
    /// The note around the promise was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A line is missing, superfluous, or not what it should be; line numbers start at 1.
    #[error("line {line} of the promise is malformed")]
    Line {
        /// Number of the line.
        line: usize,
    },
    /// The origin cannot be one.
    #[error(transparent)]
    Origin(CheckpointError),
    /// Due before it was issued.
    #[error("promise was issued at {issued_ms} ms and due at {due_ms} ms before that")]
    Times {
        /// When the promise was issued, Unix milliseconds.
        issued_ms: u64,
        /// When it is due, Unix milliseconds.
        due_ms: u64,
    },
    /// The promise is by another log.
    #[error("promise is by {got}, expected {expected}")]
    OriginMismatch {
        /// Origin that was asked for.
        expected: Origin,
        /// Origin in the promise.
        got: Origin,
    },
    /// The promise is about another leaf.
    #[error("promise is about leaf {got}, expected {expected}")]
    LeafMismatch {
        /// Leaf hash that was asked for.
        expected: Hash,
        /// Leaf hash in the promise.
        got: Hash,
    },
}

impl PromiseError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(error) => error.code(),
            Self::Line { .. } | Self::Origin(_) | Self::Times { .. } => "log.promise.malformed",
            Self::OriginMismatch { .. } => "log.promise.origin-mismatch",
            Self::LeafMismatch { .. } => "log.promise.leaf-mismatch",
        }
    }

    /// Whether the promise could not be read or a check on it failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Note(error) => error.kind(),
            Self::Line { .. } | Self::Origin(_) | Self::Times { .. } => ErrorKind::Malformed,
            Self::OriginMismatch { .. } | Self::LeafMismatch { .. } => ErrorKind::Rejected,
        }
    }
}

/// What a promise says. A value of this type is not evidence: [`VerifiedPromise`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Identity of the log.
    pub origin: Origin,
    /// Hash of the promised leaf.
    pub leaf: Hash,
    /// When the promise was made, Unix milliseconds.
    pub issued_ms: u64,
    /// When a checkpoint that covers the leaf will be out at the latest, Unix milliseconds.
    pub due_ms: u64,
}

impl Promise {
    /// Parses the five lines of a promise.
    pub fn parse_text(text: &str) -> Result<Self, PromiseError> {
        let mut lines = (1usize..)
            .zip(text.split_inclusive('\n'))
            .map(|(_, line)| line.strip_suffix('\n'));
        let mut next_line = |line: usize| lines.next().flatten().ok_or(PromiseError::Line { line });
        if next_line(1)? != HEADER {
            return Err(PromiseError::Line { line: 1 });
        }
        let origin = Origin::parse(next_line(2)?).map_err(PromiseError::Origin)?;
        let leaf = Hash::parse_base64(next_line(3)?).ok_or(PromiseError::Line { line: 3 })?;
        let issued_ms = parse_decimal(next_line(4)?).ok_or(PromiseError::Line { line: 4 })?;
        let due_ms = parse_decimal(next_line(5)?).ok_or(PromiseError::Line { line: 5 })?;
        if lines.next().is_some() {
            return Err(PromiseError::Line { line: 6 });
        }
        let promise = Self {
            origin,
            leaf,
            issued_ms,
            due_ms,
        };
        promise.check()?;
        Ok(promise)
    }

    /// The five lines of the note text.
    pub fn to_text(&self) -> String {
        format!(
            "{HEADER}\n{}\n{}\n{}\n{}\n",
            self.origin, self.leaf, self.issued_ms, self.due_ms
        )
    }

    fn check(&self) -> Result<(), PromiseError> {
        if self.due_ms < self.issued_ms {
            return Err(PromiseError::Times {
                issued_ms: self.issued_ms,
                due_ms: self.due_ms,
            });
        }
        Ok(())
    }
}

/// A promise whose log signature verified. Made only by [`open_promise`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPromise {
    promise: Promise,
}

impl VerifiedPromise {
    /// What the log promised.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }
}

/// Signs a promise. The origin must be the name of the signer's key.
pub fn sign_promise(promise: &Promise, signer: &NoteSigner) -> Result<Note, PromiseError> {
    promise.check()?;
    check_origin(
        promise,
        Origin::of_key(signer.name()).map_err(PromiseError::Origin)?,
    )?;
    Ok(signer.sign(&promise.to_text())?)
}

/// Opens a promise by the log with key `log` about the leaf with hash `leaf`.
///
/// A promise shows what the log owes, not that it paid: that takes a [`crate::TlogProof`].
pub fn open_promise(
    note: &[u8],
    log: &VerifierKey,
    leaf: &Hash,
) -> Result<VerifiedPromise, PromiseError> {
    let opened = open_note(note, core::slice::from_ref(log))?;
    let promise = Promise::parse_text(opened.text())?;
    check_origin(
        &promise,
        Origin::of_key(log.name()).map_err(PromiseError::Origin)?,
    )?;
    if promise.leaf != *leaf {
        return Err(PromiseError::LeafMismatch {
            expected: *leaf,
            got: promise.leaf,
        });
    }
    Ok(VerifiedPromise { promise })
}

fn check_origin(promise: &Promise, expected: Origin) -> Result<(), PromiseError> {
    if promise.origin == expected {
        Ok(())
    } else {
        Err(PromiseError::OriginMismatch {
            expected,
            got: promise.origin.clone(),
        })
    }
}
