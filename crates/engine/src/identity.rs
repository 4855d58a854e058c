//! What an engine calls itself in receipts.

use sha2::{Digest as _, Sha256};

/// Domain separator.
const DOMAIN: &[u8] = b"proofmark/engine/1/build\n";

/// Digest that names this engine: SHA-256 over its domain separator, the profiles of programs and models that it runs, and its crate's
/// version, each followed by a line feed.
///
/// It says which specification this build claims to follow and which release it is of. It is no digest of the machine code: instruction
/// sets, compilers and threads make no difference to results, so they make none here; that a build keeps what it claims is what the
/// self-test of a model, replays and the test vectors show.
pub fn engine_digest() -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    for part in [
        proofmark_program::PROGRAM_PROFILE,
        proofmark_program::MANIFEST_PROFILE,
        env!("CARGO_PKG_VERSION"),
    ] {
        hasher.update(part.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().into()
}
