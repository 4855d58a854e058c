//! Bytes of a proof as values: every length is checked before anything is kept.

use alloc::vec::Vec;

use crate::Rejection;
use crate::field::{DEGREE, E, E_BYTES, F};

/// A digest of BLAKE3.
pub type Digest = [u8; 32];

/// A cursor over the bytes of a proof (specs/05-proof.md §3).
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Offset of the next byte.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// `proof.malformed` if fewer are left.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Rejection> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.malformed("more bytes"));
        };
        self.rest = rest;
        self.at = self.at.saturating_add(len);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Rejection> {
        let expected = self.malformed("more bytes");
        self.bytes(N)?.try_into().map_err(|_| expected)
    }

    /// One byte.
    ///
    /// # Errors
    /// `proof.malformed` if none is left.
    pub fn u8(&mut self) -> Result<u8, Rejection> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// `proof.malformed` if fewer are left.
    pub fn u32(&mut self) -> Result<u32, Rejection> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    /// `proof.malformed` if fewer are left.
    pub fn u64(&mut self) -> Result<u64, Rejection> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A digest.
    ///
    /// # Errors
    /// `proof.malformed` if fewer bytes are left.
    pub fn digest(&mut self) -> Result<Digest, Rejection> {
        self.array()
    }

    /// An element of the base field.
    ///
    /// # Errors
    /// `proof.malformed` if fewer bytes are left or the word is p or more.
    pub fn base(&mut self) -> Result<F, Rejection> {
        let expected = self.malformed("a word below p");
        F::from_canonical(self.u32()?).ok_or(expected)
    }

    /// An element of the extension.
    ///
    /// # Errors
    /// As [`base`](Self::base).
    pub fn extension(&mut self) -> Result<E, Rejection> {
        let mut value = [F::ZERO; DEGREE];
        for place in &mut value {
            *place = self.base()?;
        }
        Ok(E(value))
    }

    /// `count` elements of the base field; the bytes are there before memory is taken.
    ///
    /// # Errors
    /// As [`base`](Self::base).
    pub fn bases(&mut self, count: usize) -> Result<Vec<F>, Rejection> {
        self.expect(count.saturating_mul(4))?;
        (0..count).map(|_| self.base()).collect()
    }

    /// `count` elements of the extension; the bytes are there before memory is taken.
    ///
    /// # Errors
    /// As [`base`](Self::base).
    pub fn extensions(&mut self, count: usize) -> Result<Vec<E>, Rejection> {
        self.expect(count.saturating_mul(E_BYTES))?;
        (0..count).map(|_| self.extension()).collect()
    }

    /// `count` digests; the bytes are there before memory is taken.
    ///
    /// # Errors
    /// `proof.malformed` if fewer bytes are left.
    pub fn digests(&mut self, count: usize) -> Result<Vec<Digest>, Rejection> {
        self.expect(count.saturating_mul(32))?;
        (0..count).map(|_| self.digest()).collect()
    }

    /// The end of the proof.
    ///
    /// # Errors
    /// `proof.malformed` if a byte is left.
    pub fn finish(&self) -> Result<(), Rejection> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("the end of the proof"))
        }
    }

    fn expect(&self, len: usize) -> Result<(), Rejection> {
        if len > self.rest.len() {
            Err(self.malformed("more bytes"))
        } else {
            Ok(())
        }
    }

    /// The error that something else was expected here.
    #[must_use]
    pub const fn malformed(&self, expected: &'static str) -> Rejection {
        Rejection::Malformed {
            expected,
            at: self.at,
        }
    }
}
