//! C2SP tlog-cosignature: `cosignature/v1`, a witness's timestamped Ed25519 signature of a checkpoint (type 0x04).

use alloc::{format, vec::Vec};
use core::fmt;

use ed25519_dalek::{Signer, SigningKey};

use crate::{
    ErrorKind,
    checkpoint::VerifiedCheckpoint,
    note::{KeyType, NoteError, NoteKeyName, NoteSignature, VerifierKey},
};

/// Largest timestamp of a cosignature, in seconds.
pub const MAX_TIMESTAMP_S: u64 = (1 << 63) - 1;

/// Time of a cosignature in seconds since the Unix epoch; the witness says that it had seen the checkpoint by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CosignatureTime(u64);

impl CosignatureTime {
    /// Takes seconds since the Unix epoch, up to [`MAX_TIMESTAMP_S`].
    pub const fn from_unix_s(unix_s: u64) -> Option<Self> {
        if unix_s <= MAX_TIMESTAMP_S {
            Some(Self(unix_s))
        } else {
            None
        }
    }

    /// Takes milliseconds since the Unix epoch, rounded down to seconds.
    pub const fn from_unix_ms(unix_ms: u64) -> Self {
        Self(unix_ms / 1000)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix_s(self) -> u64 {
        self.0
    }
}

/// Why a cosignature was not made or not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// The key is not a cosigner key (type 0x04). The caller's configuration is wrong.
    #[error("{name} is not a cosigner key")]
    KeyType {
        /// Name of the key that was given.
        name: NoteKeyName,
    },
    /// The signature line names another key.
    #[error("signature names key {got}, expected {expected}")]
    OtherKey {
        /// Name that was asked for.
        expected: NoteKeyName,
        /// Name in the line.
        got: NoteKeyName,
    },
    /// The signature does not verify: altered, or made over another checkpoint.
    #[error("cosignature by {name} does not verify")]
    Signature {
        /// Name of the witness.
        name: NoteKeyName,
    },
    /// The note cannot take another signature.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl CosignatureError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyType { .. } => "log.cosignature.key-type",
            Self::OtherKey { .. } => "log.cosignature.key-unknown",
            Self::Signature { .. } => "log.cosignature.invalid",
            Self::Note(error) => error.code(),
        }
    }

    /// Whether the bytes could not be read or a check on them failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Note(error) => error.kind(),
            _ => ErrorKind::Rejected,
        }
    }
}

/// Cosigns checkpoints. `Display` prints the vkey, `Debug` nothing more; the secret is wiped when dropped.
///
/// Trust: a witness vouches that it signed one history only; its key must not be the log's, nor in the log operator's hands.
pub struct CosignatureSigner {
    secret: SigningKey,
    vkey: VerifierKey,
}

impl CosignatureSigner {
    /// Makes the cosigner of a 32-byte Ed25519 secret seed. The caller wipes its own copy.
    ///
    /// The signed message does not name the witness: a seed must serve one witness name only.
    pub fn from_seed(name: NoteKeyName, seed: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let vkey =
            VerifierKey::from_verifying_key(name, KeyType::CosignatureV1, secret.verifying_key());
        Self { secret, vkey }
    }

    /// Name of the key.
    pub fn name(&self) -> &NoteKeyName {
        self.vkey.name()
    }

    /// The verifier key that belongs to this cosigner.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Cosigns a checkpoint whose log signature was verified.
    ///
    /// Says: at this time, this is the largest tree seen of this log, and it extends all that were cosigned before.
    /// Keeping that true is the caller's duty; [`crate::judge_add_checkpoint`] does.
    pub fn cosign(&self, checkpoint: &VerifiedCheckpoint, time: CosignatureTime) -> NoteSignature {
        let message = cosigned_message(checkpoint.note().text(), time);
        let mut signature = Vec::with_capacity(72);
        signature.extend_from_slice(&time.0.to_be_bytes());
        signature.extend_from_slice(&self.secret.sign(&message).to_bytes());
        NoteSignature::new(&self.vkey, &signature)
    }
}

impl fmt::Display for CosignatureSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.vkey.fmt(f)
    }
}

impl fmt::Debug for CosignatureSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignatureSigner({})", self.vkey)
    }
}

/// Verifies one signature line as a cosignature of a checkpoint by `witness`.
pub fn verify_cosignature(
    checkpoint: &VerifiedCheckpoint,
    signature: &NoteSignature,
    witness: &VerifierKey,
) -> Result<CosignatureTime, CosignatureError> {
    if witness.key_type() != KeyType::CosignatureV1 {
        return Err(CosignatureError::KeyType {
            name: witness.name().clone(),
        });
    }
    if !signature.names(witness) {
        return Err(CosignatureError::OtherKey {
            expected: witness.name().clone(),
            got: signature.name().clone(),
        });
    }
    witness
        .verify(checkpoint.note().text(), signature.bytes())
        .flatten()
        .ok_or_else(|| CosignatureError::Signature {
            name: witness.name().clone(),
        })
}

impl VerifiedCheckpoint {
    /// Verifies a cosignature and adds it to the note.
    pub fn add_cosignature(
        &mut self,
        signature: &NoteSignature,
        witness: &VerifierKey,
    ) -> Result<CosignatureTime, CosignatureError> {
        let time = verify_cosignature(self, signature, witness)?;
        self.note_mut().add_signature(signature.clone())?;
        Ok(time)
    }
}

/// The message of a v1 cosignature: header line, time line, note text.
pub(crate) fn cosigned_message(text: &str, time: CosignatureTime) -> Vec<u8> {
    format!("cosignature/v1\ntime {}\n{text}", time.0).into_bytes()
}

/// Splits `timestamped_signature`: 8 bytes big-endian seconds, 64 bytes signature.
pub(crate) fn split_timestamped(bytes: &[u8]) -> Option<(CosignatureTime, &[u8; 64])> {
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    let time = CosignatureTime::from_unix_s(u64::from_be_bytes(*time))?;
    Some((time, signature.try_into().ok()?))
}
