//! A proof's bytes (§3), each absorbed as it is read unless it is bound (§2.5).

use proofmark_field::{E, F};

use crate::Transcript;

/// Why a proof is refused (§5.6).
pub type Code = &'static str;

/// What is left of a proof.
#[derive(Debug)]
pub struct Input<'p> {
    /// The transcript.
    pub transcript: Transcript,
    rest: &'p [u8],
}

impl<'p> Input<'p> {
    /// A proof after what the transcript has.
    #[must_use]
    pub const fn new(transcript: Transcript, proof: &'p [u8]) -> Self {
        Self {
            transcript,
            rest: proof,
        }
    }

    /// Bytes that are bound.
    ///
    /// # Errors
    /// `proof.malformed`.
    pub fn bound(&mut self, count: usize) -> Result<&'p [u8], Code> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or("proof.malformed")?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Bytes that are sent.
    ///
    /// # Errors
    /// `proof.malformed`.
    pub fn sent(&mut self, label: &str, count: usize) -> Result<&'p [u8], Code> {
        let bytes = self.bound(count)?;
        self.transcript.absorb(label, bytes);
        Ok(bytes)
    }

    /// Elements of E that are sent.
    ///
    /// # Errors
    /// `proof.malformed`.
    pub fn extensions(&mut self, label: &str, count: usize) -> Result<Vec<E>, Code> {
        let bytes = self.sent(label, count * 20)?;
        bytes.chunks(20).map(extension).collect()
    }

    /// The end of the proof.
    ///
    /// # Errors
    /// `proof.malformed`.
    pub fn end(&self) -> Result<(), Code> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err("proof.malformed")
        }
    }
}

/// An element of F (§3.1).
pub(crate) fn base(bytes: &[u8]) -> Result<F, Code> {
    let word = bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    F::from_canonical(word).ok_or("proof.malformed")
}

/// An element of E (§3.1).
pub(crate) fn extension(bytes: &[u8]) -> Result<E, Code> {
    let mut coordinates = [F::ZERO; 5];
    for (coordinate, word) in coordinates.iter_mut().zip(bytes.chunks(4)) {
        *coordinate = base(word)?;
    }
    Ok(E(coordinates))
}
