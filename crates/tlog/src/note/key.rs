//! Verifier keys and their text form, the vkey: `<name>+<key id, 8 hex digits>+<base64(type || public key)>`.

use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::{
    ErrorKind,
    cosignature::{CosignatureTime, cosigned_message, split_timestamped},
    encoding::{base64_decode, base64_encode},
    note::{NoteError, NoteKeyName},
};

/// Longest vkey that is looked at.
const MAX_VKEY_BYTES: usize = 512;

/// What a key signs and how: the signature type byte of signed-note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// 0x01: Ed25519 over the note text.
    Ed25519,
    /// 0x04: timestamped Ed25519 cosignature of a checkpoint (tlog-cosignature, `cosignature/v1`).
    CosignatureV1,
}

impl KeyType {
    /// The signature type byte.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::CosignatureV1),
            _ => None,
        }
    }
}

/// Four bytes that, with the name, tell which key made a signature. Not a commitment to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Takes the four bytes in front of a signature.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// Why a verifier key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierKeyError {
    /// Not `<name>+<8 lower-case hex digits>+<base64>`, or the key is not 32 bytes.
    #[error("verifier key is not <name>+<8 hex digits>+<base64>")]
    Malformed,
    /// The name breaks the rules of signed-note.
    #[error("verifier key has a bad name")]
    Name(#[source] NoteError),
    /// The key has a type other than 0x01 and 0x04.
    #[error("verifier key has unsupported signature type {got:#04x}")]
    Type {
        /// Type byte found.
        got: u8,
    },
    /// The key id is not the one of this name and key: one of the three was mistyped or replaced.
    #[error("verifier key says id {got}, its name and key give {expected}")]
    Id {
        /// Id computed from name, type and key.
        expected: KeyId,
        /// Id in the text.
        got: KeyId,
    },
    /// The 32 bytes are not a point in its one encoding, or a point of small order, for which anyone can sign.
    #[error("verifier key is not a usable Ed25519 point")]
    Point,
}

impl VerifierKeyError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed | Self::Name(_) => "note.vkey.malformed",
            Self::Type { .. } => "note.vkey.type-unsupported",
            Self::Id { .. } => "note.vkey.id-mismatch",
            Self::Point => "note.vkey.point-invalid",
        }
    }

    /// Whether the text could not be read or the key was refused.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed | Self::Name(_) => ErrorKind::Malformed,
            Self::Type { .. } | Self::Id { .. } | Self::Point => ErrorKind::Rejected,
        }
    }
}

/// A key that verifies note signatures. `Display` and [`VerifierKey::parse`] use the vkey form.
///
/// Trust: whoever chooses a verifier key decides what is accepted; it must come from configuration, never from the note.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: NoteKeyName,
    key_type: KeyType,
    key: VerifyingKey,
    id: KeyId,
}

impl VerifierKey {
    /// Makes a verifier key from an Ed25519 public key (RFC 8032 encoding).
    pub fn new(
        name: NoteKeyName,
        key_type: KeyType,
        public_key: &[u8; 32],
    ) -> Result<Self, VerifierKeyError> {
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| VerifierKeyError::Point)?;
        // A second encoding of the same point would be the same key under another id.
        let canonical = key.to_edwards().compress().to_bytes() == *public_key;
        if !canonical || key.is_weak() {
            return Err(VerifierKeyError::Point);
        }
        Ok(Self::from_verifying_key(name, key_type, key))
    }

    pub(crate) fn from_verifying_key(
        name: NoteKeyName,
        key_type: KeyType,
        key: VerifyingKey,
    ) -> Self {
        let [a, b, c, d, ..] = fingerprint(&name, key_type, key.as_bytes());
        Self {
            name,
            key_type,
            key,
            id: KeyId([a, b, c, d]),
        }
    }

    /// Parses a vkey and checks that its id is the one of its name and key.
    pub fn parse(vkey: &str) -> Result<Self, VerifierKeyError> {
        if vkey.len() > MAX_VKEY_BYTES {
            return Err(VerifierKeyError::Malformed);
        }
        // Base64 may contain `+` too: only the first two separate.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError::Malformed);
        };
        let name = NoteKeyName::parse(name).map_err(VerifierKeyError::Name)?;
        let got = parse_key_id(id).ok_or(VerifierKeyError::Malformed)?;
        let material = base64_decode(key).ok_or(VerifierKeyError::Malformed)?;
        let (type_byte, key) = material.split_first().ok_or(VerifierKeyError::Malformed)?;
        let key_type =
            KeyType::from_byte(*type_byte).ok_or(VerifierKeyError::Type { got: *type_byte })?;
        let key: &[u8; 32] = key.try_into().map_err(|_| VerifierKeyError::Malformed)?;
        let parsed = Self::new(name, key_type, key)?;
        if parsed.id == got {
            Ok(parsed)
        } else {
            Err(VerifierKeyError::Id {
                expected: parsed.id,
                got,
            })
        }
    }

    /// Name of the key.
    pub fn name(&self) -> &NoteKeyName {
        &self.name
    }

    /// Key id, as in front of its signatures.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Signature type.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The Ed25519 public key (RFC 8032 encoding).
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// SHA-256(name || 0x0A || type || public key): the whole of what the key id is the start of.
    ///
    /// It commits to the key and is what people should compare.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.name, self.key_type, self.key.as_bytes())
    }

    /// Verifies the signature bytes that follow the key id; for a cosignature, returns its time.
    pub(crate) fn verify(&self, text: &str, signature: &[u8]) -> Option<Option<CosignatureTime>> {
        match self.key_type {
            KeyType::Ed25519 => self
                .verify_ed25519(text.as_bytes(), signature.try_into().ok()?)
                .then_some(None),
            KeyType::CosignatureV1 => {
                let (time, signature) = split_timestamped(signature)?;
                self.verify_ed25519(&cosigned_message(text, time), signature)
                    .then_some(Some(time))
            }
        }
    }

    fn verify_ed25519(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut material = Vec::with_capacity(33);
        material.push(self.key_type.to_byte());
        material.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, self.id, base64_encode(&material))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

fn fingerprint(name: &NoteKeyName, key_type: KeyType, public_key: &[u8; 32]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(name.as_str());
    sha.update([b'\n', key_type.to_byte()]);
    sha.update(public_key);
    sha.finalize().into()
}

fn parse_key_id(text: &str) -> Option<KeyId> {
    let lower_hex = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 8 || !lower_hex {
        return None;
    }
    u32::from_str_radix(text, 16)
        .ok()
        .map(|id| KeyId(id.to_be_bytes()))
}
