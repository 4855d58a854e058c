//! C2SP tlog-witness: the add-checkpoint request, and the decision that a witness makes about it.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{
    ErrorKind,
    checkpoint::{
        Checkpoint, CheckpointError, Origin, VerifiedCheckpoint, open_foreign_checkpoint,
    },
    cosignature::{CosignatureSigner, CosignatureTime},
    encoding::parse_decimal,
    merkle::{EMPTY_ROOT, Hash, MAX_PROOF_HASHES, ProofError, verify_consistency},
    note::{MAX_NOTE_BYTES, Note, NoteError, NoteSignature, VerifierKey},
};

/// Content type of a 409 answer, whose body is the size that the witness has.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Longest request body: a note, 63 hashes and the size line.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + 4 * 1024;

/// Why a request body was not accepted (HTTP 400).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRequestError {
    /// Longer than [`MAX_REQUEST_BYTES`].
    #[error("request has {got} bytes, more than {MAX_REQUEST_BYTES}")]
    TooLong {
        /// Length in bytes.
        got: usize,
    },
    /// Not UTF-8, or no empty line before the checkpoint.
    #[error("request is not UTF-8 text with an empty line before a checkpoint")]
    Text,
    /// A line before the checkpoint is not what it should be; line numbers start at 1.
    #[error("line {line} of the request is malformed")]
    Line {
        /// Number of the line.
        line: usize,
    },
    /// More than [`MAX_PROOF_HASHES`] hashes.
    #[error("request has more than {MAX_PROOF_HASHES} hashes")]
    TooManyHashes,
    /// The checkpoint is not a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text of the note is not a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl WitnessRequestError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        "log.witness.request-malformed"
    }

    /// A body that cannot be parsed.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Malformed
    }
}

/// Body of `POST /add-checkpoint`. `Display` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpointRequest {
    old_size: u64,
    proof: Vec<Hash>,
    note: Note,
    claimed: Checkpoint,
}

impl AddCheckpointRequest {
    /// Asks to cosign `note`, a checkpoint, with a consistency proof from `old_size`.
    pub fn new(old_size: u64, proof: Vec<Hash>, note: Note) -> Result<Self, WitnessRequestError> {
        if proof.len() > MAX_PROOF_HASHES {
            return Err(WitnessRequestError::TooManyHashes);
        }
        let (claimed, _) = Checkpoint::parse_text_with_extensions(note.text())?;
        Ok(Self {
            old_size,
            proof,
            note,
            claimed,
        })
    }

    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, WitnessRequestError> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(WitnessRequestError::TooLong { got: body.len() });
        }
        let text = core::str::from_utf8(body).map_err(|_| WitnessRequestError::Text)?;
        let (head, note) = text.split_once("\n\n").ok_or(WitnessRequestError::Text)?;
        let mut lines = (1usize..).zip(head.split('\n'));
        let old_size = lines
            .next()
            .and_then(|(_, line)| parse_decimal(line.strip_prefix("old ")?))
            .ok_or(WitnessRequestError::Line { line: 1 })?;
        let mut proof = Vec::new();
        for (line, text) in lines {
            if proof.len() >= MAX_PROOF_HASHES {
                return Err(WitnessRequestError::TooManyHashes);
            }
            proof.push(Hash::parse_base64(text).ok_or(WitnessRequestError::Line { line })?);
        }
        Self::new(old_size, proof, Note::parse(note.as_bytes())?)
    }

    /// The body as text.
    pub fn encode(&self) -> String {
        alloc::format!("{self}")
    }

    /// Size from which the proof leads.
    pub fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The consistency proof.
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The checkpoint, not verified.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Origin that the checkpoint claims: which log's keys and state to look up.
    pub fn origin(&self) -> &Origin {
        &self.claimed.origin
    }
}

impl fmt::Display for AddCheckpointRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof
            .iter()
            .try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

/// The latest checkpoint of a log that a witness cosigned, all that it must remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WitnessedState {
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Time of the last cosignature: later ones are never dated before it.
    pub time: CosignatureTime,
}

/// Why a witness does not cosign. Each variant is one HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the body cannot be parsed.
    #[error("malformed request")]
    Malformed(#[source] WitnessRequestError),
    /// 400: the old size is larger than the checkpoint's.
    #[error("old size {old} is larger than the checkpoint's size {new}")]
    OldSize {
        /// Size from which the proof is said to lead.
        old: u64,
        /// Size of the checkpoint.
        new: u64,
    },
    /// 404: the witness does not know the log.
    #[error("log is not known to this witness")]
    UnknownOrigin,
    /// 403: no trusted key of the log signed the checkpoint, or one signed wrongly.
    #[error("checkpoint is not signed by a trusted key of the log")]
    Signature(#[source] CheckpointError),
    /// 409: the old size is not the one that the witness cosigned last.
    #[error("latest cosigned checkpoint has size {size}")]
    SizeConflict {
        /// Size that the witness has.
        size: u64,
    },
    /// 409: same size as the last cosigned checkpoint, other root. The log has forked.
    #[error("latest cosigned checkpoint has the same size {size} and another root")]
    RootConflict {
        /// Size that the witness has.
        size: u64,
    },
    /// 422: the consistency proof does not lead from the last cosigned checkpoint to this one.
    #[error("consistency proof was refused")]
    Proof(#[source] ProofError),
}

impl Refusal {
    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldSize { .. } => 400,
            Self::Signature(_) => 403,
            Self::UnknownOrigin => 404,
            Self::SizeConflict { .. } | Self::RootConflict { .. } => 409,
            Self::Proof(_) => 422,
        }
    }

    /// The size that a 409 answer names, as its body says it.
    pub fn conflicting_size(&self) -> Option<u64> {
        match self {
            Self::SizeConflict { size } | Self::RootConflict { size } => Some(*size),
            _ => None,
        }
    }

    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(error) => error.code(),
            Self::OldSize { .. } => "log.witness.request-malformed",
            Self::UnknownOrigin => "log.witness.origin-unknown",
            Self::Signature(_) => "log.witness.signature-refused",
            Self::SizeConflict { .. } => "log.witness.size-conflict",
            Self::RootConflict { .. } => "log.witness.root-conflict",
            Self::Proof(_) => "log.witness.proof-refused",
        }
    }

    /// Whether the request could not be read or a check on it failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) | Self::OldSize { .. } => ErrorKind::Malformed,
            _ => ErrorKind::Rejected,
        }
    }
}

impl From<WitnessRequestError> for Refusal {
    fn from(error: WitnessRequestError) -> Self {
        Self::Malformed(error)
    }
}

/// What a witness does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Persist the state of the accepted checkpoint, then answer 200 with its cosignature.
    Cosign(AcceptedCheckpoint),
    /// Answer with the refusal's status; the state stays as it is.
    Refuse(Refusal),
}

/// A checkpoint that extends what the witness cosigned before. Made only by [`judge_add_checkpoint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedCheckpoint {
    checkpoint: VerifiedCheckpoint,
    previous: Option<CosignatureTime>,
}

impl AcceptedCheckpoint {
    /// The checkpoint.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// Cosigns at `now`, or at the time of the previous cosignature if the clock went back since.
    ///
    /// The state must be on stable storage before the signature leaves the witness.
    pub fn cosign(
        &self,
        signer: &CosignatureSigner,
        now: CosignatureTime,
    ) -> (WitnessedState, NoteSignature) {
        let time = self.previous.map_or(now, |previous| previous.max(now));
        let state = WitnessedState {
            size: self.checkpoint.size(),
            root: *self.checkpoint.root(),
            time,
        };
        (state, signer.cosign(&self.checkpoint, time))
    }
}

/// Decides about a request, given what the witness cosigned last of this log and the keys that it trusts for the origin.
///
/// `keys` is empty for an unknown origin. Deciding and storing the new state must be one atomic step per log.
pub fn judge_add_checkpoint(
    state: Option<&WitnessedState>,
    request: &AddCheckpointRequest,
    keys: &[VerifierKey],
) -> Decision {
    match accept(state, request, keys) {
        Ok(accepted) => Decision::Cosign(accepted),
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn accept(
    state: Option<&WitnessedState>,
    request: &AddCheckpointRequest,
    keys: &[VerifierKey],
) -> Result<AcceptedCheckpoint, Refusal> {
    if keys.is_empty() {
        return Err(Refusal::UnknownOrigin);
    }
    let note = alloc::format!("{}", request.note);
    let checkpoint = open_foreign_checkpoint(note.as_bytes(), request.origin(), keys)
        .map_err(Refusal::Signature)?;
    let (old, new) = (request.old_size, checkpoint.size());
    if old > new {
        return Err(Refusal::OldSize { old, new });
    }
    let (size, root) = state.map_or((0, EMPTY_ROOT), |state| (state.size, state.root));
    if old != size {
        return Err(Refusal::SizeConflict { size });
    }
    if new == size && *checkpoint.root() != root {
        return Err(Refusal::RootConflict { size });
    }
    verify_consistency(size, &root, new, checkpoint.root(), &request.proof)
        .map_err(Refusal::Proof)?;
    Ok(AcceptedCheckpoint {
        checkpoint,
        previous: state.map(|state| state.time),
    })
}
