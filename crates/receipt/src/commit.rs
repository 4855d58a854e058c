//! Salted commitments (specs/01-receipt.md §5): one secret per receipt, one key per scope, one salt per field.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use hkdf::Hkdf;
use proofmark_tlog::{Hash, leaf_hash, node_hash};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::digest::sha256;
use crate::{Body, Commitment, ReceiptId, Root, TokenTree};

/// Pieces into which a text is cut (§4.8).
pub const TEXT_PIECE_BYTES: usize = 256;
/// Token ids per leaf (§4.9).
pub const TOKENS_PER_LEAF: usize = 256;

/// The 32 bytes from which all salts of one receipt derive. Whoever has it can open every commitment of the receipt
/// and decrypt its contents; erasing it erases the link. Zeroized on drop, never printed.
#[derive(Clone)]
pub struct ReceiptSecret(Zeroizing<[u8; 32]>);

impl ReceiptSecret {
    /// A secret from 32 bytes of a secure source, the caller's or the node's.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to store or hand to the caller.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ReceiptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptSecret(redacted)")
    }
}

impl PartialEq for ReceiptSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

fn expand(key: &[u8; 32], label: &[u8], context: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0_u8; 32]);
    // A 32-byte key is always long enough for a PRK, and 32 bytes is always short enough for the output.
    if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(key) {
        let _ = hkdf.expand_multi_info(&[label, context], out.as_mut_slice());
    }
    out
}

/// Derives the scopes of one receipt from its secret.
pub struct Salts {
    prk: Zeroizing<[u8; 32]>,
}

impl Salts {
    /// The schedule of the receipt `id`: a secret that is used twice still gives unrelated salts.
    pub fn new(secret: &ReceiptSecret, id: &ReceiptId) -> Self {
        let mut salt = b"proofmark/receipt/1/secret\n".to_vec();
        salt.extend_from_slice(id.as_bytes());
        let (prk, _) = Hkdf::<Sha256>::extract(Some(&salt), secret.expose());
        Self {
            prk: Zeroizing::new(prk.into()),
        }
    }

    /// The key of `scope`, such as `received` or `output/0`.
    pub fn scope(&self, scope: &str) -> ScopeKey {
        ScopeKey(expand(
            &self.prk,
            b"proofmark/receipt/1/scope\n",
            scope.as_bytes(),
        ))
    }

    /// Key under which the contents are stored at rest (§5.7).
    pub fn content_key(&self) -> Zeroizing<[u8; 32]> {
        expand(&self.prk, b"proofmark/receipt/1/content\n", &[])
    }
}

impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salts(redacted)")
    }
}

/// Opens everything in one scope, and nothing else. Zeroized on drop, never printed.
#[derive(Clone)]
pub struct ScopeKey(Zeroizing<[u8; 32]>);

impl ScopeKey {
    /// A scope key that somebody disclosed.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to disclose.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Salt of the field `name`.
    pub fn salt(&self, name: &str) -> [u8; 32] {
        *expand(&self.0, b"proofmark/receipt/1/salt\n", name.as_bytes())
    }

    /// Commitment to `value` under `name`.
    pub fn commit(&self, name: &str, value: &[u8]) -> Commitment {
        self.commit_parts(name, value.len() as u64, core::iter::once(value))
    }

    /// The same for a value that lies in pieces, `length` bytes in all. With another `length` the commitment does not
    /// open.
    pub fn commit_parts<'v>(
        &self,
        name: &str,
        length: u64,
        parts: impl Iterator<Item = &'v [u8]>,
    ) -> Commitment {
        commit_with_salt(&self.salt(name), name, length, parts)
    }

    /// Commitment to a request body (§4.4): `parts` are its bytes, `length` in all; `fields` its fields as (name, JSON
    /// text), the name without `fields/`, such as `messages/0`.
    pub fn commit_body<'v>(
        &self,
        length: u64,
        parts: impl Iterator<Item = &'v [u8]>,
        fields: impl Iterator<Item = (String, &'v [u8])>,
    ) -> Body {
        let mut tree = FieldTree::new();
        for (name, value) in fields {
            tree.push(self.commit(&format!("fields/{name}"), value));
        }
        Body {
            length,
            raw: self.commit_parts("raw", length, parts),
            fields_root: tree.root(),
            fields: tree.len(),
        }
    }
}

impl PartialEq for ScopeKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for ScopeKey {}

impl fmt::Debug for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScopeKey(redacted)")
    }
}

/// Commitment to `value` under `name` with a salt that somebody disclosed, and no more than that salt.
pub fn commit_salted(salt: &[u8; 32], name: &str, value: &[u8]) -> Commitment {
    commit_with_salt(salt, name, value.len() as u64, core::iter::once(value))
}

/// §5.4 with the salt given.
pub(crate) fn commit_with_salt<'v>(
    salt: &[u8; 32],
    name: &str,
    length: u64,
    parts: impl Iterator<Item = &'v [u8]>,
) -> Commitment {
    let mut hasher = Sha256::new();
    hasher.update(b"proofmark/receipt/1/field\n");
    hasher.update((name.len() as u64).to_be_bytes());
    hasher.update(name.as_bytes());
    hasher.update(salt);
    hasher.update(length.to_be_bytes());
    for part in parts {
        hasher.update(part);
    }
    Commitment(hasher.finalize().into())
}

/// An RFC 6962 tree whose leaf data are field commitments (§5.5).
#[derive(Debug, Default, Clone)]
pub struct FieldTree {
    leaves: Vec<Hash>,
}

impl FieldTree {
    /// A tree without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn push(&mut self, commitment: Commitment) {
        self.leaves.push(leaf_hash(commitment.as_bytes()));
    }

    /// Number of fields.
    pub fn len(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The root.
    pub fn root(&self) -> Root {
        Root(*subtree_root(&self.leaves).as_bytes())
    }

    /// Inclusion path of field `index`, from the leaf to the root (RFC 9162 §2.1.3.1).
    pub fn path(&self, index: u64) -> Option<Vec<Hash>> {
        let mut path = Vec::new();
        let mut index = usize::try_from(index).ok()?;
        let mut leaves = self.leaves.as_slice();
        leaves.get(index)?;
        while leaves.len() > 1 {
            let (left, right) = leaves.split_at_checked(split_point(leaves.len()))?;
            if let Some(in_right) = index.checked_sub(left.len()) {
                path.push(subtree_root(left));
                (leaves, index) = (right, in_right);
            } else {
                path.push(subtree_root(right));
                leaves = left;
            }
        }
        path.reverse();
        Some(path)
    }
}

/// The largest power of two smaller than `len`, which is at least 2.
fn split_point(len: usize) -> usize {
    1_usize
        .checked_shl(len.saturating_sub(1).checked_ilog2().unwrap_or(0))
        .unwrap_or(1)
}

fn subtree_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => proofmark_tlog::EMPTY_ROOT,
        [one] => *one,
        [left, right] => node_hash(left, right),
        more => {
            let (left, right) = more
                .split_at_checked(split_point(more.len()))
                .unwrap_or((more, &[]));
            node_hash(&subtree_root(left), &subtree_root(right))
        }
    }
}

/// Commits to a text in pieces of [`TEXT_PIECE_BYTES`] under the scope's `text/<j>` names.
pub fn commit_text(scope: &ScopeKey, text: &[u8]) -> FieldTree {
    let mut tree = FieldTree::new();
    for (j, piece) in text.chunks(TEXT_PIECE_BYTES).enumerate() {
        tree.push(scope.commit(&format!("text/{j}"), piece));
    }
    tree
}

/// Commits to token ids under the scope's `<prefix>/<j>` names; `prefix` is `in` or `out` (§4.9).
pub fn commit_tokens(scope: &ScopeKey, prefix: &str, tokens: &[u32]) -> TokenTree {
    let mut tree = FieldTree::new();
    for (j, ids) in tokens.chunks(TOKENS_PER_LEAF).enumerate() {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
        tree.push(scope.commit(&format!("{prefix}/{j}"), &bytes));
    }
    TokenTree {
        count: tokens.len() as u64,
        root: tree.root(),
    }
}

/// Chain over the events of a stream, as they are sent (§5.6).
#[derive(Debug, Clone)]
pub struct StreamChain {
    scope: ScopeKey,
    events: u64,
    head: [u8; 32],
}

impl StreamChain {
    /// The chain before the first event; `scope` is the scope `stream` of the receipt `id`.
    pub fn new(id: &ReceiptId, scope: ScopeKey) -> Self {
        Self {
            scope,
            events: 0,
            head: Self::first_head(id),
        }
    }

    /// Head of the chain before the first event.
    pub(crate) fn first_head(id: &ReceiptId) -> [u8; 32] {
        sha256(&[b"proofmark/receipt/1/stream\n", id.as_bytes()])
    }

    /// Adds the data of the next event.
    pub fn push(&mut self, data: &[u8]) {
        let commitment = self
            .scope
            .commit(&format!("{}", self.events.saturating_add(1)), data);
        self.head = sha256(&[
            b"proofmark/receipt/1/stream-step\n",
            &self.head,
            commitment.as_bytes(),
        ]);
        self.events = self.events.saturating_add(1);
    }

    /// The claim for the events so far.
    pub fn claim(&self) -> crate::StreamClaim {
        crate::StreamClaim {
            events: self.events,
            head: self.head,
        }
    }
}

#[cfg(test)]
mod tests;
