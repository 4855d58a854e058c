//! The transcript: what both sides have seen, and the challenges that follow from it (specs/05-proof.md §2).

mod channel;
#[cfg(test)]
mod tests;

use alloc::vec;
use alloc::vec::Vec;

use crate::field::{DEGREE, E, F};
use crate::reader::Digest;
pub use channel::{Incoming, Outgoing};

/// Separates transcripts from everything else that is hashed.
const SEPARATOR: &[u8] = b"proofmark/proof/1/transcript\n";

/// Separates the search for a nonce from everything else that is hashed.
const WORK_SEPARATOR: &[u8] = b"proofmark/proof/1/work\n";

/// The kinds of steps.
const ABSORB: u8 = 0;
const SQUEEZE: u8 = 1;

/// A chain of BLAKE3 hashes over everything that was said, in order, each with its label and length.
///
/// The state after a step determines all steps before it, up to collisions of BLAKE3; a challenge is a function of the state.
#[derive(Debug, Clone)]
pub struct Transcript {
    key: Digest,
    state: Digest,
}

impl Transcript {
    /// The transcript of a protocol of this name, with nothing said.
    #[must_use]
    pub fn new(protocol: &str) -> Self {
        let mut transcript = Self {
            key: *blake3::hash(SEPARATOR).as_bytes(),
            state: [0; 32],
        };
        transcript.absorb("protocol", protocol.as_bytes());
        transcript
    }

    /// Says `bytes` under `label`.
    pub fn absorb(&mut self, label: &str, bytes: &[u8]) {
        self.state = *self
            .step(ABSORB, label, bytes.len(), bytes)
            .finalize()
            .as_bytes();
    }

    /// Says elements of the extension.
    pub fn absorb_extensions(&mut self, label: &str, values: &[E]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_bytes()).collect();
        self.absorb(label, &bytes);
    }

    /// Says elements of the base field.
    pub fn absorb_bases(&mut self, label: &str, values: &[F]) {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.canonical().to_le_bytes())
            .collect();
        self.absorb(label, &bytes);
    }

    /// `count` bytes that nobody could foresee before everything so far was said.
    #[must_use]
    pub fn squeeze(&mut self, label: &str, count: usize) -> Vec<u8> {
        let mut output = self.step(SQUEEZE, label, count, &[]).finalize_xof();
        output.fill(&mut self.state);
        let mut bytes = vec![0; count];
        output.fill(&mut bytes);
        bytes
    }

    /// A random element of the extension: each coordinate is 8 squeezed bytes modulo p, so that no element is more than
    /// 1 + 2^−30 times as likely as under the uniform distribution.
    #[must_use]
    pub fn challenge(&mut self, label: &str) -> E {
        self.challenges(label, 1).pop().unwrap_or_default()
    }

    /// `count` random elements of the extension.
    #[must_use]
    pub fn challenges(&mut self, label: &str, count: usize) -> Vec<E> {
        let bytes = self.squeeze(label, count.saturating_mul(8 * DEGREE));
        let mut words = bytes
            .chunks_exact(8)
            .map(|word| F::from_u64(word.try_into().map_or(0, u64::from_le_bytes)));
        (0..count)
            .map(|_| E(core::array::from_fn(|_| words.next().unwrap_or_default())))
            .collect()
    }

    /// `count` random numbers below 2^`bits` (at most 32), each uniform and independent.
    #[must_use]
    pub fn indices(&mut self, label: &str, count: usize, bits: u32) -> Vec<u32> {
        let mask = 1_u32
            .checked_shl(bits)
            .map_or(u32::MAX, |end| end.wrapping_sub(1));
        self.squeeze(label, count.saturating_mul(4))
            .chunks_exact(4)
            .map(|word| word.try_into().map_or(0, u32::from_le_bytes) & mask)
            .collect()
    }

    /// What a nonce is sought for: the key and the message's first 32 bytes; see `work_done`.
    #[must_use]
    pub fn work(&self) -> Work {
        Work {
            key: *blake3::hash(WORK_SEPARATOR).as_bytes(),
            state: self.state,
        }
    }

    fn step(&self, kind: u8, label: &str, count: usize, bytes: &[u8]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.state);
        hasher.update(&[kind]);
        hasher.update(&(label.len() as u64).to_le_bytes());
        hasher.update(label.as_bytes());
        hasher.update(&(count as u64).to_le_bytes());
        hasher.update(bytes);
        hasher
    }
}

/// A state of a transcript for which a nonce is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// BLAKE3's key.
    pub key: Digest,
    /// The first 32 bytes of the message; the nonce, 8 bytes little-endian, is the rest.
    pub state: Digest,
}

impl Work {
    /// Whether the `bits` (at most 64) low bits of the keyed hash's first 8 bytes, little-endian, are zero.
    #[must_use]
    pub fn is_done(&self, nonce: u64, bits: u32) -> bool {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.state);
        hasher.update(&nonce.to_le_bytes());
        let mut word = [0; 8];
        hasher.finalize_xof().fill(&mut word);
        u64::from_le_bytes(word).trailing_zeros() >= bits
    }
}
