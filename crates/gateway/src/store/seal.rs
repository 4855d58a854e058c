//! Sealing: contents are encrypted under the receipt's content key (specs/01-receipt.md §5.7) and bound to the receipt's id.
//!
//! ```text
//! sealed = u8 1 || nonce (12) || ChaCha20-Poly1305 (RFC 8439) of the contents, tag at the end
//! associated data = "proofmark/store/1/content\n" || receipt id (16)
//! ```
//!
//! The content key belongs to one receipt id and one secret, and one set of contents is sealed under it; the random nonce keeps even a
//! caller who breaks that rule from losing more than the equality of two contents.

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit as _, Nonce, Tag};
use proofmark_receipt::{ReceiptId, Salts};
use zeroize::Zeroizing;

use super::{Contents, Kept, StoreError};

/// Largest contents that can be configured to be kept, in bytes of request and answer. A bundle that discloses them all repeats most of
/// them, and stays below the bound of specs/01-receipt.md §1.3.
pub const MAX_CONTENT_BYTES: usize = 8 * 1024 * 1024;

/// Largest contents that are kept by default.
pub const DEFAULT_MAX_CONTENT_BYTES: usize = 4 * 1024 * 1024;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + NONCE_BYTES;
const DOMAIN: &[u8] = b"proofmark/store/1/content\n";
const PROOF_DOMAIN: &[u8] = b"proofmark/store/1/proof\n";

fn cipher(salts: &Salts) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*salts.content_key()))
}

fn associated_data(domain: &[u8], id: &ReceiptId) -> Vec<u8> {
    [domain, id.as_bytes()].concat()
}

/// Seals what is to be kept. `nonce` is fresh from a secure source.
///
/// `None` if it is more than `max_bytes`, or than [`MAX_CONTENT_BYTES`]: then nothing is kept, and the receipt's claim 25 says so.
#[must_use]
pub fn seal(
    kept: Kept<'_>,
    salts: &Salts,
    id: &ReceiptId,
    nonce: [u8; NONCE_BYTES],
    max_bytes: usize,
) -> Option<Vec<u8>> {
    let mut head = [VERSION; HEAD_BYTES];
    head[1..].copy_from_slice(&nonce);
    let mut sealed = kept.encode(&head, max_bytes.min(MAX_CONTENT_BYTES))?;
    close(&mut sealed, DOMAIN, salts, id, nonce)?;
    Some(sealed)
}

/// Seals a proof of inference (specs/03-http.md §6.3). `nonce` is fresh from a secure source.
pub(crate) fn seal_proof(
    evidence: &[u8],
    salts: &Salts,
    id: &ReceiptId,
    nonce: [u8; NONCE_BYTES],
) -> Option<Vec<u8>> {
    let mut sealed = vec![VERSION];
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(evidence);
    close(&mut sealed, PROOF_DOMAIN, salts, id, nonce)?;
    Some(sealed)
}

/// Encrypts what follows the head, and appends the tag.
fn close(
    sealed: &mut Vec<u8>,
    domain: &[u8],
    salts: &Salts,
    id: &ReceiptId,
    nonce: [u8; NONCE_BYTES],
) -> Option<()> {
    let plaintext = sealed.get_mut(HEAD_BYTES..)?;
    let nonce = Nonce::from(nonce);
    // Fails for messages beyond 256 GiB only.
    let tag = cipher(salts)
        .encrypt_inout_detached(&nonce, &associated_data(domain, id), plaintext.into())
        .ok()?;
    sealed.extend_from_slice(&tag);
    Some(())
}

/// Opens what was sealed for the receipt `id`.
///
/// # Errors
/// [`StoreError::Sealed`] if it was sealed for another receipt or under another secret, or was changed; [`StoreError::Malformed`] and
/// [`StoreError::Version`] for what this module did not write.
pub fn open(sealed: &[u8], salts: &Salts, id: &ReceiptId) -> Result<Contents, StoreError> {
    Contents::decode(&unseal(sealed, DOMAIN, salts, id)?)
}

/// Opens a proof that was sealed for the receipt `id`.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_proof(
    sealed: &[u8],
    salts: &Salts,
    id: &ReceiptId,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    unseal(sealed, PROOF_DOMAIN, salts, id)
}

fn unseal(
    sealed: &[u8],
    domain: &[u8],
    salts: &Salts,
    id: &ReceiptId,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (head, rest) = sealed
        .split_at_checked(HEAD_BYTES)
        .ok_or(StoreError::Sealed)?;
    let (version, nonce) = head.split_at_checked(1).ok_or(StoreError::Sealed)?;
    if version != [VERSION] {
        return Err(StoreError::Version {
            what: "contents",
            expected: VERSION.into(),
            got: version.first().copied().unwrap_or_default().into(),
        });
    }
    let end = rest
        .len()
        .checked_sub(TAG_BYTES)
        .ok_or(StoreError::Sealed)?;
    let (ciphertext, tag) = rest.split_at_checked(end).ok_or(StoreError::Sealed)?;
    let nonce = Nonce::try_from(nonce).map_err(|_| StoreError::Sealed)?;
    let tag = Tag::try_from(tag).map_err(|_| StoreError::Sealed)?;
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    cipher(salts)
        .decrypt_inout_detached(
            &nonce,
            &associated_data(domain, id),
            plaintext.as_mut_slice().into(),
            &tag,
        )
        .map_err(|_| StoreError::Sealed)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proofmark_receipt::ReceiptSecret;

    use super::*;

    fn salts(secret: u8, id: &ReceiptId) -> Salts {
        Salts::new(&ReceiptSecret::new([secret; 32]), id)
    }

    fn sealed(id: &ReceiptId) -> Vec<u8> {
        let received = Bytes::from_static(b"a question with a MARKER in it");
        let raw = Bytes::from_static(b"an answer with a MARKER in it");
        let kept = Kept {
            received: &received,
            forwarded: &[],
            raw: Some(&raw),
            choices: &[],
            executed: None,
        };
        seal(kept, &salts(1, id), id, [9; 12], 1 << 20).unwrap()
    }

    #[test]
    fn only_the_right_secret_and_the_right_receipt_open() {
        let (id, other) = (
            ReceiptId::from_parts(1, [1; 10]),
            ReceiptId::from_parts(1, [2; 10]),
        );
        let sealed = sealed(&id);
        assert!(!sealed.windows(6).any(|bytes| bytes == b"MARKER"));
        let contents = open(&sealed, &salts(1, &id), &id).unwrap();
        assert_eq!(contents.received, b"a question with a MARKER in it");
        for (salts, id) in [
            (salts(2, &id), id),
            (salts(1, &id), other),
            (salts(1, &other), other),
        ] {
            assert_eq!(open(&sealed, &salts, &id), Err(StoreError::Sealed));
        }
    }

    #[test]
    fn a_changed_bit_and_a_missing_byte_are_noticed() {
        let id = ReceiptId::from_parts(1, [1; 10]);
        let sealed = sealed(&id);
        let salts = salts(1, &id);
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(
                    open(&changed, &salts, &id).is_err(),
                    "bit {bit} of byte {at}"
                );
            }
            assert!(open(&sealed[..at], &salts, &id).is_err(), "cut at {at}");
        }
        assert!(open(&[&sealed[..], b"x"].concat(), &salts, &id).is_err());
    }

    #[test]
    fn the_format_is_the_one_that_is_written_down() {
        let id = ReceiptId::from_parts(1, [1; 10]);
        let sealed = sealed(&id);
        let aad = [b"proofmark/store/1/content\n".as_slice(), id.as_bytes()].concat();
        let mut plaintext = sealed[13..sealed.len() - 16].to_vec();
        let tag = Tag::try_from(&sealed[sealed.len() - 16..]).unwrap();
        assert_eq!(sealed[..13], [1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
        cipher(&salts(1, &id))
            .decrypt_inout_detached(
                &Nonce::from([9; 12]),
                &aad,
                plaintext.as_mut_slice().into(),
                &tag,
            )
            .unwrap();
        assert_eq!(plaintext[..4], [0x85, 0x02, 0x58, 30]);
    }

    #[test]
    fn a_proof_is_sealed_for_its_receipt_and_is_no_contents() {
        let id = ReceiptId::from_parts(1, [1; 10]);
        let other = ReceiptId::from_parts(1, [2; 10]);
        let proof = seal_proof(b"a proof with a MARKER", &salts(1, &id), &id, [9; 12]).unwrap();
        assert!(!proof.windows(6).any(|bytes| bytes == b"MARKER"));
        let opened = open_proof(&proof, &salts(1, &id), &id).unwrap();
        assert_eq!(opened.as_slice(), b"a proof with a MARKER");
        for (secret, of) in [(2, id), (1, other)] {
            let opened = open_proof(&proof, &salts(secret, &of), &of);
            assert_eq!(opened, Err(StoreError::Sealed));
        }
        // Neither passes for the other.
        assert_eq!(open(&proof, &salts(1, &id), &id), Err(StoreError::Sealed));
        let contents = sealed(&id);
        let opened = open_proof(&contents, &salts(1, &id), &id);
        assert_eq!(opened, Err(StoreError::Sealed));
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at] ^= 1;
            assert!(open_proof(&changed, &salts(1, &id), &id).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_sealed() {
        let id = ReceiptId::from_parts(1, [1; 10]);
        let received = Bytes::from(vec![0; MAX_CONTENT_BYTES + 1]);
        let kept = Kept {
            received: &received,
            forwarded: &[],
            raw: None,
            choices: &[],
            executed: None,
        };
        assert!(seal(kept, &salts(1, &id), &id, [0; 12], usize::MAX).is_none());
        let small = received.slice(0..11);
        let kept = Kept {
            received: &small,
            ..kept
        };
        assert!(seal(kept, &salts(1, &id), &id, [0; 12], 10).is_none());
        assert!(seal(kept, &salts(1, &id), &id, [0; 12], 11).is_some());
    }
}
