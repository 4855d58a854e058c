//! C2SP tlog-proof@v1: an inclusion proof with its checkpoint and cosignatures, verifiable offline.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{
    ErrorKind,
    checkpoint::{CheckpointError, VerifiedCheckpoint, open_checkpoint},
    cosignature::{CosignatureError, CosignatureTime, verify_cosignature},
    encoding::{base64_decode, base64_encode, parse_decimal},
    merkle::{Hash, MAX_PROOF_HASHES, ProofError, verify_inclusion},
    note::{MAX_NOTE_BYTES, Note, NoteError, VerifierKey},
};

/// First line of a proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Largest number of bytes in the `extra` line, before base64.
pub const MAX_EXTRA_BYTES: usize = 16 * 1024;

/// Longest proof that is looked at: all parts at their limits.
const MAX_TEXT_BYTES: usize = MAX_NOTE_BYTES + 32 * 1024;

/// Why a proof was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// Longer than any proof within the limits.
    #[error("proof has {got} bytes, more than {MAX_TEXT_BYTES}")]
    TooLong {
        /// Length in bytes.
        got: usize,
    },
    /// Not UTF-8, or the checkpoint is missing.
    #[error("proof is not UTF-8 text with an empty line before a checkpoint")]
    Text,
    /// A line before the checkpoint is not what it should be; line numbers start at 1.
    #[error("line {line} of the proof is malformed")]
    Line {
        /// Number of the line.
        line: usize,
    },
    /// The extra data is longer than [`MAX_EXTRA_BYTES`].
    #[error("extra data has {got} bytes, more than {MAX_EXTRA_BYTES}")]
    Extra {
        /// Length in bytes.
        got: usize,
    },
    /// More than [`MAX_PROOF_HASHES`] hashes.
    #[error("proof has more than {MAX_PROOF_HASHES} hashes")]
    TooManyHashes,
    /// The note of the checkpoint was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint was refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The hashes do not lead from the leaf to the root of the checkpoint.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
    /// A signature that names a trusted witness does not verify.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
}

impl TlogProofError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::Inclusion(error) => error.code(),
            Self::Cosignature(error) => error.code(),
            _ => "log.proof.malformed",
        }
    }

    /// Whether the proof could not be read or a check on it failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Note(error) => error.kind(),
            Self::Checkpoint(error) => error.kind(),
            Self::Inclusion(error) => error.kind(),
            Self::Cosignature(error) => error.kind(),
            _ => ErrorKind::Malformed,
        }
    }
}

/// A parsed or assembled proof, not verified. `Display` prints the tlog-proof text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: Note,
    extra: Option<Vec<u8>>,
}

impl TlogProof {
    /// Assembles a proof from its parts.
    pub fn new(index: u64, hashes: Vec<Hash>, checkpoint: Note) -> Result<Self, TlogProofError> {
        if hashes.len() > MAX_PROOF_HASHES {
            return Err(TlogProofError::TooManyHashes);
        }
        Ok(Self {
            index,
            hashes,
            checkpoint,
            extra: None,
        })
    }

    /// Adds extra data, which nothing authenticates.
    pub fn with_extra(mut self, extra: Vec<u8>) -> Result<Self, TlogProofError> {
        if extra.len() > MAX_EXTRA_BYTES {
            return Err(TlogProofError::Extra { got: extra.len() });
        }
        self.extra = Some(extra);
        Ok(self)
    }

    /// Index of the leaf, as claimed.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, from the leaf's sibling up.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The checkpoint, as claimed.
    pub fn checkpoint(&self) -> &Note {
        &self.checkpoint
    }

    /// The extra data. Not authenticated.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Parses the text of a proof.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(TlogProofError::TooLong { got: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| TlogProofError::Text)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError::Text)?;
        let mut lines = (1usize..).zip(head.split('\n')).peekable();
        match lines.next() {
            Some((_, HEADER)) => {}
            _ => return Err(TlogProofError::Line { line: 1 }),
        }
        let mut extra = None;
        if let Some((line, data)) = lines
            .peek()
            .and_then(|(line, text)| text.strip_prefix("extra ").map(|data| (*line, data)))
        {
            extra = Some(parse_extra(line, data)?);
            lines.next();
        }
        let index_line = if extra.is_some() { 3 } else { 2 };
        let index = lines
            .next()
            .and_then(|(_, text)| parse_decimal(text.strip_prefix("index ")?))
            .ok_or(TlogProofError::Line { line: index_line })?;
        let mut hashes = Vec::new();
        for (line, text) in lines {
            if hashes.len() >= MAX_PROOF_HASHES {
                return Err(TlogProofError::TooManyHashes);
            }
            hashes.push(Hash::parse_base64(text).ok_or(TlogProofError::Line { line })?);
        }
        Ok(Self {
            index,
            hashes,
            checkpoint: Note::parse(checkpoint.as_bytes())?,
            extra,
        })
    }

    /// The text of the proof.
    pub fn encode(&self) -> String {
        alloc::format!("{self}")
    }
}

fn parse_extra(line: usize, data: &str) -> Result<Vec<u8>, TlogProofError> {
    let extra = base64_decode(data).ok_or(TlogProofError::Line { line })?;
    if extra.len() > MAX_EXTRA_BYTES {
        return Err(TlogProofError::Extra { got: extra.len() });
    }
    Ok(extra)
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64_encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes
            .iter()
            .try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// A witness's cosignature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    witness: VerifierKey,
    time: CosignatureTime,
}

impl Cosigned {
    /// Key of the witness.
    pub fn witness(&self) -> &VerifierKey {
        &self.witness
    }

    /// When the witness cosigned.
    pub fn time(&self) -> CosignatureTime {
        self.time
    }
}

/// Proof that a leaf is in a log: index, checkpoint, and who cosigned it. Made only by [`verify_tlog_proof`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    index: u64,
    leaf: Hash,
    checkpoint: VerifiedCheckpoint,
    cosignatures: Vec<Cosigned>,
}

impl Included {
    /// Index of the leaf.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Hash of the leaf.
    pub fn leaf(&self) -> &Hash {
        &self.leaf
    }

    /// The checkpoint that covers the leaf.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// Trusted witnesses that cosigned, each public key once, with the earliest time of each.
    ///
    /// How many are enough is the caller's policy; a key that is the log's own never counts.
    pub fn cosignatures(&self) -> &[Cosigned] {
        &self.cosignatures
    }
}

/// Verifies that a leaf (see [`crate::leaf_hash`]) is in the log with key `log`, and which of `witnesses` cosigned.
///
/// Signatures by others are ignored; one that names the log or a trusted witness and does not verify is an error.
pub fn verify_tlog_proof(
    leaf: &Hash,
    proof: &TlogProof,
    log: &VerifierKey,
    witnesses: &[VerifierKey],
) -> Result<Included, TlogProofError> {
    let checkpoint = open_checkpoint(alloc::format!("{}", proof.checkpoint).as_bytes(), log)?;
    verify_inclusion(
        proof.index,
        checkpoint.size(),
        leaf,
        checkpoint.root(),
        &proof.hashes,
    )?;
    let mut cosignatures: Vec<Cosigned> = Vec::new();
    for signature in proof.checkpoint.signatures() {
        let Some(witness) = witnesses.iter().find(|witness| signature.names(witness)) else {
            continue;
        };
        let time = verify_cosignature(&checkpoint, signature, witness)?;
        // The message does not name the witness: one key under two names is one witness.
        if witness.public_key() == log.public_key() {
            continue;
        }
        let known = cosignatures
            .iter_mut()
            .find(|known| known.witness.public_key() == witness.public_key());
        match known {
            Some(known) => known.time = known.time.min(time),
            None => cosignatures.push(Cosigned {
                witness: witness.clone(),
                time,
            }),
        }
    }
    Ok(Included {
        index: proof.index,
        leaf: *leaf,
        checkpoint,
        cosignatures,
    })
}
