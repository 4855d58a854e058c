//! Ed25519 note signers (signature type 0x01).

use core::fmt;

use ed25519_dalek::{Signer, SigningKey};

use crate::note::{KeyType, Note, NoteError, NoteKeyName, NoteSignature, VerifierKey};

/// Signs notes with Ed25519. `Display` prints the vkey, `Debug` nothing more; the secret is wiped when dropped.
///
/// Trust: who holds a log's signer can sign two histories; only witnesses make that visible.
pub struct NoteSigner {
    secret: SigningKey,
    vkey: VerifierKey,
}

impl NoteSigner {
    /// Makes the signer of a 32-byte Ed25519 secret seed (RFC 8032 section 5.1.5). The caller wipes its own copy.
    pub fn from_seed(name: NoteKeyName, seed: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let vkey = VerifierKey::from_verifying_key(name, KeyType::Ed25519, secret.verifying_key());
        Self { secret, vkey }
    }

    /// Name of the key.
    pub fn name(&self) -> &NoteKeyName {
        self.vkey.name()
    }

    /// The verifier key that belongs to this signer.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Signs a text, which must end with a newline, and returns the note.
    pub fn sign(&self, text: &str) -> Result<Note, NoteError> {
        let mut note = Note::unsigned(text)?;
        let signature = self.secret.sign(note.text().as_bytes()).to_bytes();
        note.add_signature(NoteSignature::new(&self.vkey, &signature))?;
        Ok(note)
    }
}

impl fmt::Display for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.vkey.fmt(f)
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.vkey)
    }
}
