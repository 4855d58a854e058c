//! A proof's bytes and the transcript in step: whatever is sent is absorbed, on both sides, under the same label.

use alloc::vec::Vec;

use super::Transcript;
use crate::Rejection;
use crate::field::{E, F};
use crate::reader::{Digest, Reader};

/// The prover's end: bytes are written and absorbed.
#[derive(Debug, Clone)]
pub struct Outgoing {
    transcript: Transcript,
    bytes: Vec<u8>,
}

impl Outgoing {
    /// Begins a proof after what the transcript has.
    #[must_use]
    pub const fn new(transcript: Transcript) -> Self {
        Self {
            transcript,
            bytes: Vec::new(),
        }
    }

    /// The transcript, for challenges and for what both sides know already.
    pub const fn transcript(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    /// Sends bytes whose number both sides know.
    pub fn send(&mut self, label: &str, bytes: &[u8]) {
        self.transcript.absorb(label, bytes);
        self.bytes.extend_from_slice(bytes);
    }

    /// Sends elements of the extension.
    pub fn send_extensions(&mut self, label: &str, values: &[E]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_bytes()).collect();
        self.send(label, &bytes);
    }

    /// Sends elements of the base field.
    pub fn send_bases(&mut self, label: &str, values: &[F]) {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.canonical().to_le_bytes())
            .collect();
        self.send(label, &bytes);
    }

    /// Sends what a digest in the transcript binds already: it is written and not absorbed again.
    pub fn send_bound(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes sent so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was sent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The proof.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The verifier's end: bytes are read and absorbed.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    transcript: Transcript,
    reader: Reader<'a>,
}

impl<'a> Incoming<'a> {
    /// Begins to read a proof after what the transcript has.
    #[must_use]
    pub const fn new(transcript: Transcript, proof: &'a [u8]) -> Self {
        Self {
            transcript,
            reader: Reader::new(proof),
        }
    }

    /// The transcript, for challenges and for what both sides know already.
    pub const fn transcript(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    /// Reads what is not absorbed because a digest in the transcript binds it, and ends the proof.
    pub const fn bound(&mut self) -> &mut Reader<'a> {
        &mut self.reader
    }

    /// Receives `len` bytes.
    ///
    /// # Errors
    /// `proof.malformed` if fewer are left.
    pub fn receive(&mut self, label: &str, len: usize) -> Result<&'a [u8], Rejection> {
        let bytes = self.reader.bytes(len)?;
        self.transcript.absorb(label, bytes);
        Ok(bytes)
    }

    /// Receives a digest.
    ///
    /// # Errors
    /// `proof.malformed` if fewer bytes are left.
    pub fn receive_digest(&mut self, label: &str) -> Result<Digest, Rejection> {
        let digest = self.reader.digest()?;
        self.transcript.absorb(label, &digest);
        Ok(digest)
    }

    /// Receives `count` elements of the extension.
    ///
    /// # Errors
    /// `proof.malformed` if fewer bytes are left, or a coordinate is p or more.
    pub fn receive_extensions(&mut self, label: &str, count: usize) -> Result<Vec<E>, Rejection> {
        let values = self.reader.extensions(count)?;
        self.transcript.absorb_extensions(label, &values);
        Ok(values)
    }

    /// Receives `count` elements of the base field.
    ///
    /// # Errors
    /// `proof.malformed` if fewer bytes are left, or a word is p or more.
    pub fn receive_bases(&mut self, label: &str, count: usize) -> Result<Vec<F>, Rejection> {
        let values = self.reader.bases(count)?;
        self.transcript.absorb_bases(label, &values);
        Ok(values)
    }

    /// The end of the proof.
    ///
    /// # Errors
    /// `proof.malformed` if a byte is left.
    pub fn finish(&self) -> Result<(), Rejection> {
        self.reader.finish()
    }
}
