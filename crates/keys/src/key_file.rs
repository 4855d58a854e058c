//! The text form of one secret key, as it lies on the disk.
//!
//! ```text
//! proofmark key 1
//! role: node
//! name: node-1
//! suite: Ed25519
//! created: 1795000000
//! public: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
//! seed: nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=
//! checksum: 6f0a3c0d6c0f2f7a
//! ```
//!
//! The checksum is the first 8 bytes of the SHA-256 of everything before its line. It finds truncation and bad disks;
//! it protects from nobody who can write the file.

use std::fmt;
use std::str::{FromStr, Lines};

use base64ct::{Base64, Encoding as _};
use proofmark_receipt::{KeyId, PublicKey, SigningKey};
use proofmark_tlog::{NoteKeyName, NoteSigner};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Entropy, KeysError};

const VERSION_LINE: &str = "proofmark key 1";
/// Longest key file that is looked at, in bytes.
pub(crate) const KEY_FILE_MAX_BYTES: u64 = 4096;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRole {
    /// Key statements and revocations. Whoever has it can endorse keys of his own in the operator's name.
    Operator,
    /// Receipts. Whoever has it can sign as the node until its key statement ends or is revoked.
    Node,
    /// Checkpoints of the receipts log. Whoever has it can sign a second history; only witnesses make that visible.
    ReceiptsLog,
    /// Checkpoints of the registry log, likewise.
    RegistryLog,
    /// Cosignatures of other logs' checkpoints. Whoever has it can vouch for a second history.
    Witness,
}

impl KeyRole {
    const ALL: [Self; 5] = [
        Self::Operator,
        Self::Node,
        Self::ReceiptsLog,
        Self::RegistryLog,
        Self::Witness,
    ];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
            Self::ReceiptsLog => "receipts-log",
            Self::RegistryLog => "registry-log",
            Self::Witness => "witness",
        }
    }
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with a key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Empty: most likely a crash of something else, or a full disk.
    #[error("it is empty")]
    Empty,
    /// Of a later version, or no key file.
    #[error("its first line is not {VERSION_LINE:?}")]
    Version,
    /// It ends too early or a line was edited.
    #[error("line {line} is not `{expected}: …`: the file is truncated or was edited")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What stands there in a whole file.
        expected: &'static str,
    },
    /// Its bytes changed after they were written.
    #[error("its checksum is wrong: the file is damaged or was edited")]
    Checksum,
    /// More lines after the checksum.
    #[error("something stands after the checksum")]
    Trailing,
    /// The key is not the one for this place.
    #[error("it holds a key of the role {got}, not {expected}")]
    Role {
        /// The role for this place.
        expected: KeyRole,
        /// The role in the file.
        got: KeyRole,
    },
    /// The two halves of the key do not belong together.
    #[error("its public key is not that of its seed")]
    Public,
    /// The name cannot be a note key's.
    #[error("its name cannot be the name of a key")]
    Name,
}

/// A secret key with what it is for. Zeroized on drop; `Debug` prints the key id only.
#[derive(Clone)]
pub struct KeyFile {
    role: KeyRole,
    name: NoteKeyName,
    created_s: u64,
    seed: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

impl KeyFile {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`KeysError::Entropy`]; [`KeysError::Name`] for a name that C2SP signed-note does not allow.
    pub fn generate(
        role: KeyRole,
        name: &str,
        now_s: u64,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, KeysError> {
        let name = NoteKeyName::parse(name).map_err(|_| KeysError::Name { given: name.into() })?;
        let mut seed = Zeroizing::new([0_u8; 32]);
        entropy.fill(seed.as_mut_slice())?;
        let public = SigningKey::from_seed(&seed).public();
        Ok(Self {
            role,
            name,
            created_s: now_s,
            seed,
            public,
        })
    }

    /// What the key signs.
    pub fn role(&self) -> KeyRole {
        self.role
    }

    /// Name of the key: the operator's or the node's, or the origin of the log.
    pub fn name(&self) -> &NoteKeyName {
        &self.name
    }

    /// When it was made, Unix seconds.
    pub fn created_s(&self) -> u64 {
        self.created_s
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key id.
    pub fn kid(&self) -> KeyId {
        self.public.kid()
    }

    /// The key as a signer of receipts and statements.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.seed)
    }

    /// The key as a signer of notes.
    pub fn note_signer(&self) -> NoteSigner {
        NoteSigner::from_seed(self.name.clone(), &self.seed)
    }

    /// The 32-byte seed, for signers of other formats (cosignatures).
    pub fn expose_seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The text of the file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut seed = Zeroizing::new([0_u8; 44]);
        let mut text = Zeroizing::new(String::with_capacity(512));
        text.push_str(&format!(
            "{VERSION_LINE}\nrole: {}\nname: {}\nsuite: Ed25519\ncreated: {}\npublic: {}\nseed: ",
            self.role,
            self.name,
            self.created_s,
            Base64::encode_string(self.public.as_bytes()),
        ));
        // 32 bytes are 44 characters: the buffer always fits.
        if let Ok(encoded) = Base64::encode(self.seed.as_slice(), seed.as_mut_slice()) {
            text.push_str(encoded);
        }
        text.push('\n');
        let checksum = checksum(&text);
        text.push_str(&format!("checksum: {checksum}\n"));
        text
    }

    /// Parses the text of a file that must hold a key of the role `expected`.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn parse(text: &str, expected: KeyRole) -> Result<Self, KeyFileError> {
        if text.is_empty() {
            return Err(KeyFileError::Empty);
        }
        let mut fields = Fields::new(text)?;
        let role = fields.parse("role", |word| {
            KeyRole::ALL.into_iter().find(|role| role.as_str() == word)
        })?;
        let name = fields.text("name")?;
        fields.parse("suite", |suite| (suite == "Ed25519").then_some(()))?;
        let created_s = fields.parse("created", |seconds| u64::from_str(seconds).ok())?;
        let public = fields.parse("public", decode_32)?;
        let seed = fields.parse("seed", decode_32)?;
        fields.checksum(text)?;
        if role != expected {
            return Err(KeyFileError::Role {
                expected,
                got: role,
            });
        }
        let name = NoteKeyName::parse(name).map_err(|_| KeyFileError::Name)?;
        let derived = SigningKey::from_seed(&seed).public();
        if derived.as_bytes() != public.as_slice() {
            return Err(KeyFileError::Public);
        }
        Ok(Self {
            role,
            name,
            created_s,
            seed,
            public: derived,
        })
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "KeyFile({} {}, kid {}, secret redacted)",
            self.role,
            self.name,
            self.kid()
        )
    }
}

fn decode_32(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let length = Base64::decode(text, bytes.as_mut_slice()).ok()?.len();
    (length == 32).then_some(bytes)
}

fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The lines of a file, in their fixed order.
struct Fields<'t> {
    lines: Lines<'t>,
    line: usize,
}

impl<'t> Fields<'t> {
    fn new(text: &'t str) -> Result<Self, KeyFileError> {
        let mut lines = text.lines();
        if lines.next() == Some(VERSION_LINE) {
            Ok(Self { lines, line: 1 })
        } else {
            Err(KeyFileError::Version)
        }
    }

    fn text(&mut self, expected: &'static str) -> Result<&'t str, KeyFileError> {
        self.line += 1;
        let line = self.line;
        self.lines
            .next()
            .and_then(|text| text.strip_prefix(expected)?.strip_prefix(": "))
            .ok_or(KeyFileError::Line { line, expected })
    }

    fn parse<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, KeyFileError> {
        let text = self.text(expected)?;
        parse(text).ok_or(KeyFileError::Line {
            line: self.line,
            expected,
        })
    }

    fn checksum(mut self, text: &str) -> Result<(), KeyFileError> {
        let got = self.text("checksum")?;
        if self.lines.next().is_some() {
            return Err(KeyFileError::Trailing);
        }
        let covered = text
            .rfind("checksum: ")
            .map_or(text, |at| text.split_at(at).0);
        let whole = text.ends_with('\n') && got == checksum(covered);
        if whole {
            Ok(())
        } else {
            Err(KeyFileError::Checksum)
        }
    }
}

#[cfg(test)]
mod tests;
