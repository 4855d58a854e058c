//! C2SP signed-note: text signed by one or more keys, key names, verifier keys.

mod key;
mod name;
mod signed;
mod signer;

pub use key::{KeyId, KeyType, VerifierKey, VerifierKeyError};
pub use name::NoteKeyName;
pub use signed::{
    MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, Note, NoteError, NoteSignature, OpenedNote,
    VerifiedSignature, open_note, parse_signature_lines,
};
pub use signer::NoteSigner;
