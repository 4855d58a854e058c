//! Parsing, printing and opening of signed notes.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use crate::{
    ErrorKind,
    cosignature::CosignatureTime,
    encoding::{base64_decode, base64_encode},
    note::{KeyId, NoteKeyName, VerifierKey},
};

/// Longest note that is accepted, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// Largest number of signatures on a note (signed-note asks for at least 16).
pub const MAX_NOTE_SIGNATURES: usize = 100;

/// What every signature line starts with: em dash, space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Why a note was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("note has {got} bytes, more than {MAX_NOTE_BYTES}")]
    TooLong {
        /// Length of the note in bytes.
        got: usize,
    },
    /// Not UTF-8.
    #[error("note is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// A control character other than newline.
    #[error("note has a control character at byte {at}")]
    ControlCharacter {
        /// Offset of the character.
        at: usize,
    },
    /// The text does not end with a newline.
    #[error("note text does not end with a newline")]
    TextEnd,
    /// No empty line, or no signature lines after the last one.
    #[error("note has no signatures")]
    Unsigned,
    /// A line after the last empty line is not a signature line.
    #[error("signature line {line} is malformed")]
    SignatureLine {
        /// Number of the line among the signature lines, from 1.
        line: usize,
    },
    /// More than [`MAX_NOTE_SIGNATURES`] signatures.
    #[error("note has more than {MAX_NOTE_SIGNATURES} signatures")]
    TooManySignatures,
    /// A key name is empty, longer than 255 bytes, or contains white space, control characters or `+`.
    #[error("key name is empty, too long, or has a character that names must not have")]
    Name,
    /// A signature by a trusted key does not verify: the note was altered, or never signed by that key.
    #[error("signature by {name} (key id {id}) does not verify")]
    Signature {
        /// Name of the key.
        name: NoteKeyName,
        /// Id of the key.
        id: KeyId,
    },
    /// None of the signatures is by a trusted key.
    #[error("note has no signature by a known key ({ignored} by others)")]
    NoKnownKey {
        /// Number of signatures by other keys.
        ignored: usize,
    },
}

impl NoteError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signature { .. } => "note.signature.invalid",
            Self::NoKnownKey { .. } => "note.key.unknown",
            _ => "note.malformed",
        }
    }

    /// Whether the note could not be read or a check on it failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Signature { .. } | Self::NoKnownKey { .. } => ErrorKind::Rejected,
            _ => ErrorKind::Malformed,
        }
    }
}

/// One signature line, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: NoteKeyName,
    id: KeyId,
    signature: Vec<u8>,
}

impl NoteSignature {
    pub(crate) fn new(key: &VerifierKey, signature: &[u8]) -> Self {
        Self {
            name: key.name().clone(),
            id: key.id(),
            signature: signature.to_vec(),
        }
    }

    /// Name of the key that the line claims.
    pub fn name(&self) -> &NoteKeyName {
        &self.name
    }

    /// Id of the key that the line claims.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes after the key id.
    pub fn bytes(&self) -> &[u8] {
        &self.signature
    }

    /// Whether the line names this key; says nothing about the signature.
    pub fn names(&self, key: &VerifierKey) -> bool {
        self.name == *key.name() && self.id == key.id()
    }

    /// Parses a line without its newline.
    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let name = NoteKeyName::parse(name).ok()?;
        let bytes = base64_decode(signature)?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        if signature.is_empty() {
            return None;
        }
        Some(Self {
            name,
            id: KeyId::from_bytes(*id),
            signature: signature.to_vec(),
        })
    }
}

/// The signature line with its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend_from_slice(&self.signature);
        writeln!(
            f,
            "{SIGNATURE_PREFIX}{} {}",
            self.name,
            base64_encode(&bytes)
        )
    }
}

/// A parsed note. Its text means nothing before [`open_note`] accepted it.
///
/// `Display` prints the bytes that [`Note::parse`] accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A note without signatures, to be signed. The text must end with a newline.
    pub(crate) fn unsigned(text: &str) -> Result<Self, NoteError> {
        check_characters(text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextEnd);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        })
    }

    /// Parses a note with at least one signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { got: bytes.len() });
        }
        let note = core::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        check_characters(note)?;
        // The last empty line separates. The text keeps its own final newline.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        let signatures = parse_signature_lines(lines)?;
        let mut text = text.to_owned();
        text.push('\n');
        Ok(Self { text, signatures })
    }

    /// The signed text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature at the end. Refused if the note became larger than the limits.
    pub fn add_signature(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() >= MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        let got = self.to_string().len();
        if got > MAX_NOTE_BYTES {
            self.signatures.pop();
            return Err(NoteError::TooLong { got });
        }
        Ok(())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| signature.fmt(f))
    }
}

/// Parses 1 to [`MAX_NOTE_SIGNATURES`] signature lines, each ending with a newline, as a witness returns them.
pub fn parse_signature_lines(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    if lines.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLong { got: lines.len() });
    }
    let mut signatures = Vec::new();
    for (line, text) in (1usize..).zip(lines.split_inclusive('\n')) {
        if signatures.len() >= MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let signature = text.strip_suffix('\n').and_then(NoteSignature::parse);
        signatures.push(signature.ok_or(NoteError::SignatureLine { line })?);
    }
    if signatures.is_empty() {
        Err(NoteError::Unsigned)
    } else {
        Ok(signatures)
    }
}

/// A signature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSignature {
    key: VerifierKey,
    time: Option<CosignatureTime>,
}

impl VerifiedSignature {
    /// The key that made the signature.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// When, if the signature is a cosignature.
    pub fn time(&self) -> Option<CosignatureTime> {
        self.time
    }
}

/// A note of which at least one signature is by a trusted key, and every signature by a trusted key verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedNote {
    note: Note,
    verified: Vec<VerifiedSignature>,
    ignored: usize,
}

impl OpenedNote {
    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The signed text.
    pub fn text(&self) -> &str {
        &self.note.text
    }

    /// The signatures by trusted keys, in the order of the note.
    pub fn verified(&self) -> &[VerifiedSignature] {
        &self.verified
    }

    /// Number of signatures by unknown keys.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Gives the note back.
    pub fn into_note(self) -> Note {
        self.note
    }
}

/// Parses a note and verifies every signature that names one of `keys`.
///
/// Signatures by other keys are ignored and counted; a known key with a bad signature is an error.
pub fn open_note(bytes: &[u8], keys: &[VerifierKey]) -> Result<OpenedNote, NoteError> {
    verify_note(Note::parse(bytes)?, keys)
}

/// Verifies a parsed note, see [`open_note`].
pub(crate) fn verify_note(note: Note, keys: &[VerifierKey]) -> Result<OpenedNote, NoteError> {
    let mut verified = Vec::new();
    let mut ignored: usize = 0;
    for signature in &note.signatures {
        let Some(key) = keys.iter().find(|key| signature.names(key)) else {
            ignored = ignored.saturating_add(1);
            continue;
        };
        let time = key
            .verify(&note.text, &signature.signature)
            .ok_or_else(|| NoteError::Signature {
                name: signature.name.clone(),
                id: signature.id,
            })?;
        verified.push(VerifiedSignature {
            key: key.clone(),
            time,
        });
    }
    if verified.is_empty() {
        return Err(NoteError::NoKnownKey { ignored });
    }
    Ok(OpenedNote {
        note,
        verified,
        ignored,
    })
}

fn check_characters(note: &str) -> Result<(), NoteError> {
    match note.bytes().position(|byte| byte < 0x20 && byte != b'\n') {
        Some(at) => Err(NoteError::ControlCharacter { at }),
        None => Ok(()),
    }
}
