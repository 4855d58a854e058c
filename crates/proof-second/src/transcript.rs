//! The transcript (§2).

use proofmark_field::{E, F};

/// A state of 32 bytes.
#[derive(Debug, Clone)]
pub struct Transcript([u8; 32]);

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The name of a purpose of these proofs.
pub(crate) fn name(purpose: &str) -> String {
    ["proofmark", "proof", "1", purpose].join("/")
}

/// The key that separates a purpose from all else that is hashed.
pub(crate) fn key(purpose: &str) -> [u8; 32] {
    *blake3::hash((name(purpose) + "\n").as_bytes()).as_bytes()
}

impl Transcript {
    /// Begins for a protocol (§2.2).
    #[must_use]
    pub fn new(protocol: &str) -> Self {
        let mut transcript = Self([0; 32]);
        transcript.absorb("protocol", protocol.as_bytes());
        transcript
    }

    fn hasher(&self, kind: u8, label: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&key("transcript"));
        hasher.update(&self.0);
        hasher.update(&[kind]);
        hasher.update(&(label.len() as u64).to_le_bytes());
        hasher.update(label.as_bytes());
        hasher
    }

    /// §2.1.
    pub fn absorb(&mut self, label: &str, message: &[u8]) {
        let mut hasher = self.hasher(0, label);
        hasher.update(&(message.len() as u64).to_le_bytes());
        hasher.update(message);
        self.0 = *hasher.finalize().as_bytes();
    }

    /// §2.1.
    fn squeeze(&mut self, label: &str, count: usize) -> Vec<u8> {
        let mut hasher = self.hasher(1, label);
        hasher.update(&(count as u64).to_le_bytes());
        let mut bytes = vec![0; 32 + count];
        hasher.finalize_xof().fill(&mut bytes);
        let drawn = bytes.split_off(32);
        self.0.copy_from_slice(&bytes);
        drawn
    }

    /// §2.3.
    pub fn challenges(&mut self, label: &str, count: usize) -> Vec<E> {
        let bytes = self.squeeze(label, 40 * count);
        let coordinate = |word: &[u8]| F::from_u64(little_endian(word));
        let element = |bytes: &[u8]| {
            let mut coordinates = [F::ZERO; 5];
            for (place, word) in coordinates.iter_mut().zip(bytes.chunks(8)) {
                *place = coordinate(word);
            }
            E(coordinates)
        };
        bytes.chunks(40).map(element).collect()
    }

    /// One challenge.
    pub fn challenge(&mut self, label: &str) -> E {
        self.challenges(label, 1)[0]
    }

    /// §2.3.
    pub fn indices(&mut self, label: &str, count: usize, bits: u32) -> Vec<usize> {
        let bytes = self.squeeze(label, 4 * count);
        bytes
            .chunks(4)
            .map(|bytes| (little_endian(bytes) % (1 << bits)) as usize)
            .collect()
    }

    /// §2.4.
    #[must_use]
    pub fn does_work(&self, nonce: &[u8], bits: u32) -> bool {
        let mut hasher = blake3::Hasher::new_keyed(&key("work"));
        hasher.update(&self.0);
        hasher.update(nonce);
        let hash = *hasher.finalize().as_bytes();
        little_endian(&hash[..8]).is_multiple_of(1 << bits)
    }
}
